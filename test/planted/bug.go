package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// bug is something wrong that can be planted.
type bug struct {
	name  string
	tests []run
	edits []edit
}

// run is a call of go test: a package and an expression for its tests.
type run struct{ pkg, tests string }

// edit replaces a piece of a file, which is there once.
type edit struct{ file, was, is string }

// readBugs reads a folder of bugs, in the order of their names.
func readBugs(fsys fs.FS) ([]bug, error) {
	names, err := fs.Glob(fsys, "*.txt")
	if err == nil && len(names) == 0 {
		err = errors.New("there are no bugs")
	}
	if err != nil {
		return nil, err
	}
	bugs := make([]bug, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		if bugs[i], err = parseBug(strings.TrimSuffix(name, ".txt"), string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return bugs, nil
}

// parseBug reads a bug:
//
//	What is wrong, in words.
//	test: ./package ^TestThatShouldCatchIt$
//	--- file
//	what is there
//	+++
//	what is planted in its place
//
// with as many lines "test:" and as many edits as it takes.
func parseBug(name, text string) (bug, error) {
	b := bug{name: name}
	words := false
	var now *edit
	var part *string
	for line := range strings.Lines(text) {
		bare := strings.TrimSuffix(line, "\n")
		if file, ok := strings.CutPrefix(bare, "--- "); ok {
			b.edits = append(b.edits, edit{file: file})
			now = &b.edits[len(b.edits)-1]
			part = &now.was
			continue
		}
		call, isTest := strings.CutPrefix(bare, "test: ")
		switch {
		case bare == "+++" && now != nil:
			part = &now.is
		case part != nil:
			*part += line
		case isTest:
			pkg, tests, ok := strings.Cut(call, " ")
			if !ok {
				return b, fmt.Errorf("%q: want a package and an expression", bare)
			}
			b.tests = append(b.tests, run{pkg, tests})
		case bare != "":
			words = true
		}
	}
	if !words || len(b.tests) == 0 || len(b.edits) == 0 {
		return b, errors.New("want words, a test and an edit")
	}
	return b, nil
}

// plant returns the files with the bug in them.
func (b *bug) plant(fsys fs.FS) (map[string]string, error) {
	planted := make(map[string]string)
	for _, e := range b.edits {
		text, ok := planted[e.file]
		if !ok {
			read, err := fs.ReadFile(fsys, e.file)
			if err != nil {
				return nil, err
			}
			text = string(read)
		}
		if n := strings.Count(text, e.was); n != 1 || e.was == "" {
			return nil, fmt.Errorf("%s: what is to be replaced is there %d times:\n%s", e.file, n, e.was)
		}
		planted[e.file] = strings.Replace(text, e.was, e.is, 1)
	}
	return planted, nil
}
