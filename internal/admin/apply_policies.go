package admin

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/policy"
	"github.com/meterd/meterd/internal/store"
)

// Names as IAM has them
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
var (
	policyName = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,128}$`)
	roleName   = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,64}$`)
)

// How long a session of a role may last. IAM lets a role's maximum be an hour at
// the least, and a session be asked for that takes 15 minutes.
const (
	leastSession   = 15 * time.Minute
	defaultSession = time.Hour
	mostSession    = 12 * time.Hour
)

// maxRolePolicies is IAM's greatest quota of managed policies that a role has.
const maxRolePolicies = 25

func (a *application) policies(policies []Policy) {
	for i, p := range policies {
		path := at("policies", i)
		_, managed := policy.Managed(p.Name)
		switch {
		case !policyName.MatchString(p.Name):
			a.add(path+".name", "%q is not a policy's name: up to 128 letters, digits and characters of +=,.@_-", p.Name)
		case managed:
			a.add(path+".name", "%q is a policy of AWS's, which is there already", p.Name)
		}
		a.put(path, &store.Policy{Name: p.Name, Document: a.document(path+".document", p.Document, func(b []byte) error {
			_, err := policy.Parse(b, policy.ManagedLimit)
			return err
		})})
	}
}

// document is a policy document as it is stored. What parse finds in it is said
// of the place where it stands.
func (a *application) document(path string, d Document, parse func([]byte) error) string {
	if d == nil {
		a.add(path, "is missing")
		return ""
	}
	text, err := d.text()
	if err != nil {
		a.add(path, "%v", err)
		return ""
	}
	err = parse([]byte(text))
	var wrong *policy.Error
	switch {
	case errors.As(err, &wrong) && wrong.Place != "":
		a.add(path+"."+wrong.Place, "%s", wrong.Problem)
	case errors.As(err, &wrong):
		a.add(path, "%s", wrong.Problem)
	case err != nil:
		a.add(path, "%v", err)
	}
	return text
}

// policyNamed checks the name of a policy that something is limited to.
func (a *application) policyNamed(path, name string) {
	if _, managed := policy.Managed(name); !managed && a.find(store.KindPolicy, name) == nil {
		a.add(path, "there is no policy %q, neither of yours nor of AWS's (%s)", name, strings.Join(policy.ManagedNames(), ", "))
	}
}

func (a *application) roles(roles []Role) {
	for i, r := range roles {
		path := at("roles", i)
		a.account(path+".account", r.Account)
		if r.Account.Valid() && a.find(store.KindAccount, string(r.Account)) == nil {
			a.add(path+".account", "there is no account %q", r.Account)
		}
		if !roleName.MatchString(r.Name) {
			a.add(path+".name", "%q is not a role's name: up to 64 letters, digits and characters of +=,.@_-", r.Name)
		}
		if len(r.Policies) > maxRolePolicies {
			a.add(path+".policies", "a role has %d policies at the most", maxRolePolicies)
		}
		for j, name := range r.Policies {
			if slices.Contains(r.Policies[:j], name) {
				a.add(at(path+".policies", j), "policy %q occurs twice", name)
			}
			a.policyNamed(at(path+".policies", j), name)
		}
		if r.Boundary != "" {
			a.policyNamed(path+".boundary", r.Boundary)
		}
		entry := &store.Role{
			Account: r.Account, Name: r.Name, Policies: slices.Clone(r.Policies), Boundary: r.Boundary,
			Trust: a.document(path+".trust", r.Trust, func(b []byte) error {
				_, err := policy.ParseTrust(b, policy.TrustLimit)
				return err
			}),
			MaxSession: a.session(path+".max_session", r.MaxSession),
		}
		if len(entry.Policies) == 0 {
			entry.Policies = nil // a list of none is kept as no list
		}
		if before := a.known.Role(r.Account, r.Name); before != nil {
			entry.ID, entry.Revoked = before.ID, before.Revoked
		} else {
			entry.ID = newRoleID()
		}
		a.put(path, entry)
	}
}

// session is how long a role's sessions may last.
func (a *application) session(path, text string) time.Duration {
	if text == "" {
		return defaultSession
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < leastSession || d > mostSession || d%time.Second != 0 {
		a.add(path, "%q is not a duration from 15m to 12h, in whole seconds", text)
	}
	return d
}

// newRoleID makes an id of the form that IAM's have.
func newRoleID() string {
	var b [11]byte
	rand.Read(b[:])
	return "AROA" + base32.StdEncoding.EncodeToString(b[:])[:17]
}
