package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/bucket"
	"github.com/meterd/meterd/internal/metering"
)

// auditExport is `meterd audit export`.
type auditExport struct {
	location
	only audit.Filter
}

func newAuditExport() *cobra.Command {
	var e auditExport
	picks := []option{
		{name: "account", help: "only events of this account"},
		{name: "from", help: "only events of this time and after", is: aTime},
		{name: "to", help: "only events before this time", is: aTime},
	}
	cmd := &cobra.Command{
		Use: "export DEST", Short: "Write the trail into files, as 'meterd serve' does with trail_files", Args: exactly("DEST"),
		Long: `Write the trail's events into files of JSON lines, in CloudTrail's folders, each
event once, with digests' files that prove that nothing is missing. DEST is a
directory, or a bucket: ` + bucket.Form + `.

The same files come of the setting trail_files, while the server runs; this goes on
with a destination that is there, and opens the store by itself. With --account,
--from or --to it is some of the events: such a destination is one of its own, and
cannot prove that none is missing.`,
		Example: `  meterd audit export /srv/trail --data /var/lib/meterd --key-file keys
  meterd audit export 's3://trail/meterd?region=eu-west-1' --store postgres://meterd@db.example.com/meterd
  meterd audit export september --data /var/lib/meterd --from 2026-09-01T00:00:00Z --to 2026-10-01T00:00:00Z`,
		RunE: func(cmd *cobra.Command, args []string) error {
			given, err := queryOf(cmd, picks)
			if err != nil {
				return err
			}
			if err = e.find(); err == nil {
				err = errors.Join(e.pick(given.Get), checkTrailFiles(args[0]))
			}
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			return e.run(cmd, args[0])
		},
	}
	e.flags(cmd, "write the trail of")
	declare(cmd, picks)
	return cmd
}

// pick reads which events are asked for.
func (e *auditExport) pick(given func(string) string) error {
	e.only.Account = metering.AccountID(given("account"))
	if e.only.Account != "" && !e.only.Account.Valid() {
		return fmt.Errorf("--account %q is not 12 digits", e.only.Account)
	}
	e.only.From, _ = time.Parse(time.RFC3339, given("from")) // what was given is a time
	e.only.To, _ = time.Parse(time.RFC3339, given("to"))
	if !e.only.From.IsZero() && !e.only.To.IsZero() && !e.only.From.Before(e.only.To) {
		return errors.New("--from is not before --to")
	}
	return nil
}

func (e *auditExport) run(cmd *cobra.Command, dest string) (err error) {
	ctx := cmd.Context()
	db, err := e.openWhole(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	to, directory, err := openTrailFiles(dest, audit.NewDirectory)
	if err != nil {
		return err
	}
	if directory != nil {
		defer directory.Close()
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	w := audit.Writer{Store: db, To: to, Only: e.only, Now: time.Now, Log: log}
	written, err := w.Write(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d events in %d files, and %d digests\n", dest, written.Events, written.Files, written.Digests)
	return err
}

func newAuditVerifyFiles() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "verify-files DEST", Short: "Prove that files of the trail are whole, by what is in their folder", Args: exactly("DEST"),
		Long: `Check files of the trail by what is in their folder, without a store: that the
digests' files hang together, that every file is as it was written, that none is
missing or was put in, and that the events leave no gap. Everything is checked,
whatever is found. DEST is a directory, or a bucket: ` + bucket.Form + `.
It exits with 0 if the folder is whole, and with 1 if not.

What no folder can tell by itself is that its end was cut off, or that all of it was
written anew. So keep the last digest's SHA-256 that this prints elsewhere, and
compare. A server that writes meanwhile may be seen between a file and the digest
that lists it: that file is named, and is not the next time.`,
		Example: `  meterd audit verify-files /srv/trail
  meterd audit verify-files 's3://trail/meterd?region=eu-west-1' --output json`,
		ValidArgsFunction: fileArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := formOf(cmd.OutOrStdout(), output, false)
			if err = errors.Join(err, checkTrailFiles(args[0])); err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			report, err := verifyFiles(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := printFolder(cmd, form, report); err != nil {
				return err
			}
			if n := len(report.Problems); n > 0 {
				return fmt.Errorf("the files are not whole: %d problems", n)
			}
			return nil
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func verifyFiles(ctx context.Context, dest string) (*audit.FolderReport, error) {
	from, directory, err := openTrailFiles(dest, audit.OpenDirectory)
	if err != nil {
		return nil, err
	}
	if directory != nil {
		defer directory.Close()
	}
	return audit.VerifyFiles(ctx, from)
}

func printFolder(cmd *cobra.Command, form string, r *audit.FolderReport) error {
	if form != "table" {
		return printOne(cmd, form, view[audit.FolderReport]{
			columns: []string{"first", "last", "at", "last_sum", "files", "events", "expired", "problems"},
			row: func(r *audit.FolderReport) []string {
				return []string{
					strconv.FormatInt(r.First, 10), strconv.FormatInt(r.Last, 10), r.At.Format(time.RFC3339), r.LastSum.String(),
					strconv.Itoa(r.Files), strconv.FormatInt(r.Events, 10), strconv.FormatInt(r.Expired, 10), strings.Join(r.Problems, "; "),
				}
			},
		}, r)
	}
	out := cmd.OutOrStdout()
	for _, p := range r.Problems {
		fmt.Fprintln(out, p)
	}
	sayFolder(out, r)
	return nil
}

// sayFolder says what a folder proves.
func sayFolder(out io.Writer, r *audit.FolderReport) {
	says := "the files are whole."
	if len(r.Problems) > 0 {
		says = "the files are not whole."
	}
	fmt.Fprintf(out, "%d events in %d files looked at, by digests %d to %d: %s\n", r.Events, r.Files, r.First, r.Last, says)
	if r.Expired > 0 {
		fmt.Fprintf(out, "%d events had been let go of before they were written\n", r.Expired)
	}
	if r.Only != (audit.Filter{}) {
		fmt.Fprintln(out, "they are some of the events only: whether any of those is missing cannot be told")
	}
	fmt.Fprintf(out, "the last digest is of %s; SHA-256 of its file: %s\n", r.At.Format(time.RFC3339), r.LastSum)
}
