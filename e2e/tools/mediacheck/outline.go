package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Elements with their paths, attributes and texts, in the document's order, one in a line.
func outline(document []byte) ([]string, error) {
	decoder := xml.NewDecoder(bytes.NewReader(document))
	var lines, path []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return lines, nil
		} else if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
			lines = append(lines, strings.Join(path, "/")+attributes(token.Attr))
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" {
				lines = append(lines, strings.Join(path, "/")+": "+text)
			}
		}
	}
}

func attributes(all []xml.Attr) string {
	var words []string
	for _, attribute := range all {
		if attribute.Name.Local != "xmlns" && attribute.Name.Space != "xmlns" {
			words = append(words, fmt.Sprintf(" %s=%q", attribute.Name.Local, rounded(attribute.Value)))
		}
	}
	slices.Sort(words)
	return strings.Join(words, "")
}

// A duration in milliseconds, as dash-mpd keeps it.
func rounded(value string) string {
	var seconds float64
	if number, ended := strings.CutSuffix(value, "S"); ended {
		if number, begun := strings.CutPrefix(number, "PT"); begun {
			if _, err := fmt.Sscanf(number, "%g", &seconds); err == nil {
				return fmt.Sprintf("%.3f s", seconds)
			}
		}
	}
	return value
}

// Lines that differ, the first few of them.
func compare(before, after []string) []string {
	const enough = 5
	var findings []string
	for n := range max(len(before), len(after)) {
		was, is := at(before, n), at(after, n)
		if was != is && len(findings) < enough {
			findings = append(findings, fmt.Sprintf("%s is read as %s", was, is))
		}
	}
	return findings
}

func at(lines []string, n int) string {
	if n < len(lines) {
		return lines[n]
	}
	return "nothing"
}
