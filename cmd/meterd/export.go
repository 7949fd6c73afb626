package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/transfer"
)

// export is `meterd export`.
type export struct {
	location
	resume, noCheck bool
}

func newExport() *cobra.Command {
	var e export
	cmd := &cobra.Command{
		Use: "export FILE|-", Short: "Write a whole store into a file that any store can import", Args: exactly("FILE"),
		Long: `Write everything that a store holds into a file: the catalogue with its history,
records, refusals, events, registrations, admissions, redemptions, ClientTokens and
keys. 'meterd import' takes it into a new store, of whichever kind. No server may
use the store meanwhile.

It is written into FILE.part, which becomes FILE when all of it is there and the
store's books were found to balance. If that is interrupted, --resume goes on. The
file has a JSON object a line, with checksums; secrets are in it as they are in the
store: sealed with --key-file, and in plain without.`,
		Example: `  meterd export meterd.jsonl --data /var/lib/meterd --key-file keys
  meterd export meterd.jsonl --data /var/lib/meterd --key-file keys --resume
  meterd export - --store postgres://meterd@db.example.com/meterd | zstd > meterd.jsonl.zst`,
		ValidArgsFunction: fileArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := e.find()
			switch name := args[0]; {
			case err != nil:
			case name == standard && e.resume:
				err = errors.New("--resume goes on with a file, and this is standard output")
			case name == standard && isTerminal(cmd.OutOrStdout()):
				err = errors.New("an export is not for a terminal: name a file, or send it on with |")
			}
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			return e.run(cmd, args[0])
		},
	}
	e.flags(cmd, "export")
	cmd.Flags().BoolVar(&e.resume, "resume", false, "go on with FILE.part, if it is there")
	cmd.Flags().BoolVar(&e.noCheck, "no-check", false, "do not check the store's books at the end")
	return cmd
}

func (e *export) run(cmd *cobra.Command, name string) (err error) {
	ctx, says := cmd.Context(), cmd.OutOrStdout()
	if name != standard {
		if err := absent(name); err != nil {
			return err
		}
	}
	db, err := e.openWhole(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := refuseServed(ctx, db); err != nil {
		return err
	}
	var totals transfer.Totals
	if name == standard {
		says = cmd.ErrOrStderr()
		if totals, err = e.write(ctx, cmd, db, cmd.OutOrStdout(), e.begin()); err == nil {
			err = e.prove(ctx, cmd, db, totals)
		}
	} else {
		totals, err = e.toFile(ctx, cmd, db, name)
	}
	if err != nil {
		return err
	}
	if e.keyFile == "" && holdsSecrets(db.Catalog()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "its secrets are in plain, as they are in the store: keep it accordingly")
	}
	_, err = fmt.Fprintf(says, "%s: %s; digest of all records: %s\n", name, totals.Counts, totals.Digest)
	return err
}

// absent refuses a file that is there.
func absent(name string) error {
	if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
		if err == nil {
			err = errors.New("it is there already: name another file, or remove it")
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func holdsSecrets(known *store.Catalog) bool {
	return known.Len(store.KindCredential)+known.Len(store.KindSigningKey)+known.Len(store.KindSessionKey) > 0
}

func (e *export) begin() *transfer.Point {
	ids := id.Source{Now: time.Now}
	return transfer.Begin(transfer.About{ID: ids.New().String(), Made: time.Now().UTC().Truncate(time.Second), Version: version(), Store: e.kind()})
}

// toFile writes FILE.part, or goes on with it, and gives it its name.
func (e *export) toFile(ctx context.Context, cmd *cobra.Command, db store.Store, name string) (totals transfer.Totals, err error) {
	part := name + ".part"
	f, from, err := e.openPart(part)
	if err != nil {
		return totals, err
	}
	defer func() {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if totals, err = e.write(ctx, cmd, db, f, from); err != nil {
		return totals, fmt.Errorf("%w\n%s holds what was exported so far: the same command with --resume goes on", err, part)
	}
	if err = f.Sync(); err != nil {
		return totals, err
	}
	if err = e.prove(ctx, cmd, db, totals); err != nil {
		return totals, fmt.Errorf("%w\n%s is whole: --resume --no-check takes it as it is", err, part)
	}
	err = f.Close()
	f = nil
	if err == nil {
		err = absent(name) // whoever has made it meanwhile keeps it
	}
	if err == nil {
		err = os.Rename(part, name)
	}
	if err == nil { // the file was synced, its name was not
		err = syncFolder(filepath.Dir(name))
	}
	return totals, err
}

func syncFolder(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// openPart makes a file that its owner alone can read or, to go on, opens the one
// that is there, and cuts off what is behind its last whole mark.
func (e *export) openPart(part string) (f *os.File, from *transfer.Point, err error) {
	f, err = os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		return f, e.begin(), nil
	case !errors.Is(err, os.ErrExist):
		return nil, nil, err
	case !e.resume:
		return nil, nil, fmt.Errorf("%s is there: an export was interrupted; --resume goes on with it, or remove it", part)
	}
	if f, err = os.OpenFile(part, os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if from, err = transfer.Resume(f); err == nil && from == nil {
		from = e.begin()
	}
	if err == nil && from.About.Store != e.kind() {
		err = fmt.Errorf("it was begun from another kind of store, %s: remove it", from.About.Store)
	}
	if err == nil {
		_, err = f.Seek(from.Offset, io.SeekStart)
	}
	if err == nil {
		err = f.Truncate(from.Offset)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", part, err), f.Close())
	}
	return f, from, nil
}

func (e *export) write(ctx context.Context, cmd *cobra.Command, db store.Store, w io.Writer, from *transfer.Point) (transfer.Totals, error) {
	keys, err := e.keys()
	if err != nil {
		return transfer.Totals{}, err
	}
	shown := newProgress(cmd.ErrOrStderr(), "exported", unknown)
	defer shown.done()
	out := bufio.NewWriterSize(w, 1<<16)
	totals, err := transfer.Export(ctx, db, out, from, keys, shown.add)
	if errors.Is(err, store.ErrCursor) {
		err = errors.New("it was begun from another store: remove it")
	}
	return totals, errors.Join(err, out.Flush()) // what there is is gone on with
}

// prove checks the books, and that the records are those that were exported.
func (e *export) prove(ctx context.Context, cmd *cobra.Command, db store.Store, totals transfer.Totals) error {
	if e.noCheck {
		return nil
	}
	audit, err := checkStore(ctx, cmd.ErrOrStderr(), db)
	if err != nil {
		return err
	}
	if audit.Records != totals.Counts.Records || audit.Digest != totals.Digest {
		return fmt.Errorf("the store holds %d records with digest %s, and %d with digest %s were exported: it was written to meanwhile; remove the file and export again",
			audit.Records, audit.Digest, totals.Counts.Records, totals.Digest)
	}
	if err := unbalanced(audit); err != nil {
		return fmt.Errorf("%w, such as: %s", err, audit.Problems[0])
	}
	return nil
}
