package pgtest

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"testing"
)

// Programs returns the directory with the server programs of a version, for a test
// that runs them itself. It needs no shared cluster, and is skipped as the others
// are.
func Programs(tb testing.TB, version int) (dir string) {
	tb.Helper()
	_, bin := need(tb, version)
	return bin.Dir
}

// Command lets a command run as the user that may run a server, who is not root,
// in a directory that is given to him with all that is in it.
func Command(tb testing.TB, cmd *exec.Cmd, dir string) {
	tb.Helper()
	o, err := serverOwner()
	if err == nil && o != nil {
		err = filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return o.own(name)
		})
	}
	if err != nil {
		tb.Fatal(err)
	}
	cmd.Dir = dir
	cmd.SysProcAttr = o.attributes()
}
