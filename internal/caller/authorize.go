package caller

import (
	"crypto/sha256"
	"encoding/base32"
	"net/http"
	"net/netip"
	"strings"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/policy"
	"github.com/meterd/meterd/internal/store"
)

// Denied is the error of a call that policies do not allow. Its text is AWS's,
// and meant for whoever asked.
type Denied struct{ Message string }

func (d *Denied) Error() string { return d.Message }

// Is reports whether target is a Denied: there is but one kind.
func (*Denied) Is(target error) bool {
	_, ok := target.(*Denied)
	return ok
}

// Identity is who has signed a request: its caller, and all that policies can ask
// and say about it.
type Identity struct {
	Caller metering.Caller
	Region string // that the request was signed for

	full       bool // nothing restricts it: an account's own rights
	set        policy.Set
	asks       bool // one of its policies asks for products
	credential *store.Credential
	session    *opened
}

// Session reports whether the credentials are temporary.
func (id *Identity) Session() bool { return id.session != nil }

// AsksForProducts reports whether it turns on the products what a call may do.
func (id *Identity) AsksForProducts() bool { return id.asks }

// Principal is who asks, as policies see it.
func (id *Identity) Principal() policy.Principal {
	if id.session != nil {
		return id.session.principal()
	}
	return principalOf(id.credential)
}

// UserID is the principal's unique id, as GetCallerIdentity tells it.
func (id *Identity) UserID() string { p := id.Principal(); return p.UserID }

// Foresee judges a call whose products are not known yet. What it refuses is
// refused whatever they are. If the identity asks for products, what it lets pass
// has to be put to Authorize once they are known, and before anything is done.
// The error is a [*Denied].
func (a *Authenticator) Foresee(id *Identity, r *http.Request, action string) error {
	if id.full {
		return nil
	}
	return a.decide(id, &policy.Request{Action: action}, r, policy.Foresee)
}

// Authorize judges a call that is about these products; none is known to be about
// none. The error is a [*Denied].
func (a *Authenticator) Authorize(id *Identity, r *http.Request, action string, products ...string) error {
	if id.full {
		return nil
	}
	return a.decide(id, &policy.Request{Action: action, ProductCodes: products}, r, policy.Decide)
}

// AuthorizeRequest judges a request of which the action, the resource and what
// they alone say is filled in.
func (a *Authenticator) AuthorizeRequest(id *Identity, r *http.Request, q *policy.Request) error {
	if id.full {
		a.Fill(id, r, q) // the trust policy will ask
		return nil
	}
	return a.decide(id, q, r, policy.Decide)
}

func (a *Authenticator) decide(id *Identity, q *policy.Request, r *http.Request, by func(*policy.Request, policy.Set) policy.Decision) error {
	a.Fill(id, r, q)
	d := by(q, id.set)
	if d.Allowed {
		return nil
	}
	return &Denied{d.Message(id.Caller.ARN, q.Action)}
}

// Fill fills in what is known of every request: when, from where, and, unless id
// is nil, who. Behind a proxy nobody knows the address that it came from, and it
// is the proxy that speaks TLS.
func (a *Authenticator) Fill(id *Identity, r *http.Request, q *policy.Request) {
	q.Time = a.now()
	q.TLS = r.TLS != nil || a.BehindProxy
	q.SourceIP = a.SourceIP(r)
	if id != nil {
		q.Region, q.Principal = id.Region, id.Principal()
	}
}

// SourceIP is where a request came from; not valid if nobody knows.
func (a *Authenticator) SourceIP(r *http.Request) netip.Addr {
	if a.BehindProxy {
		return netip.Addr{}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap().WithZone("")
}

// entitle finds the policies that speak about an identity.
func (a *Authenticator) entitle(id *Identity, role *store.Role) {
	if role == nil {
		if id.credential.Policy == "" {
			id.full = true
			return
		}
		id.add(a.named(id.credential.Policy))
		return
	}
	for _, name := range role.Policies {
		id.add(a.named(name))
	}
	if role.Boundary != "" {
		id.set.Boundary = a.named(role.Boundary)
	}
	id.set.Session = id.session.policy
	id.asks = id.asks || id.set.Boundary.AsksForProducts() || id.set.Session.AsksForProducts()
}

func (id *Identity) add(p *policy.Policy) {
	id.set.Identity = append(id.set.Identity, p)
	id.asks = id.asks || p.AsksForProducts()
}

// named is the catalogue's policy of a name, or AWS's. Who has one that is not
// there, or that cannot be read any more, may do nothing.
func (a *Authenticator) named(name string) *policy.Policy {
	entry := a.catalog.Policy(name)
	if entry == nil {
		if p := a.managed[strings.TrimPrefix(name, "arn:aws:iam::aws:policy/")]; p != nil {
			return p
		}
		if _, told := a.absent.get(name); !told {
			a.absent.put(name, struct{}{})
			a.logger().Error("a policy is not in the catalogue: whoever it is for is refused everything", "policy", name)
		}
		return policy.NoAccess()
	}
	if p, known := a.policies.get(entry); known {
		return p
	}
	p := a.read("policy "+entry.Name, entry.Document, policy.ManagedLimit)
	a.policies.put(entry, p)
	return p
}

// read parses a document that was sound when it was saved. It is asked once for
// each, so that one that is not is logged once.
func (a *Authenticator) read(what, document string, limit int) *policy.Policy {
	p, err := policy.Parse([]byte(document), limit)
	if err != nil {
		a.logger().Error("a policy cannot be read: whoever it is for is refused everything", "policy", what, "error", err)
		return policy.NoAccess()
	}
	return p
}

// WorkloadRole is the name of the role that a key of the catalogue acts in when
// it stands for a workload. No such role has to be there.
const WorkloadRole = "meterd-workload"

// principalOf is who a key of the catalogue stands for.
func principalOf(c *store.Credential) policy.Principal {
	account := string(c.Account)
	switch {
	case c.Workload != "":
		return policy.Principal{
			ARN: iamARN(account, "role/"+WorkloadRole), SessionARN: arnOf(c), Account: account, Type: "AssumedRole",
			UserID: uniqueID("AROA", account, WorkloadRole) + ":" + c.Workload, TokenIssued: c.Created,
		}
	case c.User != "":
		return policy.Principal{ARN: arnOf(c), Account: account, Type: "User", UserID: uniqueID("AIDA", account, c.User), Username: c.User}
	}
	return policy.Principal{ARN: arnOf(c), Account: account, Type: "Account", UserID: account}
}

// arnOf is the principal that a key of the catalogue signs as.
func arnOf(c *store.Credential) string {
	account := string(c.Account)
	switch {
	case c.Workload != "":
		return "arn:aws:sts::" + account + ":assumed-role/" + WorkloadRole + "/" + c.Workload
	case c.User != "":
		return iamARN(account, "user/"+c.User)
	}
	return iamARN(account, "root")
}

func iamARN(account, rest string) string { return "arn:aws:iam::" + account + ":" + rest }

// uniqueID is an id of AWS's form that follows from what it is of, for those that
// the catalogue gives none.
func uniqueID(prefix, account, name string) string {
	sum := sha256.Sum256([]byte(prefix + "/" + account + "/" + name))
	return prefix + base32.StdEncoding.EncodeToString(sum[:10])
}
