// Command mediacheck reads what was published with the libraries of Eyevinn, which share no code with the product
// nor with each other: mp4ff, hls-m3u8 and dash-mpd, whose types were generated from the schema of ISO/IEC 23009-1.
//
//	mediacheck mp4|hls|mpd FILE…
//
// A JSON object in a line for each file: what is wrong with it, and what it holds.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/Eyevinn/dash-mpd/mpd"
	"github.com/Eyevinn/hls-m3u8/m3u8"
	"github.com/Eyevinn/mp4ff/mp4"
)

// A report on one file.
type report struct {
	File     string   `json:"file"`
	Findings []string `json:"findings"`
	// Samples of all tracks.
	Samples uint32 `json:"samples,omitempty"`
}

func main() {
	readers := map[string]func([]byte, *report) error{"mp4": readMP4, "hls": readHLS, "mpd": readMPD}
	if len(os.Args) < 3 || readers[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "it is mediacheck mp4|hls|mpd FILE…")
		os.Exit(2)
	}
	out := json.NewEncoder(os.Stdout)
	for _, file := range os.Args[2:] {
		told := report{File: file, Findings: []string{}}
		content, err := os.ReadFile(file)
		if err == nil {
			err = readers[os.Args[1]](content, &told)
		}
		if err != nil {
			told.Findings = append(told.Findings, err.Error())
		}
		if err := out.Encode(told); err != nil {
			fmt.Fprintln(os.Stderr, "mediacheck:", err)
			os.Exit(1)
		}
	}
}

// Every box is known, and written again it has the same bytes.
func readMP4(content []byte, told *report) error {
	file, err := mp4.DecodeFile(bytes.NewReader(content))
	if err != nil {
		return err
	}
	for _, box := range file.Children {
		unknown("", box, told)
	}
	told.Samples = samples(file)
	file.FragEncMode = mp4.EncModeBoxTree
	var again bytes.Buffer
	if err := file.Encode(&again); err != nil {
		return err
	}
	if !bytes.Equal(again.Bytes(), content) {
		told.Findings = append(told.Findings, differing(content, again.Bytes()))
	}
	return nil
}

func unknown(path string, box mp4.Box, told *report) {
	path += "/" + box.Type()
	if _, is := box.(*mp4.UnknownBox); is {
		told.Findings = append(told.Findings, "unknown box "+path)
	}
	if parent, is := box.(interface{ GetChildren() []mp4.Box }); is {
		for _, child := range parent.GetChildren() {
			unknown(path, child, told)
		}
	}
}

func samples(file *mp4.File) uint32 {
	var count uint32
	if file.Moov != nil {
		for _, track := range file.Moov.Traks {
			count += track.Mdia.Minf.Stbl.Stsz.GetNrSamples()
		}
	}
	for _, segment := range file.Segments {
		for _, fragment := range segment.Fragments {
			for _, track := range fragment.Moof.Trafs {
				for _, run := range track.Truns {
					count += run.SampleCount()
				}
			}
		}
	}
	return count
}

func differing(before, after []byte) string {
	at := 0
	for at < len(before) && at < len(after) && before[at] == after[at] {
		at++
	}
	from := max(0, at-16)
	around := func(content []byte) []byte { return content[min(from, len(content)):min(at+16, len(content))] }
	return fmt.Sprintf("written again it differs from byte %d on: %q instead of %q", at, around(after), around(before))
}

// The strict parser accepts it.
func readHLS(content []byte, _ *report) error {
	_, _, err := m3u8.DecodeFrom(bytes.NewReader(content), true)
	return err
}

// Read into the types of the schema and written again, every element and attribute is still there, in the schema's
// order.
func readMPD(content []byte, told *report) error {
	parsed, err := mpd.MPDFromBytes(content)
	if err != nil {
		return err
	}
	again, err := parsed.WriteToString("", true)
	if err != nil {
		return err
	}
	before, err := outline(content)
	if err != nil {
		return err
	}
	after, err := outline([]byte(again))
	if err != nil {
		return err
	}
	told.Findings = append(told.Findings, compare(before, after)...)
	return nil
}
