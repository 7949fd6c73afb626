package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// Policy is an IAM policy document under a name.
type Policy struct {
	Name     string
	Document string
}

// Role is what sessions act in: who may become it, and what it may do.
type Role struct {
	Account    metering.AccountID
	Name       string
	ID         string   // AROA…; a role made anew under an old name has another
	Trust      string   // the trust policy's document
	Policies   []string // names of policies
	Boundary   string   // name of a policy; "": none
	MaxSession time.Duration
	Revoked    time.Time // sessions issued until then are refused; zero: none is
}

// ARN is arn:aws:iam::ACCOUNT:role/NAME.
func (r *Role) ARN() string { return "arn:aws:iam::" + string(r.Account) + ":role/" + r.Name }

// SessionKey is a master key of sessions: 32 bytes, in base64.
type SessionKey struct {
	ID      string
	Secret  Secret
	Created time.Time
}

// Ref names the entry.
func (p *Policy) Ref() Ref { return Ref{KindPolicy, p.Name} }

// Ref names the entry.
func (r *Role) Ref() Ref { return roleRef(r.Account, r.Name) }

func roleRef(account metering.AccountID, name string) Ref {
	return Ref{KindRole, string(account) + "/" + name}
}

// Ref names the entry.
func (k *SessionKey) Ref() Ref { return Ref{KindSessionKey, k.ID} }

// Policy finds a policy.
func (c *Catalog) Policy(name string) *Policy {
	p, _ := c.Get(Ref{KindPolicy, name}).(*Policy)
	return p
}

// Role finds a role of an account.
func (c *Catalog) Role(account metering.AccountID, name string) *Role {
	r, _ := c.Get(roleRef(account, name)).(*Role)
	return r
}

// SessionKeys lists the master keys of sessions, the one that issues first.
func (c *Catalog) SessionKeys() []*SessionKey {
	var all []*SessionKey
	for e := range c.All(KindSessionKey) {
		all = append(all, e.(*SessionKey))
	}
	slices.SortStableFunc(all, func(a, b *SessionKey) int { return cmp.Compare(b.Created.UnixNano(), a.Created.UnixNano()) })
	return all
}
