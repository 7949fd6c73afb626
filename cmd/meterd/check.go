package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/clock"
	"github.com/meterd/meterd/internal/store"
)

func newCheck() *cobra.Command {
	var p location
	var output string
	cmd := &cobra.Command{
		Use: "check", Short: "Prove that the books balance: go through every record", Args: exactly(),
		Long: `Go through every record and prove that the books balance: one record for each
key, no id twice, allocations that add up to the quantity, nothing metered that
the catalogue does not know. It asks a running server or, with --data or --store,
opens a directory that no server uses, or a database. It exits with 0 if they
balance, and with 1 if not. The digest is a sum over all records that does not
depend on their order: two stores with the same one hold the same records.`,
		Example: `  meterd check
  meterd check --data /var/lib/meterd --key-file keys
  meterd check --store postgres://meterd@db.example.com/meterd --key-file keys`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := formOf(cmd.OutOrStdout(), output, false)
			if err == nil && p.keyFile != "" && !p.given() {
				err = errors.New("--key-file is for --data and --store: a running server has its keys")
			}
			if err == nil && p.given() {
				err = p.check()
			}
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			var audit *admin.Audit
			if p.given() {
				audit, err = checkLocation(cmd.Context(), cmd.ErrOrStderr(), &p)
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
	p.flags(cmd)
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

// checkLocation opens a store that is there, and checks it.
func checkLocation(ctx context.Context, stderr io.Writer, p *location) (audit *admin.Audit, err error) {
	db, err := p.openFilled(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return checkStore(ctx, stderr, db)
}

// checkStore checks an open store.
func checkStore(ctx context.Context, stderr io.Writer, db store.Store) (*admin.Audit, error) {
	shown := newProgress(stderr, "records", unknown)
	defer shown.done()
	var seen int64
	s := &admin.Service{Store: db, Clock: clock.New(time.Now), Log: slog.New(slog.DiscardHandler)}
	return s.Check(ctx, func(records int64) {
		shown.add(int(records - seen))
		seen = records
	})
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
