package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// ageHeader begins every encrypted stream; see https://age-encryption.org/v1. One
// that was armored begins with armor.Header.
const (
	ageHeader     = "age-encryption.org/"
	longestHeader = len(armor.Header)
)

// Lock is what a backup is encrypted with, and opened: keys or a passphrase.
type Lock struct {
	// Keys are a file's text, a key a line: to encrypt, the recipients (age1…); to
	// decrypt, an identity of one of them (AGE-SECRET-KEY-1…), as age-keygen
	// writes it.
	Keys       string
	Passphrase string
}

func (l Lock) check() error {
	switch {
	case l.Keys == "" && l.Passphrase == "":
		return errors.New("there is neither a key nor a passphrase")
	case l.Keys != "" && l.Passphrase != "":
		return errors.New("there are keys and a passphrase: choose one")
	}
	return nil
}

// Encrypt encrypts what is written to it. Only Close makes it whole.
func Encrypt(w io.Writer, with Lock) (io.WriteCloser, error) {
	if err := with.check(); err != nil {
		return nil, err
	}
	if with.Passphrase != "" {
		r, err := age.NewScryptRecipient(with.Passphrase)
		if err != nil {
			return nil, err
		}
		return age.Encrypt(w, r)
	}
	if strings.Contains(with.Keys, "AGE-SECRET-KEY-") {
		return nil, errors.New("these are identities, which decrypt: to encrypt, give the recipients (age1…), which 'age-keygen -y' shows")
	}
	to, err := age.ParseRecipients(strings.NewReader(with.Keys))
	if err != nil {
		return nil, fmt.Errorf("the recipients: %w", err)
	}
	return age.Encrypt(w, to...)
}

// Decrypt reads what was encrypted. A stream that was cut off or changed ends with
// an error, so what it gives must be read to its end.
func Decrypt(r io.Reader, with Lock) (io.Reader, error) {
	if err := with.check(); err != nil {
		return nil, err
	}
	in := bufio.NewReader(r)
	start, err := in.Peek(longestHeader)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !isEncrypted(start) {
		return nil, errors.New("the backup is not encrypted: read it without a key and without a passphrase")
	}
	r = in
	if string(start) == armor.Header {
		r = armor.NewReader(in)
	}
	identities, err := with.identities()
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(r, identities...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none) && with.Passphrase != "":
		return nil, errors.New("the passphrase does not open the backup: it is another one, or the backup is encrypted to keys")
	case errors.As(err, &none):
		return nil, errors.New("none of the identities opens the backup: it is encrypted to other keys, or with a passphrase")
	case err != nil:
		return nil, damaged("%w", err)
	}
	return plain, nil
}

func (l Lock) identities() ([]age.Identity, error) {
	if l.Passphrase != "" {
		id, err := age.NewScryptIdentity(l.Passphrase)
		return []age.Identity{id}, err
	}
	ids, err := age.ParseIdentities(strings.NewReader(l.Keys))
	if err != nil {
		return nil, fmt.Errorf("the identities: %w", err)
	}
	return ids, nil
}

func isEncrypted(start []byte) bool {
	return bytes.HasPrefix(start, []byte(ageHeader)) || bytes.HasPrefix(start, []byte(armor.Header))
}
