package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
)

// endedError is a program that ended otherwise than well. It has said why itself.
type endedError struct{ code int }

func (e *endedError) Error() string { return "the program ended in failure" }

// runChild runs a program to its end, and passes on to it the signals that come
// meanwhile.
func runChild(path string, args, environ []string) error {
	cmd := &exec.Cmd{Path: path, Args: args, Env: environ, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	arrived := make(chan os.Signal, 8)
	signal.Notify(arrived, passedOn...)
	defer signal.Stop(arrived)
	if err := cmd.Start(); err != nil {
		return err
	}
	atTerminal := isTerminal(os.Stdin)
	ended := make(chan struct{})
	passing := make(chan struct{})
	go func() {
		defer close(passing)
		for {
			select {
			case s := <-arrived:
				// A terminal has told both already.
				if !(atTerminal && ofTerminal(s)) {
					_ = cmd.Process.Signal(s)
				}
			case <-ended:
				return
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	<-passing
	return err
}

// notRunChild is what runChild's error means for who called the command.
func notRunChild(name string, err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return &endedError{endCode(exit.ProcessState)}
	}
	return notRun(name, err)
}

// roleName is the name of a role with that ARN.
func roleName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
