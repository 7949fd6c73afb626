package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/backup"
	"github.com/meterd/meterd/internal/store"
)

// restore is `meterd restore`.
type restore struct{ data, keyFile, identity, passphraseFile string }

func newRestore() *cobra.Command {
	var r restore
	cmd := &cobra.Command{
		Use: "restore FILE|-", Short: "Restore a backup into a new data directory, and check it", Args: exactly("FILE"),
		Long: `Restore a backup into a data directory that is empty or does not exist, open it,
and go through every record as 'meterd check' does. If anything is wrong, with
the backup, the keys or the books, nothing is left.`,
		Example: `  meterd restore meterd.tar --data /var/lib/meterd --key-file keys
  meterd restore meterd.tar.age --data restored --identity identity.txt`,
		ValidArgsFunction: fileArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.run(cmd, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.data, "data", "", "directory to restore into")
	flags.StringVar(&r.keyFile, "key-file", "", "file with the keys that the backup's secrets are sealed with, if they are")
	flags.StringVar(&r.identity, "identity", "", "file with the age identity that opens the backup")
	flags.StringVar(&r.passphraseFile, "passphrase-file", "", "file with the passphrase that opens the backup in its first line")
	return cmd
}

func (r *restore) run(cmd *cobra.Command, name string) error {
	if r.data == "" {
		return &usageError{errors.New("--data is missing: where to restore to"), cmd.CommandPath()}
	}
	var keys []byte
	if r.identity != "" {
		var err error
		if keys, err = os.ReadFile(r.identity); err != nil {
			return fmt.Errorf("--identity: %w", err)
		}
	}
	lock, err := lockOf("--identity", string(keys), r.passphraseFile)
	if err != nil {
		return &usageError{err, cmd.CommandPath()}
	}
	if r.keyFile != "" { // before all that work
		if _, err := readKeys(r.keyFile); err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
	}
	in, err := openInput(cmd, name)
	if err != nil {
		return err
	}
	defer in.Close()
	about, audit, counts, err := r.restore(cmd.Context(), in, cmd.ErrOrStderr(), lock)
	if err != nil {
		return fmt.Errorf("%w\nNothing was restored", err)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s holds the store as it was at %s, backed up by meterd %s.\n", r.data, about.Made.Format(time.RFC3339), about.Version)
	_, err = fmt.Fprintf(out, "%d records: the books balance. %s\n", audit.Records, counts)
	return err
}

// restore restores, opens and checks. After an error the directory is as it was:
// empty, or not there.
func (r *restore) restore(ctx context.Context, in io.Reader, stderr io.Writer, lock *backup.Lock) (about backup.About, audit *admin.Audit, counts string, err error) {
	undo, err := undoing(r.data)
	if err != nil {
		return about, nil, "", err
	}
	shown := newByteProgress(stderr, "restored", sizeOf(in))
	defer func() { shown.done() }()
	in = &contextReader{ctx, io.TeeReader(in, shown)}
	if lock != nil {
		if in, err = backup.Decrypt(in, *lock); err != nil {
			return about, nil, "", err
		}
	}
	if about, err = backup.Read(in, r.data); err != nil {
		return about, nil, "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, undo())
		}
	}()
	if audit, err = r.location().check(ctx, io.Discard); err != nil {
		return about, nil, "", err
	}
	if err = unbalanced(audit); err != nil {
		return about, nil, "", fmt.Errorf("%w, such as: %s", err, audit.Problems[0])
	}
	counts, err = r.counts(ctx)
	return about, audit, counts, err
}

func (r *restore) location() *location { return &location{data: r.data, keyFile: r.keyFile} }

// counts is what the catalogue holds.
func (r *restore) counts(ctx context.Context) (text string, err error) {
	db, err := r.location().open(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	known := db.Catalog()
	return fmt.Sprintf("Catalogue at revision %d: %d accounts, %d products, %d agreements, %d credentials.", known.Revision(),
		known.Len(store.KindAccount), known.Len(store.KindProduct), known.Len(store.KindAgreement), known.Len(store.KindCredential)), nil
}

// undoing remembers how a directory is, which is empty or not there, and returns
// what makes it so again.
func undoing(dir string) (func() error, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	before, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return func() error { return os.RemoveAll(dir) }, nil
	}
	if err != nil {
		return nil, err
	}
	return func() error {
		return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, before.Mode().Perm()))
	}, nil
}

// sizeOf is how much there is to read of a file.
func sizeOf(r io.Reader) int64 {
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	}
	return unknown
}

// contextReader reads until the context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
