package main

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// Every bug still has its place in the sources.
func TestEveryBugApplies(t *testing.T) {
	bugs, err := readBugs(os.DirFS("bugs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bugs {
		files, err := b.plant(os.DirFS("../.."))
		if err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
		for name, text := range files {
			was, err := os.ReadFile("../../" + name)
			if err != nil || string(was) == text {
				t.Errorf("%s: %s is as it was (error %v)", b.name, name, err)
			}
		}
		for _, r := range b.tests {
			if !strings.HasPrefix(r.pkg, "./") || !strings.HasPrefix(r.tests, "^") {
				t.Errorf("%s: test %q of %q: want a package of ours and an expression that begins with ^", b.name, r.tests, r.pkg)
			}
		}
	}
}

func TestParse(t *testing.T) {
	const sound = "Wrong.\ntest: ./a ^TestA$\ntest: ./b ^TestB$\n--- a.go\n\tone\n+++\n\ttwo\n\tthree\n--- b.go\nx\n+++\n"
	b, err := parseBug("sound", sound)
	if err != nil {
		t.Fatal(err)
	}
	files, err := b.plant(fstest.MapFS{"a.go": {Data: []byte("zero\n\tone\n")}, "b.go": {Data: []byte("x\ny\n")}})
	if err != nil || files["a.go"] != "zero\n\ttwo\n\tthree\n" || files["b.go"] != "y\n" || len(b.tests) != 2 {
		t.Errorf("got %q, %v, error %v", files, b.tests, err)
	}
	if _, err := b.plant(fstest.MapFS{"a.go": {Data: []byte("\tone\n\tone\n")}, "b.go": {Data: []byte("x\n")}}); err == nil || !strings.Contains(err.Error(), "2 times") {
		t.Errorf("a place that is there twice: %v", err)
	}
	for name, text := range map[string]string{
		"no words": strings.TrimPrefix(sound, "Wrong.\n"), "no test": "Wrong.\n--- a\nb\n+++\n", "no edit": "Wrong.\ntest: ./a ^T\n", "no expression": "Wrong.\ntest: ./a\n--- a\nb\n+++\n",
	} {
		if _, err := parseBug(name, text); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}
