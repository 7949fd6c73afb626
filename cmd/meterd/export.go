package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/transfer"
)

// exporting is what `meterd export` was asked for.
type exporting struct {
	location
	resume  bool
	noCheck bool
}

func newExport() *cobra.Command {
	var e exporting
	cmd := &cobra.Command{
		Use: "export FILE|-", Short: "Write a whole installation into a file, for another store to import", Args: exactly("FILE"),
		Long: `Write a whole installation into a file that 'meterd import' puts into another
store: the catalogue with its history, records, refusals, events, registrations,
ClientTokens and keys. No server may be using the store. The file is readable, a
line of JSON for each thing; secrets in it are sealed under the key file, if one is
given, and plain if not. It has its name when it is whole; one that was cut short
lies beside it as FILE.part, and --resume goes on with it. In the end the books are
checked, and the digest of the records is shown.`,
		Example: `  meterd export meterd.jsonl --data /var/lib/meterd --key-file keys
  meterd export meterd.jsonl --store postgres://meterd@db.example.com/meterd --key-file keys --resume`,
		ValidArgsFunction: fileArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := e.check()
			switch {
			case err != nil:
			case args[0] == standard && e.resume:
				err = errors.New("--resume goes on with a file; standard output has none")
			case args[0] == standard && isTerminal(cmd.OutOrStdout()):
				err = errors.New("an export is not for a terminal: name a file, or send it on with |")
			}
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			return e.run(cmd, args[0])
		},
	}
	e.flags(cmd)
	cmd.Flags().BoolVar(&e.resume, "resume", false, "go on with an export that was cut short")
	cmd.Flags().BoolVar(&e.noCheck, "no-check", false, "do not check the books in the end")
	return cmd
}

func (e *exporting) run(cmd *cobra.Command, name string) (err error) {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	var keys *envelope.Keys
	if e.keyFile != "" {
		if keys, err = readKeys(e.keyFile); err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
	}
	file, begun, err := e.begin(cmd, name, keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	db, err := e.openFilled(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := idle(ctx, db); err != nil {
		return err
	}
	says, err := e.write(ctx, stderr, db, keys, file, begun)
	if err != nil {
		return err
	}
	if err := file.keep(); err != nil {
		return err
	}
	if name == standard {
		return nil // it is not ours to say anything there
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s: %d items in %d parts; %d records, digest %s\n", name, says.Counts.All(), says.Parts, says.Counts.Records, says.Digest)
	if e.noCheck {
		return nil
	}
	return compare(ctx, out, stderr, db, says)
}

// begin makes the file, or finds what is there of one that was cut short.
func (e *exporting) begin(cmd *cobra.Command, name string, keys *envelope.Keys) (*partFile, *transfer.Begun, error) {
	if name == standard {
		return &partFile{w: bufio.NewWriter(cmd.OutOrStdout())}, nil, nil
	}
	if _, err := os.Stat(name); err == nil {
		return nil, nil, fmt.Errorf("%s is there: name another file", name)
	}
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil && e.resume:
		return nil, nil, errors.Join(fmt.Errorf("%s is not there: there is nothing to go on with", part), f.Close(), os.Remove(part))
	case err == nil:
		return &partFile{f: f, w: bufio.NewWriter(f), name: name}, nil, nil
	case !errors.Is(err, fs.ErrExist):
		return nil, nil, err
	case !e.resume:
		return nil, nil, fmt.Errorf("%s is there, of an export that was cut short: go on with --resume, or remove it", part)
	}
	if f, err = os.OpenFile(part, os.O_RDWR, 0o600); err != nil {
		return nil, nil, err
	}
	begun, err := transfer.Resume(f, keys)
	if err == nil {
		err = f.Truncate(begun.Bytes)
	}
	if err == nil {
		_, err = f.Seek(begun.Bytes, io.SeekStart)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", part, err), f.Close())
	}
	return &partFile{f: f, w: bufio.NewWriter(f), name: name}, begun, nil
}

func (e *exporting) write(ctx context.Context, stderr io.Writer, db store.Store, keys *envelope.Keys, to *partFile, begun *transfer.Begun) (transfer.Summary, error) {
	shown := newProgress(stderr, "exported", unknown)
	defer shown.done()
	var seen int64
	if begun != nil {
		seen = begun.Items()
	}
	return transfer.Export(ctx, db, to.w, transfer.Exporting{
		Keys: keys, Made: time.Now(), From: e.kind(), Begun: begun, Flush: to.w.Flush,
		Progress: func(items int64) {
			shown.add(int(items - seen))
			seen = items
		},
	})
}

// compare checks the books of a store, and that it holds the records that a file
// tells of.
func compare(ctx context.Context, out, stderr io.Writer, db store.Store, says transfer.Summary) error {
	audit, err := checkStore(ctx, stderr, db)
	if err != nil {
		return err
	}
	if err := unbalanced(audit); err != nil {
		return fmt.Errorf("%w, such as: %s", err, audit.Problems[0])
	}
	if audit.Records != says.Counts.Records || audit.Digest != says.Digest {
		return fmt.Errorf("the store holds %d records with the digest %s, and the file %d with %s", audit.Records, audit.Digest, says.Counts.Records, says.Digest)
	}
	_, err = fmt.Fprintln(out, "The books balance, and the store holds the same records.")
	return err
}

// partFile is a file that has its name when it is whole, or standard output.
type partFile struct {
	f    *os.File // nil: standard output
	w    *bufio.Writer
	name string
}

// keep gives the file its name, when all of it is on the disk.
func (p *partFile) keep() error {
	if err := p.w.Flush(); err != nil || p.f == nil {
		return err
	}
	if err := p.f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(p.f.Name(), p.name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(p.name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (p *partFile) close() error {
	if p.f == nil {
		return nil
	}
	return p.f.Close()
}
