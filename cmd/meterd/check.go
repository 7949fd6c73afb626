package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

func newCheck() *cobra.Command {
	var at location
	var output string
	cmd := &cobra.Command{
		Use: "check", Short: "Prove that the books balance: go through every record", Args: exactly(),
		Long: `Go through every record and prove that the books balance: each record is what
was written, by its checksum; one record for each key, no id twice, allocations
that add up to the quantity, nothing metered that the catalogue does not know.
What is damaged is named, and the check goes on behind it. It asks a running
server or, with --data or --store, opens the store of one that does not run. It
exits with 0 if they balance, and with 1 if not.

The digest is of all records, whatever their order: two stores with the same number
of records and the same digest hold the same ones.`,
		Example: `  meterd check
  meterd check --data /var/lib/meterd --key-file keys`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := formOf(cmd.OutOrStdout(), output, false)
			itself := at.data != "" || at.given != ""
			switch {
			case err != nil:
			case itself:
				err = at.find()
			case at.keyFile != "":
				err = errors.New("--key-file is for --data and --store: a running server has its keys")
			}
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			var audit *admin.Audit
			if itself {
				audit, err = at.check(cmd.Context(), cmd.ErrOrStderr())
			} else {
				audit, err = checkServer(cmd)
			}
			if err != nil {
				return err
			}
			if err := printAudit(cmd, form, audit); err != nil {
				return err
			}
			return unbalanced(audit)
		},
	}
	urlFlag(cmd)
	at.flags(cmd, "check")
	outputFlag(cmd, &output)
	return cmd
}

func checkServer(cmd *cobra.Command) (*admin.Audit, error) {
	c, err := newClient(cmd)
	if err != nil {
		return nil, err
	}
	last, err := c.steps(cmd.Context(), cmd.ErrOrStderr(), "records", http.MethodGet, "/check", nil)
	if err != nil {
		return nil, err
	}
	return last.Audit, nil
}

func printAudit(cmd *cobra.Command, form string, a *admin.Audit) error {
	if form != "table" {
		return printOne(cmd, form, view[admin.Audit]{
			columns: []string{"records", "digest", "problems"},
			row: func(a *admin.Audit) []string {
				return []string{strconv.FormatInt(a.Records, 10), a.Digest, strings.Join(a.Problems, "; ")}
			},
		}, a)
	}
	out := cmd.OutOrStdout()
	for _, p := range a.Problems {
		fmt.Fprintln(out, p)
	}
	if a.More > 0 {
		fmt.Fprintf(out, "… and %d more\n", a.More)
	}
	says := "the books balance."
	if !a.Balanced() {
		says = "the books do not balance."
	}
	_, err := fmt.Fprintf(out, "%d records looked at: %s\ndigest of all records: %s\n", a.Records, says, a.Digest)
	return err
}

// unbalanced is an error if anything was found.
func unbalanced(a *admin.Audit) error {
	if a.Balanced() {
		return nil
	}
	return fmt.Errorf("the books do not balance: %d problems", len(a.Problems)+a.More)
}
