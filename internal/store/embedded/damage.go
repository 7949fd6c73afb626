package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/envelope"
)

// brief is an error of Pebble's in one line. Where data is damaged, the lines
// after the first are not for people: the name of a type that carries details,
// and everything once more for each iterator that met it.
type brief struct{ error }

func (b brief) Error() string {
	line, _, _ := strings.Cut(b.error.Error(), "\n")
	return line
}

func (b brief) Unwrap() error { return b.error }

// openError gives an error of opening the reason and the way out.
func openError(dir string, err error) error {
	const restore = "restore the directory from a backup, or start with an empty one"
	switch {
	case errors.Is(err, envelope.ErrKey):
		return fmt.Errorf("embedded: the secrets in %s cannot be opened: start with the key file that they were sealed under (%w)", dir, err)
	case errors.Is(err, ErrDamaged): // what was read last knows best
		return fmt.Errorf("%w; %s cannot be used: %s", err, dir, restore)
	case errors.Is(err, pebble.ErrDBNotPristine):
		return fmt.Errorf("%w: %s holds a database, but no %s file that says whose; %s (%w)", ErrDamaged, dir, formatFile, restore, err)
	case errors.Is(err, pebble.ErrDBDoesNotExist):
		return fmt.Errorf("%w: %s has lost its manifest; %s (%w)", ErrDamaged, dir, restore, err)
	case pebble.IsCorruptionError(err), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s cannot be read; %s (%w)", ErrDamaged, dir, restore, brief{err})
	}
	return fmt.Errorf("embedded: opening %s: %w", dir, err)
}

// keyForPeople is a key in words, if it is a record's.
func keyForPeople(key string) string {
	k, err := parseRecordKey(key)
	if err != nil { // a cursor goes on one byte behind a key
		k, err = parseRecordKey(strings.TrimSuffix(key, "\x00"))
	}
	switch {
	case key[0] == familyRecord && err == nil:
		return fmt.Sprintf("the record of %s, product %s, account %s, %s, dimension %s", k.Hour.Time().Format("2006-01-02T15:04Z"), k.Product, k.Account, k.Party, k.Dimension)
	case key[0] == familyRecord && len(key) <= 5:
		return "the first record asked for"
	}
	return fmt.Sprintf("%q", key)
}

// readError says of an error of Pebble's whether the data is damaged.
func readError(err error) error {
	if pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, brief{err})
	}
	return fmt.Errorf("embedded: reading: %w", err)
}
