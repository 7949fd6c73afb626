package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// standard is the file name that means standard input or output.
const standard = "-"

// writeOut writes a file whole, or standard output, "-", which gets what there is.
func writeOut(name string, stdout io.Writer, write func(io.Writer) error) error {
	if name == standard {
		w := bufio.NewWriter(stdout)
		return errors.Join(write(w), w.Flush())
	}
	return replaceFile(name, write)
}

// writeWhole makes a file of what is in memory, or replaces it.
func writeWhole(name string, content []byte) error {
	return replaceFile(name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// replaceFile makes a file that its owner alone can read, or replaces it, whole or
// not at all: it has its name when all of it is on the disk.
func replaceFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".meterd-part-*") // mode 0600
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	w := bufio.NewWriter(f)
	if err = write(w); err == nil {
		err = errors.Join(w.Flush(), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// readInput reads a file; "-" is standard input.
func readInput(cmd *cobra.Command, name string) ([]byte, error) {
	if name == standard {
		return io.ReadAll(cmd.InOrStdin())
	}
	return os.ReadFile(name)
}

// openInput opens a file; "-" is standard input.
func openInput(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == standard {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	return os.Open(name)
}

// atMost asks for one argument or, if the last may be left out, none.
func atMost(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return &usageError{fmt.Errorf("there is one argument too many: %q; %s is all there is", args[1], name), cmd.CommandPath()}
		}
		return nil
	}
}
