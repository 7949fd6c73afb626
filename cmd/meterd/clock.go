package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func newClock() *cobra.Command {
	set := &cobra.Command{
		Use: "set TIME", Short: "Set the clock to a time and stop it there", Args: exactly("TIME"),
		Example: "  meterd clock set 2026-09-15T10:30:00Z",
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := time.Parse(time.RFC3339, args[0])
			if err != nil {
				return &usageError{fmt.Errorf("%q is not a time such as 2026-09-15T10:30:00Z", args[0]), cmd.CommandPath()}
			}
			return moveClock(cmd, map[string]any{"now": at})
		},
	}
	advance := &cobra.Command{
		Use: "advance DURATION", Short: "Move the clock, back if the duration is negative", Args: exactly("DURATION"),
		Example: "  meterd clock advance 24h\n  meterd clock advance -90m",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := time.ParseDuration(args[0]); err != nil {
				return &usageError{fmt.Errorf("%q is not a duration such as 1h, 90m or -24h", args[0]), cmd.CommandPath()}
			}
			return moveClock(cmd, map[string]any{"advance": args[0]})
		},
	}
	run := &cobra.Command{
		Use: "run", Short: "Let the clock go on from where it stands", Args: exactly(),
		Example: "  meterd clock run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return moveClock(cmd, map[string]any{"running": true})
		},
	}
	show := &cobra.Command{
		Use: "show", Short: "Show the clock", Args: exactly(),
		Example: "  meterd clock show",
		RunE:    func(cmd *cobra.Command, _ []string) error { return callClock(cmd, http.MethodGet, nil) },
	}
	return group("clock", "Show and move the service's clock", set, advance, run, show)
}

func moveClock(cmd *cobra.Command, how map[string]any) error {
	return callClock(cmd, http.MethodPut, how)
}

// callClock prints what the clock then shows.
func callClock(cmd *cobra.Command, method string, in any) error {
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	var state struct {
		Now     time.Time `json:"now"`
		Running bool      `json:"running"`
	}
	if err := c.call(cmd.Context(), method, "/clock", in, &state); err != nil {
		return err
	}
	word := "stopped"
	if state.Running {
		word = "running"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", state.Now.Format(time.RFC3339Nano), word)
	return err
}
