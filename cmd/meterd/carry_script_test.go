package main

import (
	"bytes"
	"os"
	"slices"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands of the scripts of export and import:
//
//	cut FILE LINES TO    write a file into another, but for its last lines and half of the first of these
//	spoil FILE TEXT TO   write a file into another, with one bit of a text in it turned

func scriptCut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: cut FILE LINES TO")
	}
	text, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	lines := slices.Collect(bytes.Lines(text))
	at := max(len(lines)-n, 0)
	kept := slices.Concat(lines[:at]...)
	if n > 0 {
		kept = append(kept, lines[at][:len(lines[at])/2]...)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), kept, 0o600))
}

func scriptSpoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: spoil FILE TEXT TO")
	}
	text, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	at := bytes.Index(text, []byte(args[1]))
	if at < 0 {
		ts.Fatalf("there is no %q in %s", args[1], args[0])
	}
	text[at] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), text, 0o600))
}
