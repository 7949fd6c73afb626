package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/backup"
)

func newBackup() *cobra.Command {
	var to []string
	var passphraseFile string
	cmd := &cobra.Command{
		Use: "backup FILE|-", Short: "Back a running server's store up into a file, as it is at this moment", Args: exactly("FILE"),
		Long: `Back a running server's store up into a file, as it is at this moment: every
record that was acknowledged before is in it. The server goes on meanwhile. The
backup's sums are checked as it comes; the file is there when it is whole.

It holds all data, secrets as the server keeps them: sealed, if it has a key file,
and then the key file has to be kept apart. --recipient or --passphrase-file
encrypts all of it before it is written, in age's format.`,
		Example: `  meterd backup meterd.tar
  meterd backup meterd.tar.age --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
  meterd backup - --passphrase-file passphrase | ssh backup.example.com 'cat > meterd.tar.age'`,
		ValidArgsFunction: fileArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			lock, err := lockOf("--recipient", strings.Join(to, "\n"), passphraseFile)
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			if args[0] == standard && isTerminal(cmd.OutOrStdout()) {
				return &usageError{errors.New("a backup is not for a terminal: name a file, or send it on with |"), cmd.CommandPath()}
			}
			return takeBackup(cmd, c, args[0], lock)
		},
	}
	urlFlag(cmd)
	cmd.Flags().StringArrayVar(&to, "recipient", nil, "encrypt to this age recipient (age1…); may be repeated")
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "encrypt with the passphrase in the first line of this file")
	return cmd
}

// lockOf reads what a backup is encrypted with, or opened; nil is nothing.
func lockOf(keysFlag, keys, passphraseFile string) (*backup.Lock, error) {
	switch {
	case keys != "" && passphraseFile != "":
		return nil, fmt.Errorf("%s and --passphrase-file are both given: choose one", keysFlag)
	case keys != "":
		return &backup.Lock{Keys: keys}, nil
	case passphraseFile == "":
		return nil, nil
	}
	text, err := os.ReadFile(passphraseFile)
	if err != nil {
		return nil, fmt.Errorf("--passphrase-file: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimRight(line, "\r"); line == "" {
		return nil, fmt.Errorf("--passphrase-file: the first line of %s is empty", passphraseFile)
	}
	return &backup.Lock{Passphrase: line}, nil
}

// takeBackup writes the server's backup into a file, and verifies what it writes.
func takeBackup(cmd *cobra.Command, c *client, name string, lock *backup.Lock) error {
	var about backup.About
	var size int64
	err := writeOut(name, cmd.OutOrStdout(), func(w io.Writer) (err error) {
		if lock != nil {
			sealed, err := backup.Encrypt(w, *lock)
			if err != nil {
				return err
			}
			if about, size, err = receive(cmd, c, sealed); err != nil {
				return err
			}
			return sealed.Close()
		}
		about, size, err = receive(cmd, c, w)
		return err
	})
	if err != nil {
		return err
	}
	if name != standard {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d bytes, the store at %s, made by meterd %s\n", name, size, about.Made.Format(time.RFC3339), about.Version)
	}
	return nil
}

// receive copies the server's backup to w while it verifies it.
func receive(cmd *cobra.Command, c *client, w io.Writer) (about backup.About, size int64, err error) {
	res, err := c.open(cmd.Context(), http.MethodGet, "/backup", "application/x-tar", nil)
	if err != nil {
		return about, 0, err
	}
	defer res.Body.Close()
	shown := newByteProgress(cmd.ErrOrStderr(), "received", unknown)
	defer shown.done()
	var n byteCount
	about, err = backup.Verify(io.TeeReader(res.Body, io.MultiWriter(w, shown, &n)))
	if err != nil {
		return about, 0, fmt.Errorf("what the server sent is no whole backup: %w", err)
	}
	return about, int64(n), nil
}

// byteCount counts what is written to it.
type byteCount int64

func (n *byteCount) Write(b []byte) (int, error) {
	*n += byteCount(len(b))
	return len(b), nil
}
