package policy

import "errors"

// Set is all the policies that speak about one principal.
type Set struct {
	// Identity are the policies of the user or the role. There are none that
	// allow anything unless they are named here; [FullAccess] is an account's own.
	Identity []*Policy

	// Boundary and Session allow nothing by themselves: what they do not allow,
	// too, is refused. Nil is none, and then nothing is taken away; one that could
	// not be read must not become nil.
	Boundary *Policy
	Session  *Policy
}

// Reason says which policies decided.
type Reason uint8

// The reasons, the zero value being the usual one: nobody allowed it.
const (
	NoIdentityAllow Reason = iota
	NoBoundaryAllow
	NoSessionAllow
	NoTrustAllow
	IdentityDeny
	BoundaryDeny
	SessionDeny
	TrustDeny
	Allow
)

// Decision is what policies say to a request. The zero value refuses.
type Decision struct {
	Allowed  bool
	Reason   Reason
	Resource string // that the request was about; "*" for none
}

// Decide judges a request: what is denied anywhere is refused, and what is not
// allowed by an identity policy and by the boundary and by the session policy,
// as far as there are any, is refused too.
func Decide(r *Request, s Set) Decision {
	identity := silent
	for _, p := range s.Identity {
		identity = max(identity, p.judge(r))
	}
	boundary, session := allows, allows
	if s.Boundary != nil {
		boundary = s.Boundary.judge(r)
	}
	if s.Session != nil {
		session = s.Session.judge(r)
	}

	// Where several refuse, AWS names one of them and does not say which.
	reason := Allow
	switch {
	case identity == denies:
		reason = IdentityDeny
	case boundary == denies:
		reason = BoundaryDeny
	case session == denies:
		reason = SessionDeny
	case identity == silent:
		reason = NoIdentityAllow
	case boundary == silent:
		reason = NoBoundaryAllow
	case session == silent:
		reason = NoSessionAllow
	}
	return decision(r, reason)
}

// Foresee judges a request before it is known which products it is about. What it
// refuses would be refused whatever they are; what it lets pass has to be put to
// [Decide] once they are known, and may be refused then.
func Foresee(r *Request, s Set) Decision {
	early := *r
	early.foreseen = true
	return Decide(&early, s)
}

// errForeseen is what a condition on products says while they are to come. It
// counts for the request: as fitting in an Allow, and as not fitting in a Deny.
var errForeseen = errors.New("the products are not known yet")

func decision(r *Request, reason Reason) Decision {
	return Decision{Allowed: reason == Allow, Reason: reason, Resource: r.resource()}
}

// Message tells a refused principal why, in AWS's words
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
// A principal without an ARN is one that wants to become one, with a web
// identity: AWS then names nobody. There is no message if the request is allowed.
func (d Decision) Message(principalARN, action string) string {
	text := "User: " + principalARN + " is not authorized to perform: " + action
	if principalARN == "" {
		text = "Not authorized to perform " + action
		if d.Reason == NoTrustAllow {
			return text
		}
	} else if d.Resource != noResource && d.Resource != "" {
		text += " on resource: " + d.Resource
	}
	switch d.Reason {
	case Allow:
		return ""
	case NoIdentityAllow:
		return text + " because no identity-based policy allows the " + action + " action"
	case NoBoundaryAllow:
		return text + " because no permissions boundary allows the " + action + " action"
	case NoSessionAllow:
		return text + " because no session policy allows the " + action + " action"
	case IdentityDeny:
		return text + " with an explicit deny in an identity-based policy"
	case BoundaryDeny:
		return text + " with an explicit deny in a permissions boundary"
	case SessionDeny:
		return text + " with an explicit deny in a session policy"
	case TrustDeny:
		return text + " with an explicit deny in the role trust policy"
	}
	// NoTrustAllow: the page has a reason here, too; STS in truth gives none
	// (seen in public reports of 2020 to 2024).
	return text
}
