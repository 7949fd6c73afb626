package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/envelope"
)

func newKeyfile() *cobra.Command {
	create := &cobra.Command{
		Use: "create FILE", Short: "Make a key file, which the secrets in the store are sealed under", Args: exactly("FILE"),
		Example: "  meterd keyfile create /etc/meterd/keys",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := createKeyfile(args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), `%s has a new key.
Keep a copy of it, apart from the data and their backups: without it the secrets
in them are lost, and with it they can be read.
`, args[0])
			return err
		},
	}
	rotate := &cobra.Command{
		Use: "rotate FILE", Short: "Put a new key in front of a key file's others", Args: exactly("FILE"),
		Long: `Put a new key in front of a key file's others: it seals from then on, and the
others go on opening what they have sealed.`,
		Example: "  meterd keyfile rotate /etc/meterd/keys",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := rotateKeyfile(args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), `%s has a new key in front; the others are below it.
What is to be done now:
  1. Restart every server that uses the file.
  2. Once they seal under the new key all that they hold, remove the lines of the
     older keys. Keep them elsewhere as long as there are backups from before.
  3. Keep a copy of the file, apart from the data and their backups.
`, args[0])
			return err
		},
	}
	noun := group("keyfile", "Make and rotate the keys that secrets in the store are sealed under", create, rotate)
	noun.PersistentFlags().Lookup("url").Hidden = true // no server takes part
	return noun
}

// newKeyLines are a comment and a key.
func newKeyLines() string {
	return fmt.Sprintf("# meterd's key of %s; it opens the secrets in the store\n%s\n", time.Now().UTC().Format(time.DateOnly), envelope.NewLine())
}

// createKeyfile makes the file, unless there is one: a key that is overwritten is
// a store that cannot be opened.
func createKeyfile(path string) error {
	err := writeNew(path, newKeyLines(), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists, and stays as it is: to add a key to it, use 'meterd keyfile rotate'", path)
	}
	return err
}

// writeNew makes a file that is not there yet. After an error there is none.
func writeNew(path, content string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}

// rotateKeyfile replaces the file, whole or not at all. A server that runs as
// another user can read the new one if it could read the old one.
func rotateKeyfile(path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	// The name is the lock: of two rotations at once, one would lose its key.
	next := path + ".new"
	if err := writeNew(next, newKeyLines(), 0o600); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: another rotation is at work, or was broken off; if it was, remove that file", next)
	} else if err != nil {
		return err
	}
	if err := putInFront(next, path); err != nil {
		_ = os.Remove(next)
		return err
	}
	return nil
}

// putInFront writes behind next what path holds, and gives next its name.
func putInFront(next, path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, err := envelope.Parse(string(old)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(next, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.TrimRight(string(old), "\r\n") + "\n")
	if err == nil {
		err = keepOwner(f, info)
	}
	if err == nil {
		err = f.Chmod(info.Mode().Perm() &^ 0o007) // it is nobody else's
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}
