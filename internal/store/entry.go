package store

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/meterd/meterd/internal/envelope"
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
	KindAccess     Kind = "access"
	KindReceipt    Kind = "receipt"
	KindCompat     Kind = "compat"
	KindPolicy     Kind = "policy"
	KindRole       Kind = "role"
	KindSessionKey Kind = "session_key"
	KindQuota      Kind = "quota"
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

// Credential is an access key: what it signs with, and whom it stands for. Its
// principal is the workload or, without one, the user of the account.
type Credential struct {
	KeyID    string
	Secret   Secret
	Account  metering.AccountID
	Workload string    // id of the workload it stands for; "": none
	User     string    // name of the user it stands for; "" with a workload
	Policy   string    `json:",omitempty"` // name of what it is limited to; "": its account's full rights
	Created  time.Time // zero: before this was kept
	Disabled time.Time // since when it signs nothing; zero: it is active
}

// Active reports whether requests may be signed with the key.
func (c *Credential) Active() bool { return c.Disabled.IsZero() }

// AccessRole is what the bearer of an access to the admin API may do. It is no
// [Role], which is IAM's and calls the marketplace.
type AccessRole string

// The roles: everything; what a seller may see and do of its own; to look only.
const (
	RoleOperator AccessRole = "operator"
	RoleSeller   AccessRole = "seller"
	RoleReadOnly AccessRole = "read-only"
)

// Access is a token that opens the admin API. The token itself is not kept.
type Access struct {
	Name    string
	Hash    [32]byte // SHA-256 of the token
	Role    AccessRole
	Account metering.AccountID // of RoleSeller
	Created time.Time
	Revoked time.Time // zero: it opens
}

// Receipt is what a request with an idempotency key has made, so that the same
// request makes nothing again.
type Receipt struct {
	Key     string   // the bearer's name, a slash, and the idempotency key
	Request [32]byte // SHA-256 of what was asked for
	Made    Ref
	At      time.Time
}

// Compat are the readings of AWS that the marketplace has chosen, where AWS
// contradicts itself. There is one.
type Compat struct {
	Rulings        metering.Rulings
	ErrorNamespace bool // __type as namespace#Name
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

// Ref names the entry.
func (a *Access) Ref() Ref { return Ref{KindAccess, a.Name} }

// Ref names the entry.
func (r *Receipt) Ref() Ref { return Ref{KindReceipt, r.Key} }

// Ref names the entry: there is one.
func (*Compat) Ref() Ref { return Ref{KindCompat, "compat"} }

// Change changes the catalogue.
type Change struct {
	By      string    // who made it
	At      time.Time // by the service's clock
	Entries []Entry   // to be put
	// Remove names entries that are to be there no more; one that is not there
	// is no error, one that is also put is.
	Remove []Ref
	// Base, if not nil, is the revision that the change was made from. If the
	// catalogue has another by now, nothing changes and the error is ErrConflict.
	Base *int64
}

// Revision is one state that a catalogue entry has had.
type Revision struct {
	Number int64
	By     string
	At     time.Time
	Entry  Entry // nil: it was removed
}

// EncodeEntry is how a store keeps an entry: JSON of its fields, with the secret
// among them sealed under keys, if there are any.
func EncodeEntry(e Entry, keys *envelope.Keys) ([]byte, error) {
	switch e := e.(type) {
	case *Credential:
		return json.Marshal(&keptCredential{Credential: *e, Secret: keep([]byte(e.Secret), about(e), keys)})
	case *SigningKey:
		return json.Marshal(&keptSigningKey{SigningKey: *e, Private: keep(e.Private, about(e), keys)})
	case *SessionKey:
		return json.Marshal(&keptSessionKey{SessionKey: *e, Secret: keep(e.Secret, about(e), keys)})
	}
	return json.Marshal(e)
}

// DecodeEntry reads what EncodeEntry wrote. current reports whether its secret,
// if it has one, is kept as EncodeEntry would keep it now.
func DecodeEntry(kind Kind, b []byte, keys *envelope.Keys) (e Entry, current bool, err error) {
	e, err = blank(kind)
	if err != nil {
		return nil, false, err
	}
	fail := func(err error) (Entry, bool, error) { return nil, false, fmt.Errorf("store: %s: %w", kind, err) }
	var held *kept
	var secret []byte
	switch e := e.(type) {
	case *Credential:
		var k keptCredential
		if err = json.Unmarshal(b, &k); err != nil {
			return fail(err)
		}
		*e, held = k.Credential, &k.Secret
		if secret, err = held.open(about(e), keys); err == nil {
			e.Secret = Secret(secret)
		}
	case *SigningKey:
		var k keptSigningKey
		if err = json.Unmarshal(b, &k); err != nil {
			return fail(err)
		}
		*e, held = k.SigningKey, &k.Private
		e.Private, err = held.open(about(e), keys)
	case *SessionKey:
		var k keptSessionKey
		if err = json.Unmarshal(b, &k); err != nil {
			return fail(err)
		}
		*e, held = k.SessionKey, &k.Secret
		e.Secret, err = held.open(about(e), keys)
	default:
		err = json.Unmarshal(b, e)
	}
	if err != nil {
		return fail(err)
	}
	return e, held == nil || held.current(keys), nil
}

// kept is a secret as it is stored: one of the two.
type kept struct {
	Plain  []byte `json:",omitempty"`
	Sealed []byte `json:",omitempty"`
}

// The entries that hold a secret, as they are stored.
type (
	keptCredential struct {
		Credential
		Secret kept
	}
	keptSigningKey struct {
		SigningKey
		Private kept
	}
	keptSessionKey struct {
		SessionKey
		Secret kept
	}
)

// about is what a secret is sealed for: its entry and, of an access key, the
// account. Sealed for one, it opens for no other.
func about(e Entry) string {
	ref := e.Ref()
	text := string(ref.Kind) + "/" + ref.Name
	if c, ok := e.(*Credential); ok {
		text += "/" + string(c.Account)
	}
	return text
}

func keep(secret []byte, about string, keys *envelope.Keys) kept {
	if keys == nil {
		return kept{Plain: secret}
	}
	return kept{Sealed: keys.Seal(secret, about)}
}

func (k *kept) open(about string, keys *envelope.Keys) ([]byte, error) {
	if k.Sealed == nil {
		return k.Plain, nil
	}
	return keys.Open(k.Sealed, about)
}

func (k *kept) current(keys *envelope.Keys) bool {
	if keys == nil {
		return k.Sealed == nil
	}
	return keys.Current(k.Sealed)
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
	case KindAccess:
		return new(Access), nil
	case KindReceipt:
		return new(Receipt), nil
	case KindCompat:
		return new(Compat), nil
	case KindPolicy:
		return new(Policy), nil
	case KindRole:
		return new(Role), nil
	case KindSessionKey:
		return new(SessionKey), nil
	case KindQuota:
		return new(Quota), nil
	}
	return nil, fmt.Errorf("store: %q is no kind of catalogue entry", kind)
}
