//go:build !unix

package main

import (
	"errors"
	"os"
	"os/exec"
)

// become runs the command and ends as it does. An interrupt reaches both, and the
// command decides.
func become(path string, args, environ []string) error {
	cmd := exec.Command(path, args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environ, os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if err == nil || errors.As(err, &ended) {
		os.Exit(cmd.ProcessState.ExitCode())
	}
	return err
}
