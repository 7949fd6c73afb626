package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newExec() *cobra.Command {
	cmd := &cobra.Command{
		Use: "exec -- COMMAND [ARGUMENT...]", Short: "Run a command as a client of the server",
		Long: `Run a command with the variables that 'meterd env' prints, and without those that
could win over them, such as AWS_PROFILE. The command takes this process's place:
its exit code is its own, or 127 if it is not found and 126 if it cannot be run.`,
		Example: "  meterd exec -- aws meteringmarketplace resolve-customer --registration-token demo-registration-token\n  meterd exec -- go test ./...",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{errors.New("COMMAND is missing"), cmd.CommandPath()}
			}
			c, err := connect("")
			if err != nil {
				return err
			}
			path, err := exec.LookPath(args[0])
			if err == nil {
				err = become(path, args, clientEnviron(os.Environ(), c.variables()))
			}
			return notRun(args[0], err)
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the command is the command's
	return cmd
}

// Exit codes of a command that was not run, as shells have them.
const (
	exitNotRunnable = 126
	exitNoCommand   = 127
)

// notRunError is a command that could not be run.
type notRunError struct {
	err  error
	code int
}

func (e *notRunError) Error() string { return e.err.Error() }

func notRun(name string, err error) error {
	var reason *exec.Error
	if errors.As(err, &reason) {
		err = reason.Err // without the name, which stands before it
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return &notRunError{fmt.Errorf("%s: not found", name), exitNoCommand}
	}
	return &notRunError{fmt.Errorf("%s: %w", name, err), exitNotRunnable}
}

// clientEnviron is an environment with the variables, and without their rivals.
func clientEnviron(environ []string, variables []variable) []string {
	environ = slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(rivals, name) || slices.ContainsFunc(variables, func(v variable) bool { return v.name == name })
	})
	for _, v := range variables {
		environ = append(environ, v.name+"="+v.value)
	}
	return environ
}
