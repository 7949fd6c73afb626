package main

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands of the scripts of nouns:
//
//	exits CODE COMMAND ARGS…  run a command; it must exit with the code
//	take NAME MEMBER          set NAME to a member of the JSON object that was printed last

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case err == nil && want == 0:
	case errors.As(err, &exit) && exit.ExitCode() == want:
	default:
		ts.Fatalf("got %v; want exit status %d", err, want)
	}
}

func scriptTake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: take NAME MEMBER")
	}
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &object))
	text, ok := object[args[1]].(string)
	if !ok {
		ts.Fatalf("there is no text %q in %v", args[1], object)
	}
	ts.Setenv(args[0], text)
}

// TestMisuse calls every command in the wrong way: with a flag that it does not
// have, with an argument too many, and with one too few. All of them are
// usage errors that say where help is; and --help shows the example.
func TestMisuse(t *testing.T) {
	call := func(args ...string) (string, error) {
		root := newRoot()
		var out strings.Builder
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(args)
		err := root.Execute()
		return out.String(), err
	}
	for _, cmd := range everyCommand(newRoot()) {
		if cmd.HasSubCommands() || cmd.Name() == "exec" { // which takes any arguments
			continue
		}
		name := strings.Fields(cmd.CommandPath())[1:]
		help, err := call(append(name, "--help")...)
		if err != nil || !strings.Contains(help, cmd.Example) {
			t.Errorf("%s --help: %v\n%s", cmd.CommandPath(), err, help)
		}
		arguments := strings.Fields(strings.ReplaceAll(cmd.Use, "[flags]", ""))[1:]
		wrong := [][]string{
			append(append([]string{}, name...), "--no-such-flag"),
			append(append(append([]string{}, name...), arguments...), "more", "more"),
		}
		if len(arguments) > 0 && arguments[0][0] != '[' {
			wrong = append(wrong, name)
		}
		for _, args := range wrong {
			if _, err := call(args...); exitCode(err) != exitUsage || !strings.Contains(err.Error(), cmd.CommandPath()+" --help") {
				t.Errorf("meterd %s: %v", strings.Join(args, " "), err)
			}
		}
	}
}
