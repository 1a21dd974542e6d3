// Command kstatus judges Kubernetes objects: JSON objects on standard input, one line with the status and the
// message of each on standard output. It judges as Flux does, and with -health FILE as Argo CD does with that
// health check in Lua.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
)

// A verdict on an object: its status and its message.
type verdict func(object *unstructured.Unstructured) (string, string, error)

func main() {
	health := flag.String("health", "", "a health check of Argo CD, `FILE` in Lua")
	flag.Parse()
	judge := flux
	if *health != "" {
		judge = argo(*health)
	}
	if err := all(os.Stdin, os.Stdout, judge); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func all(in io.Reader, out io.Writer, judge verdict) error {
	decoder := json.NewDecoder(in)
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		status, message, err := judge(&object)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %s\n", status, message)
	}
}

func flux(object *unstructured.Unstructured) (string, string, error) {
	result, err := status.Compute(object)
	if err != nil {
		return "", "", err
	}
	return result.Status.String(), result.Message, nil
}

// As util/lua of Argo CD: the object is the global obj, the check returns a table.
func argo(file string) verdict {
	return func(object *unstructured.Unstructured) (string, string, error) {
		state := lua.NewState()
		defer state.Close()
		text, err := object.MarshalJSON()
		if err != nil {
			return "", "", err
		}
		value, err := luajson.Decode(state, text)
		if err != nil {
			return "", "", err
		}
		state.SetGlobal("obj", value)
		if err := state.DoFile(file); err != nil {
			return "", "", err
		}
		health, ok := state.Get(-1).(*lua.LTable)
		if !ok {
			return "", "", fmt.Errorf("%s returns no table", file)
		}
		return health.RawGetString("status").String(), health.RawGetString("message").String(), nil
	}
}
