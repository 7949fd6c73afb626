// Command meterd serves the AWS Marketplace Metering Service, and manages what
// it serves. Its commands are listed by meterd --help; each stands in a file of
// its own name.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

// run is main, with a result that scripts can test.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process as it would any other

	root := newRoot()
	root.SetArgs(negativeLast(os.Args[1:]))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var ended *endedError
	if errors.As(err, &ended) {
		return ended.code
	}
	fmt.Fprintf(root.ErrOrStderr(), "meterd: %v\n", err)
	return exitCode(err)
}

// Exit codes, the same for every command.
const (
	exitFailure  = 1 // it did not work
	exitUsage    = 2 // it was asked for in the wrong way
	exitNotFound = 3 // there is nothing of that name
	exitRefused  = 4 // the server would not
)

func exitCode(err error) int {
	var usage *usageError
	var refused *refusedError
	var notRun *notRunError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &refused) && refused.Status == 404:
		return exitNotFound
	case errors.As(err, &refused) && refused.Status < 500:
		return exitRefused
	case errors.As(err, &notRun):
		return notRun.code
	}
	return exitFailure
}

// usageError is a command that was given the wrong flags or arguments.
type usageError struct {
	err     error
	command string
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%v\nRun '%s --help' for how to use it.", e.err, e.command)
}

func (e *usageError) Unwrap() error { return e.err }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "meterd",
		Short: "A metering service for software marketplaces, on AWS Marketplace's wire",
		Long: `meterd serves the AWS Marketplace Metering Service: MeterUsage, BatchMeterUsage,
ResolveCustomer, RegisterUsage, and GetEntitlements beside them.

Start it with 'meterd dev' and point an AWS SDK at it; in production it is
'meterd serve', whose settings 'meterd config print' shows. The other commands speak
to a running server: METERD_URL says where it is, METERD_ADMIN_TOKEN lets them in.
If neither is set, that is the 'meterd dev' which runs for the same user.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("there is no command %q", args[0]), cmd.CommandPath()}
			}
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err, cmd.CommandPath()}
	})
	root.AddCommand(
		newDev(), newServe(), newConfig(), newKeyfile(), newEnv(), newExec(), newClock(),
		newSeller(), newBuyer(), newProduct(), newAgreement(), newWorkload(), newPolicy(), newRole(), newCredential(), newToken(), newKey(),
		newRegistration(), newUsage(), newCatalog(), newHistory(), newCompat(), newAccess(),
		newCheck(), newAudit(), newBackup(), newRestore(), newExport(), newImport(), newMigrate(),
		newCompletion(), newVersion(),
	)
	completeFlags(root)
	return root
}

// group is a command that only holds others: a noun, with its verbs, which speak
// to a running server.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("there is no command %q", cmd.CommandPath()+" "+args[0]), cmd.CommandPath()}
			}
			return cmd.Help()
		},
	}
	cmd.PersistentFlags().String("url", "", "where the server is (default $METERD_URL, the running dev, or "+defaultURL+")")
	cmd.AddCommand(verbs...)
	return cmd
}

// negativeLast moves negative durations behind "--", so that one can be given as
// an argument without being taken for a flag. One that follows a flag is its
// value.
func negativeLast(args []string) []string {
	var flags, negative []string
	for i, arg := range args {
		if i == 0 && arg == "exec" || i == 1 && args[0] == "workload" && arg == "run" {
			return args // what follows is another program's to read
		}
		if arg == "--" {
			return append(append(append(flags, "--"), negative...), args[i+1:]...)
		}
		ofFlag := i > 0 && strings.HasPrefix(args[i-1], "--") && !strings.Contains(args[i-1], "=")
		if _, err := time.ParseDuration(arg); err == nil && strings.HasPrefix(arg, "-") && !ofFlag {
			negative = append(negative, arg)
		} else {
			flags = append(flags, arg)
		}
	}
	if negative != nil {
		flags = append(append(flags, "--"), negative...)
	}
	return flags
}

// exactly asks for one argument for each name.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(args) < len(names) {
			return &usageError{fmt.Errorf("%s is missing", strings.Join(names[len(args):], " ")), cmd.CommandPath()}
		}
		return &usageError{fmt.Errorf("there is one argument too many: %q", args[len(names)]), cmd.CommandPath()}
	}
}
