package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/clock"
	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store/embedded"
)

func newCheck() *cobra.Command {
	var data, keyFile, output string
	cmd := &cobra.Command{
		Use: "check", Short: "Prove that the books balance: go through every record", Args: exactly(),
		Long: `Go through every record and prove that the books balance: each record is what
was written, by its checksum; one record for each key, no id twice, allocations
that add up to the quantity, nothing metered that the catalogue does not know.
What is damaged is named, and the check goes on behind it. It asks a running
server or, with --data, opens the directory of one that does not run. It exits
with 0 if they balance, and with 1 if not.`,
		Example: `  meterd check
  meterd check --data /var/lib/meterd --key-file keys`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := formOf(cmd.OutOrStdout(), output, false)
			if err == nil && keyFile != "" && data == "" {
				err = errors.New("--key-file is for --data: a running server has its keys")
			}
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			var audit *admin.Audit
			if data != "" {
				audit, err = checkDirectory(cmd.Context(), cmd.ErrOrStderr(), data, keyFile)
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
	cmd.Flags().StringVar(&data, "data", "", "check this data directory, which no server may be using")
	cmd.Flags().StringVar(&keyFile, "key-file", "", "file with the keys that the directory's secrets are sealed with, if they are")
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

// checkDirectory opens a data directory that is there, and checks it.
func checkDirectory(ctx context.Context, stderr io.Writer, dir, keyFile string) (audit *admin.Audit, err error) {
	// Opening would make one in place of a name that was mistyped.
	if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
		return nil, fmt.Errorf("--data: there is no data of meterd's in %s: %w", dir, cmp.Or(err, os.ErrNotExist))
	}
	db, err := openStore(dir, keyFile)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	shown := newProgress(stderr, "records", unknown)
	defer shown.done()
	var seen int64
	s := &admin.Service{Store: db, Clock: clock.New(time.Now), Log: slog.New(slog.DiscardHandler)}
	return s.Check(ctx, func(records int64) {
		shown.add(int(records - seen))
		seen = records
	})
}

// openStore opens a store that no server is using. keyFile may be empty.
func openStore(dir, keyFile string) (*embedded.Store, error) {
	o := embedded.Options{Dir: dir}
	if keyFile != "" {
		var err error
		if o.Keys, err = readKeys(keyFile); err != nil {
			return nil, fmt.Errorf("--key-file: %w", err)
		}
	}
	db, err := embedded.Open(o)
	switch {
	case errors.Is(err, envelope.ErrKey) && keyFile == "":
		return nil, fmt.Errorf("its secrets are sealed: give the file with their keys with --key-file (%w)", err)
	case errors.Is(err, envelope.ErrKey):
		return nil, fmt.Errorf("--key-file: %s does not have the key that its secrets are sealed with: give the file of the server that they are from (%w)", keyFile, err)
	}
	return db, err
}

func printAudit(cmd *cobra.Command, form string, a *admin.Audit) error {
	if form != "table" {
		return printOne(cmd, form, view[admin.Audit]{
			columns: []string{"records", "problems"},
			row: func(a *admin.Audit) []string {
				return []string{strconv.FormatInt(a.Records, 10), strings.Join(a.Problems, "; ")}
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
	_, err := fmt.Fprintf(out, "%d records looked at: %s\n", a.Records, says)
	return err
}

// unbalanced is an error if anything was found.
func unbalanced(a *admin.Audit) error {
	if a.Balanced() {
		return nil
	}
	return fmt.Errorf("the books do not balance: %d problems", len(a.Problems)+a.More)
}
