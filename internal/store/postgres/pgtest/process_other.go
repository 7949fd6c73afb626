//go:build !linux

package pgtest

import (
	"errors"
	"os"
	"syscall"
)

// owner has no counterpart here: tests do not run as root.
type owner struct{}

func serverOwner() (*owner, error) { return nil, nil }

func (*owner) own(string) error { return nil }

// attributes has no counterpart here: killed tests leave their server.
func (*owner) attributes() *syscall.SysProcAttr { return nil }

func freeze(int) (thaw func(), err error) {
	return nil, errors.New("a server can be paused on Linux only")
}

func tell(pid int, s syscall.Signal) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Signal(s)
}

// slay kills the postmaster; its children end when they notice.
func slay(postmaster int) {
	if p, err := os.FindProcess(postmaster); err == nil {
		_ = p.Kill()
	}
}

// lock has no counterpart here, where nothing is installed.
func lock(string) (unlock func(), err error) { return func() {}, nil }
