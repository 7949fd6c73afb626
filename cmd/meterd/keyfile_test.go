package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meterd/meterd/internal/envelope"
)

func TestKeyfile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys")
	if err := createKeyfile(path); err != nil {
		t.Fatal(err)
	}
	first := readKeyfile(t, path, 0o600)
	if lines := strings.Split(first, "\n"); len(lines) != 3 || lines[0][0] != '#' || lines[2] != "" {
		t.Errorf("want a comment and a key, got %d lines", len(lines)-1)
	}
	if err := createKeyfile(path); err == nil || !strings.Contains(err.Error(), "use 'meterd keyfile rotate'") {
		t.Errorf("created again: %v", err)
	}
	if readKeyfile(t, path, 0o600) != first {
		t.Error("a refused create changed the file")
	}

	old, err := envelope.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	sealed := old.Seal([]byte("secret"), "here")
	// A link stays a link; a group that could read still can, and others cannot.
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := rotateKeyfile(link); err != nil {
		t.Fatal(err)
	}
	second := readKeyfile(t, path, 0o640)
	if !strings.HasSuffix(second, first) || strings.Count(second, "\n") != 4 {
		t.Error("the new key is not in front of all that was there")
	}
	keys, err := envelope.Parse(second)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := keys.Open(sealed, "here"); err != nil || string(text) != "secret" {
		t.Errorf("what the old key sealed: %q, %v", text, err)
	}
	if keys.Current(sealed) || !keys.Current(keys.Seal(nil, "")) {
		t.Error("it is not the new key that seals")
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link: %v, %v", info, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("in the directory: %v, %v", entries, err)
	}
}

func readKeyfile(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != mode {
		t.Errorf("%s: %v, %v; want mode %v", path, info, err, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestKeyfileRefusals leave everything as it was.
func TestKeyfileRefusals(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys")
	if err := rotateKeyfile(path); !os.IsNotExist(err) {
		t.Errorf("rotate what is not there: %v", err)
	}
	if err := os.WriteFile(path, []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rotateKeyfile(path); err == nil || !strings.Contains(err.Error(), path+": line 1 is not a key") {
		t.Errorf("rotate what is no key file: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if text := readKeyfile(t, path, 0o600); text != "no key\n" {
		t.Errorf("the file was changed to %q", text)
	}
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rotateKeyfile(path); err == nil || !strings.Contains(err.Error(), "another rotation is at work, or was broken off") {
		t.Errorf("two at once: %v", err)
	}
	if _, err := os.Stat(path + ".new"); err != nil {
		t.Errorf("the other rotation's file: %v", err)
	}
}
