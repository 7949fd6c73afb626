package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/transfer"
)

func newImport() *cobra.Command {
	var at location
	cmd := &cobra.Command{
		Use: "import FILE|-", Short: "Bring what 'meterd export' has written into a new store, and check it", Args: exactly("FILE"),
		Long: `Bring what 'meterd export' has written into a store that is new or holds nothing,
of whichever kind. Then open it anew, go through every record as 'meterd check'
does, and compare it with the file's last line.

If it is interrupted, the same command goes on. Until it has come to its end, no
server starts on the store.`,
		Example: `  meterd import meterd.jsonl --data /var/lib/meterd --key-file keys
  meterd import meterd.jsonl --store postgres://meterd@db.example.com/meterd --key-file keys
  meterd import - --data imported --key-file keys < meterd.jsonl`,
		ValidArgsFunction: fileArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := at.find(); err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			in, err := openInput(cmd, args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			about, totals, err := bringIn(cmd, &at, in)
			if err != nil {
				return err
			}
			audit, err := accept(cmd, &at, totals)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "the store is as it was at %s, exported by meterd %s: %s; digest of all records: %s\n",
				about.Made.Format(time.RFC3339), about.Version, totals.Counts, totals.Digest)
			for _, p := range audit.Problems {
				fmt.Fprintln(out, p)
			}
			if err := unbalanced(audit); err != nil {
				return fmt.Errorf("%w, as in the store that was exported", err)
			}
			_, err = fmt.Fprintln(out, "the books balance.")
			return err
		},
	}
	at.flags(cmd, "import into")
	return cmd
}

// bringIn brings the file into the store.
func bringIn(cmd *cobra.Command, at *location, in io.Reader) (about transfer.About, totals transfer.Totals, err error) {
	ctx := cmd.Context()
	keys, err := at.keys()
	if err != nil {
		return about, totals, err
	}
	db, err := at.open(ctx)
	if err != nil {
		return about, totals, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := refuseServed(ctx, db); err != nil {
		return about, totals, err
	}
	shown := newByteProgress(cmd.ErrOrStderr(), "imported", sizeOf(in))
	defer shown.done()
	about, totals, err = transfer.Import(ctx, db, &contextReader{ctx, io.TeeReader(in, shown)}, keys, nil)
	switch {
	case err == nil:
		return about, totals, nil
	case errors.Is(err, store.ErrNotEmpty):
		return about, totals, errors.New("the store holds something, and no import into it is under way: import into a new one")
	}
	err = at.keyError(err)
	if stands, failed := db.Importing(context.WithoutCancel(ctx)); failed == nil && stands != "" && !errors.Is(err, transfer.ErrOther) {
		err = fmt.Errorf("%w\nWhat was imported before is kept: the same command goes on from there, with the whole file", err)
	}
	return about, totals, err
}

// accept opens the store anew, and ends the import if it holds what the file does.
func accept(cmd *cobra.Command, at *location, want transfer.Totals) (audit *admin.Audit, err error) {
	ctx := cmd.Context()
	db, err := at.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	got, err := compared(cmd, db)
	if err != nil {
		return nil, err
	}
	if got != want {
		return nil, fmt.Errorf("the store does not hold what the file does, and is not to be used: the file has %s, digest %s; the store has %s, digest %s",
			want.Counts, want.Digest, got.Counts, got.Digest)
	}
	audit, err = checkStore(ctx, cmd.ErrOrStderr(), db)
	if err != nil {
		return nil, err
	}
	if audit.Records != want.Counts.Records || audit.Digest != want.Digest {
		return nil, fmt.Errorf("the store lists %d records with digest %s, and the file has %d with digest %s: it is not to be used",
			audit.Records, audit.Digest, want.Counts.Records, want.Digest)
	}
	return audit, transfer.Finish(ctx, db)
}

func compared(cmd *cobra.Command, db store.Store) (transfer.Totals, error) {
	shown := newProgress(cmd.ErrOrStderr(), "compared", unknown)
	defer shown.done()
	return transfer.TotalsOf(cmd.Context(), db, shown.add)
}
