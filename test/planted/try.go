package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// try plants a bug and runs the tests that should catch it, one call after the
// other until one does. It returns the name of the test that did; "" if none.
func (b *bug) try(ctx context.Context) (caught string, err error) {
	files, err := b.plant(os.DirFS("."))
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "planted")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	overlay, err := writeOverlay(dir, files)
	if err != nil {
		return "", err
	}
	for _, r := range b.tests {
		test, err := r.fails(ctx, overlay)
		if err != nil || test != "" {
			return strings.TrimSpace(test), err
		}
	}
	return "", nil
}

// writeOverlay writes the files that stand in for others, and the list of them
// that the go command reads.
func writeOverlay(dir string, files map[string]string) (list string, err error) {
	replace := make(map[string]string)
	for name, text := range files {
		real, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		standIn := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(standIn, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[real] = standIn
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list = filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, text, 0o600)
}

// event is what go test -json says of a test.
type event struct{ Action, Package, Test, Output string }

// fails runs tests with the overlay and returns the first that failed. That the
// program does not build is an error: nothing was shown. Tests that build the
// program themselves get the overlay by the environment, too.
func (r run) fails(ctx context.Context, overlay string) (test string, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-json", "-failfast", "-timeout=5m", "-run", r.tests, r.pkg)
	cmd.Env = append(os.Environ(), strings.TrimSpace("GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	failed := cmd.Run() // what it says is in the events
	if err := ctx.Err(); err != nil {
		return "", err
	}
	ran, build := 0, ""
	lines := bufio.NewScanner(&stdout)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue
		}
		switch {
		case e.Action == "build-fail" || e.Action == "build-output":
			build += e.Output
		case e.Action == "run" && e.Test != "":
			ran++
		case e.Action == "fail" && e.Test != "" && (test == "" || strings.HasPrefix(test, e.Test+"/")):
			if test == "" { // a part of a test fails before the whole does
				test = e.Test
			}
		case e.Action == "fail" && test == "" && ran > 0: // the process died
			test = "the run of " + r.tests
		}
	}
	switch {
	case build != "":
		return "", fmt.Errorf("the planted program does not build:\n%s", build)
	case ran == 0:
		return "", fmt.Errorf("%s has no test %s: %w\n%s", r.pkg, r.tests, failed, stderr.String())
	case test == "":
		return "", nil
	}
	return r.pkg + " " + test, nil
}
