package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// Policy is an IAM policy that roles and access keys are limited to by name.
// Unlike IAM's it belongs to no account: whoever runs the marketplace writes it.
type Policy struct {
	Name     string
	Document string // JSON
}

// Role is what a session acts as: IAM's role.
type Role struct {
	Account    metering.AccountID
	Name       string
	ID         string        // AROA and 17 of [A-Z2-7]; a role made anew under an old name has another
	Trust      string        // JSON: who may assume it
	Policies   []string      // names of entries, or names or ARNs of AWS's own
	Boundary   string        // named as Policies are; "": none
	MaxSession time.Duration // the longest that a session may ask for
	Revoked    time.Time     // sessions that were issued before it are worth nothing; zero: none were
}

// SessionKey is a master key of session tokens. All nodes issue with the newest
// that all of them have seen, and open tokens of the others, which live out their
// time.
type SessionKey struct {
	ID      string
	Secret  []byte
	Created time.Time
}

// Ref names the entry.
func (p *Policy) Ref() Ref { return Ref{KindPolicy, p.Name} }

// Ref names the entry: a role's name is unique within its account.
func (r *Role) Ref() Ref { return Ref{KindRole, string(r.Account) + "/" + r.Name} }

// Ref names the entry.
func (k *SessionKey) Ref() Ref { return Ref{KindSessionKey, k.ID} }

// ARN is the role's name to the world. Roles have no path.
func (r *Role) ARN() string { return "arn:aws:iam::" + string(r.Account) + ":role/" + r.Name }

// Policy finds a policy.
func (c *Catalog) Policy(name string) *Policy {
	p, _ := c.Get(Ref{KindPolicy, name}).(*Policy)
	return p
}

// Role finds a role of an account.
func (c *Catalog) Role(account metering.AccountID, name string) *Role {
	r, _ := c.Get((&Role{Account: account, Name: name}).Ref()).(*Role)
	return r
}

// SessionKeys lists the master keys of session tokens, newest first.
func (c *Catalog) SessionKeys() []*SessionKey {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.sessions
}

func (t *tables) enterSessionKey(k *SessionKey) {
	all := append(slices.Clone(t.sessions), k)
	// Of one time the order is the names', so that all nodes have one newest key.
	slices.SortFunc(all, func(a, b *SessionKey) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	t.sessions = all
}
