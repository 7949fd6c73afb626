//go:build unix

package main

import "syscall"

// become replaces this process by the command, so that signals, the terminal and
// the exit code are the command's without anything in between. It returns only if
// that fails.
func become(path string, args, environ []string) error {
	return syscall.Exec(path, args, environ)
}
