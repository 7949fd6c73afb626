package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/store"
)

func newAudit() *cobra.Command {
	return group("audit", "Prove what the trail of events says, and hand it on",
		newAuditVerify(),
		newAuditDigests(),
		newAuditExport(),
		newAuditVerifyFiles(),
	)
}

var digestView = view[audit.DigestFile]{
	columns: []string{"number", "at", "hash", "prev", "chains"},
	narrow:  []string{"number", "at", "hash", "chains"},
	row: func(d *audit.DigestFile) []string {
		return []string{strconv.FormatInt(d.Number, 10), timeCell(&d.At), string(d.Hash), string(d.Prev), strconv.Itoa(len(d.Extents))}
	},
}

func newAuditDigests() *cobra.Command {
	var l listing
	var after int64
	cmd := &cobra.Command{
		Use: "digests", Short: "List the digests of the trail, oldest first", Args: exactly(),
		Long: `List the digests of the trail. A server makes one when it starts, every hour, when
it stops, and whenever it writes the trail into files (trail_files); none if there
was no event since. Each lists how far every chain of events goes, and has the hash
of the one before: whoever keeps one where the server's operator cannot change it,
can prove later that no event of before was changed. JSON is what 'meterd audit
verify --digests' reads.`,
		Example: `  meterd audit digests
  meterd audit digests --output json >digests/$(date +%F).json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if after < 0 {
				return &usageError{fmt.Errorf("--after %d is less than 0", after), cmd.CommandPath()}
			}
			return listAll(cmd, l, digestView, "/audit/digests", url.Values{"after": {strconv.FormatInt(after, 10)}})
		},
	}
	cmd.Flags().Int64Var(&after, "after", 0, "after the digest of this number")
	l.flags(cmd)
	return cmd
}

func newAuditVerify() *cobra.Command {
	var at location
	var output, digests string
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove that the trail is whole, and agrees with the records", Args: exactly(),
		Long: `Go through the digests, every event of every chain, and every record, and prove
that no event was changed, removed, moved or put in, that each is found where it is
looked up, and that every record has the event of the call that made it. What is
wrong is named, and where, and all else is looked at. It asks a running server or,
with --data or --store, opens the store itself. It exits with 0 if the trail is
sound, with 1 if not, and with 2 if it was asked in the wrong way.

With --digests, the trail is held against digests that were kept elsewhere, too:
that finds one which was made anew as a whole. Without, an operator who can write
everything can also make everything fit.`,
		Example: `  meterd audit verify
  meterd audit verify --digests /mnt/worm/digests
  meterd audit verify --data /var/lib/meterd --key-file keys --output json`,
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
			if err == nil && digests != "" {
				_, err = os.ReadDir(digests)
			}
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			var report *audit.Report
			if itself {
				report, err = at.verify(cmd.Context(), cmd.ErrOrStderr(), digests)
			} else {
				report, err = verifyServer(cmd, digests)
			}
			if err != nil {
				return err
			}
			if err := printReport(cmd, form, report); err != nil || report.Sound() {
				return err
			}
			return fmt.Errorf("the trail is not sound: %d findings", len(report.Findings)+report.More)
		},
	}
	at.flags(cmd, "verify")
	cmd.Flags().StringVar(&digests, "digests", "", "folder with digests that were kept elsewhere, in JSON")
	outputFlag(cmd, &output)
	return cmd
}

// verify opens the store that is there, and verifies its trail.
func (p *location) verify(ctx context.Context, stderr io.Writer, digests string) (report *audit.Report, err error) {
	db, err := p.openWhole(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	shown := newProgress(stderr, "events and records", unknown)
	defer shown.done()
	var seen int64
	report, err = audit.Verify(ctx, db, func(read int64) {
		shown.add(int(read - seen))
		seen = read
	})
	if err != nil {
		return nil, err
	}
	return report, compareDigests(report, digests, audit.Digests(ctx, db))
}

func verifyServer(cmd *cobra.Command, digests string) (*audit.Report, error) {
	c, err := newClient(cmd)
	if err != nil {
		return nil, err
	}
	last, err := c.steps(cmd.Context(), cmd.ErrOrStderr(), "events and records", http.MethodGet, "/audit/verification", nil)
	if err != nil {
		return nil, err
	}
	return last.Verification, compareDigests(last.Verification, digests, c.digests(cmd.Context()))
}

// compareDigests holds a trail's digests against those that were kept in a folder.
func compareDigests(report *audit.Report, folder string, trail iter.Seq2[store.TrailDigest, error]) error {
	if folder == "" {
		return nil
	}
	if err := report.ComparePublished(audit.Published(os.DirFS(folder)), trail); err != nil {
		return fmt.Errorf("--digests %s: %w", folder, err)
	}
	return nil
}

// digests are those that a server has.
func (c *client) digests(ctx context.Context) iter.Seq2[store.TrailDigest, error] {
	return func(yield func(store.TrailDigest, error) bool) {
		for cursor := ""; ; {
			var page admin.Digests
			if err := c.call(ctx, http.MethodGet, "/audit/digests?cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
				yield(store.TrailDigest{}, err)
				return
			}
			for i := range page.Digests {
				if d, err := page.Digests[i].Digest(); !yield(d, err) {
					return
				}
			}
			if cursor = page.Next; cursor == "" {
				return
			}
		}
	}
}

func printReport(cmd *cobra.Command, form string, r *audit.Report) error {
	if form != "table" {
		return printOne(cmd, form, view[audit.Report]{
			columns: []string{"digests", "chains", "events", "records", "findings"},
			row: func(r *audit.Report) []string {
				n := func(n int64) string { return strconv.FormatInt(n, 10) }
				return []string{n(r.Digests), strconv.Itoa(r.Chains), n(r.Events), n(r.Records), strconv.Itoa(len(r.Findings) + r.More)}
			},
		}, r)
	}
	out := cmd.OutOrStdout()
	for _, f := range r.Findings {
		fmt.Fprintf(out, "%s: %s\n", f.Kind, f.Text)
	}
	if r.More > 0 {
		fmt.Fprintf(out, "… and %d more\n", r.More)
	}
	says := "the trail is sound."
	if !r.Sound() {
		says = "the trail is not sound."
	}
	fmt.Fprintf(out, "%d events in %d chains, %d records and %d digests looked at: %s\n", r.Events, r.Chains, r.Records, r.Digests, says)
	if !r.Since.IsZero() {
		fmt.Fprintf(out, "there are events since %s\n", timeCell(&r.Since))
	}
	if r.Last == nil {
		return nil
	}
	_, err := fmt.Fprintf(out, "digest %d of %s: %s\n", r.Last.Number, timeCell(&r.Last.At), r.Last.Hash)
	return err
}
