package store

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// Kind is a kind of catalogue entry. The words are stored.
type Kind string

// The kinds of catalogue entry.
const (
	KindAccount    Kind = "account"
	KindProduct    Kind = "product"
	KindAgreement  Kind = "agreement"
	KindWorkload   Kind = "workload"
	KindCredential Kind = "credential"
	KindToken      Kind = "token"
	KindSigningKey Kind = "signing_key"
)

// Ref names one entry of the catalogue.
type Ref struct {
	Kind Kind
	Name string // unique within its kind
}

// Entry is one thing of the catalogue. Once put or looked up it is not changed;
// a change puts another under the same reference.
type Entry interface{ Ref() Ref }

// Entries of the catalogue: the rules' own types, under their names.
type (
	// Account is a seller, a buyer or both.
	Account metering.Account
	// Product is what a seller lists.
	Product metering.Product
	// Agreement is a buyer's purchase.
	Agreement metering.Agreement
	// Workload is a running instance, task, pod or runtime.
	Workload metering.Workload
	// RegistrationToken is a token, by its hash.
	RegistrationToken metering.RegistrationToken
	// SigningKey is a version of a product's key.
	SigningKey metering.SigningKey
)

// Credential is an access key: what it signs with, and whom it stands for.
type Credential struct {
	KeyID    string
	Secret   Secret
	Account  metering.AccountID
	Workload string // id of the workload it stands for; "": none
}

// Secret is a text that must not be printed: it shows as *** wherever it is
// formatted, logged or encoded. Only EncodeEntry writes it out.
type Secret string

// String hides the secret.
func (Secret) String() string { return "***" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "***" }

// MarshalText hides the secret from encoders, slog's among them.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Ref names the entry.
func (a *Account) Ref() Ref { return Ref{KindAccount, string(a.ID)} }

// Ref names the entry.
func (p *Product) Ref() Ref { return Ref{KindProduct, string(p.Code)} }

// Ref names the entry.
func (a *Agreement) Ref() Ref { return Ref{KindAgreement, string(a.ID)} }

// Ref names the entry.
func (w *Workload) Ref() Ref { return Ref{KindWorkload, w.ID} }

// Ref names the entry.
func (c *Credential) Ref() Ref { return Ref{KindCredential, c.KeyID} }

// Ref names the entry: the token itself is not kept.
func (t *RegistrationToken) Ref() Ref { return Ref{KindToken, hex.EncodeToString(t.Hash[:])} }

// Ref names the entry: a product's key in one version.
func (k *SigningKey) Ref() Ref {
	return Ref{KindSigningKey, string(k.Product) + "/" + strconv.Itoa(int(k.Version))}
}

// Change puts entries into the catalogue.
type Change struct {
	By      string    // who made it
	At      time.Time // by the service's clock
	Entries []Entry
}

// Revision is one state that a catalogue entry has had.
type Revision struct {
	Number int64
	By     string
	At     time.Time
	Entry  Entry
}

// plainCredential is a Credential as a store keeps it.
type plainCredential struct {
	KeyID    string
	Secret   string
	Account  metering.AccountID
	Workload string
}

// EncodeEntry is how a store keeps an entry: JSON of its fields.
func EncodeEntry(e Entry) ([]byte, error) {
	if c, ok := e.(*Credential); ok {
		return json.Marshal(plainCredential{c.KeyID, string(c.Secret), c.Account, c.Workload})
	}
	return json.Marshal(e)
}

// DecodeEntry reads what EncodeEntry wrote.
func DecodeEntry(kind Kind, b []byte) (Entry, error) {
	e, err := blank(kind)
	if err != nil {
		return nil, err
	}
	if c, ok := e.(*Credential); ok {
		var plain plainCredential
		err = json.Unmarshal(b, &plain)
		*c = Credential{plain.KeyID, Secret(plain.Secret), plain.Account, plain.Workload}
	} else {
		err = json.Unmarshal(b, e)
	}
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", kind, err)
	}
	return e, nil
}

func blank(kind Kind) (Entry, error) {
	switch kind {
	case KindAccount:
		return new(Account), nil
	case KindProduct:
		return new(Product), nil
	case KindAgreement:
		return new(Agreement), nil
	case KindWorkload:
		return new(Workload), nil
	case KindCredential:
		return new(Credential), nil
	case KindToken:
		return new(RegistrationToken), nil
	case KindSigningKey:
		return new(SigningKey), nil
	}
	return nil, fmt.Errorf("store: %q is no kind of catalogue entry", kind)
}
