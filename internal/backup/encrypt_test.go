package backup

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/google/go-cmp/cmp"
)

func encrypted(t *testing.T, with Lock) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := Encrypt(&b, with)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(w, small.write(t), about); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestEncrypted(t *testing.T) {
	t.Parallel()
	mine, other := newIdentity(t), newIdentity(t)
	b := encrypted(t, Lock{Keys: "# two of us\n" + other.Recipient().String() + "\n" + mine.Recipient().String() + "\n"})
	if bytes.Contains(b, []byte("MANIFEST")) {
		t.Fatal("it can be read as it is")
	}
	if err := refused(t, b); !errors.Is(err, ErrEncrypted) {
		t.Errorf("read without a key: %v", err)
	}
	restores(t, b, Lock{Keys: "# mine\n" + mine.String()})

	var armored bytes.Buffer
	w := armor.NewWriter(&armored)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, armored.Bytes()); !errors.Is(err, ErrEncrypted) {
		t.Errorf("armored, read without a key: %v", err)
	}
	restores(t, armored.Bytes(), Lock{Keys: mine.String()})

	for n := range b { // cut off anywhere, it is refused in the end
		if r, err := Decrypt(bytes.NewReader(b[:n]), Lock{Keys: mine.String()}); err == nil {
			if _, err := io.Copy(io.Discard, r); err == nil {
				t.Fatalf("cut off after %d of %d bytes: decrypted", n, len(b))
			}
		}
	}
	_, err := Decrypt(bytes.NewReader(b), Lock{Keys: newIdentity(t).String()})
	if err == nil || !strings.Contains(err.Error(), "none of the identities opens the backup") {
		t.Errorf("with another key: %v", err)
	}
	_, err = Decrypt(bytes.NewReader(b), Lock{Passphrase: "p"})
	if err == nil || !strings.Contains(err.Error(), "or the backup is encrypted to keys") {
		t.Errorf("with a passphrase in place of the key: %v", err)
	}
}

func restores(t *testing.T, b []byte, with Lock) {
	t.Helper()
	r, err := Decrypt(bytes.NewReader(b), with)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := Read(r, dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(small, read(t, dir)); diff != "" {
		t.Errorf("(-backed up +restored)\n%s", diff)
	}
}

func TestPassphrase(t *testing.T) {
	t.Parallel()
	b := encrypted(t, Lock{Passphrase: "correct horse"})
	restores(t, b, Lock{Passphrase: "correct horse"})
	if _, err := Decrypt(bytes.NewReader(b), Lock{Passphrase: "wrong"}); err == nil || !strings.Contains(err.Error(), "the passphrase does not open the backup") {
		t.Errorf("with another passphrase: %v", err)
	}
	if _, err := Decrypt(bytes.NewReader(b), Lock{Keys: newIdentity(t).String()}); err == nil || !strings.Contains(err.Error(), "or with a passphrase") {
		t.Errorf("with a key: %v", err)
	}
}

func TestWrongLocks(t *testing.T) {
	id := newIdentity(t)
	for _, test := range []struct {
		with             Lock
		encrypt, decrypt string
	}{
		{Lock{}, "neither a key nor a passphrase", "neither a key nor a passphrase"},
		{Lock{Keys: "k", Passphrase: "p"}, "choose one", "choose one"},
		{Lock{Keys: "nonsense"}, "the recipients: ", "the identities: "},
		{Lock{Keys: "# nobody\n"}, "the recipients: ", "the identities: "},
		{Lock{Keys: id.String()}, "these are identities", ""},
		{Lock{Keys: id.Recipient().String()}, "", "the identities: "},
	} {
		if _, err := Encrypt(new(bytes.Buffer), test.with); test.encrypt != "" && (err == nil || !strings.Contains(err.Error(), test.encrypt)) {
			t.Errorf("encrypt with %+v: got %v, want %s", test.with, err, test.encrypt)
		}
		if _, err := Decrypt(strings.NewReader(ageHeader+"v1\n...................."), test.with); test.decrypt != "" && (err == nil || !strings.Contains(err.Error(), test.decrypt)) {
			t.Errorf("decrypt with %+v: got %v, want %s", test.with, err, test.decrypt)
		}
	}
	if _, err := Decrypt(bytes.NewReader(archiveOf(t, small)), Lock{Passphrase: "p"}); err == nil || !strings.Contains(err.Error(), "the backup is not encrypted") {
		t.Errorf("a plain backup: %v", err)
	}
}
