package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/transfer"
)

func newImport() *cobra.Command {
	var p location
	cmd := &cobra.Command{
		Use: "import FILE|-", Short: "Put a whole installation that was exported into an empty store", Args: exactly("FILE"),
		Long: `Put a whole installation that 'meterd export' has written into a store that is
empty: a directory, which is made if there is none, or a database that 'meterd
migrate' has prepared. What is in the file is checked part by part before any of it
is taken. An import that was cut short goes on when it is run again with the same
file; until it is finished no server serves from the store. In the end the books are
checked, and the digest of the records is held against the file's.`,
		Example: `  meterd import meterd.jsonl --store postgres://meterd@db.example.com/meterd --key-file keys
  meterd import meterd.jsonl --data /var/lib/meterd --key-file keys`,
		ValidArgsFunction: fileArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.check(); err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			return importFile(cmd, &p, args[0])
		},
	}
	p.flags(cmd)
	return cmd
}

func importFile(cmd *cobra.Command, p *location, name string) error {
	ctx := cmd.Context()
	in, err := openInput(cmd, name)
	if err != nil {
		return err
	}
	defer in.Close()
	says, err := importInto(ctx, cmd.ErrOrStderr(), p, in)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s: %d items in %d parts; %d records, digest %s\n", p, says.Counts.All(), says.Parts, says.Counts.Records, says.Digest)
	// It is opened anew, as a server would.
	db, err := p.openFilled(ctx)
	if err != nil {
		return err
	}
	return errors.Join(compare(ctx, out, cmd.ErrOrStderr(), db, says), db.Close())
}

// importInto opens a store and imports.
func importInto(ctx context.Context, stderr io.Writer, p *location, in io.Reader) (says transfer.Summary, err error) {
	var keys *envelope.Keys
	if p.keyFile != "" {
		if keys, err = readKeys(p.keyFile); err != nil {
			return says, fmt.Errorf("--key-file: %w", err)
		}
	}
	db, err := p.open(ctx)
	if err != nil {
		return says, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := idle(ctx, db); err != nil {
		return says, err
	}
	shown := newByteProgress(stderr, "imported", sizeOf(in))
	defer shown.done()
	var seen int64
	says, err = transfer.Import(ctx, db, in, keys, func(bytes int64) {
		shown.add(int(bytes - seen))
		seen = bytes
	})
	switch {
	case errors.Is(err, store.ErrNotEmpty):
		return says, fmt.Errorf("%s holds data: import into an empty directory or database", p)
	case errors.Is(err, envelope.ErrKey) && p.keyFile == "":
		return says, fmt.Errorf("the file's secrets are sealed: give the file with their keys with --key-file (%w)", err)
	case errors.Is(err, envelope.ErrKey):
		return says, fmt.Errorf("--key-file: %s does not have the key that the file's secrets are sealed with (%w)", p.keyFile, err)
	}
	return says, err
}
