package policy

import "errors"

// Policy is an identity policy, a session policy or a permissions boundary. It
// does not change and may be used concurrently.
type Policy struct {
	statements []statement
}

// Parse reads a policy that has at most limit characters (ManagedLimit,
// SessionLimit). The error is always an [*Error].
func Parse(doc []byte, limit int) (*Policy, error) {
	statements, err := parse(doc, limit, false)
	if err != nil {
		return nil, err
	}
	return &Policy{statements}, nil
}

// AsksForProducts reports whether the policy has a condition on meterd:ProductCode,
// so that a call cannot be decided before it is known what it is about.
func (p *Policy) AsksForProducts() bool {
	if p == nil {
		return false
	}
	for i := range p.statements {
		for j := range p.statements[i].conditions {
			if p.statements[i].conditions[j].key.id == productCode {
				return true
			}
		}
	}
	return false
}

// NoAccess denies everything. It stands for a policy that cannot be read: who
// knows what it would have denied.
func NoAccess() *Policy { return &noAccess }

var noAccess = Policy{[]statement{{
	deny:      true,
	actions:   []pattern{{anything: true}},
	resources: []arnPattern{{anything: true}},
}}}

// FullAccess allows everything: the rights of an account's own keys.
func FullAccess() *Policy { return &fullAccess }

var fullAccess = Policy{[]statement{{
	actions:   []pattern{{anything: true}},
	resources: []arnPattern{{anything: true}},
}}}

// statement allows or denies what it applies to.
type statement struct {
	deny         bool
	principals   *principals // of a trust policy, which has no resources
	actions      []pattern
	notActions   bool // the actions are those to which it does not apply
	resources    []arnPattern
	notResources bool
	conditions   []condition
}

// verdict is what a policy says to a request. A greater one prevails.
type verdict uint8

const (
	silent verdict = iota
	allows
	denies
)

// judge asks all statements, whose order does not matter.
func judge(statements []statement, r *Request) verdict {
	said := silent
	for i := range statements {
		s := &statements[i]
		switch {
		case said == allows && !s.deny, !s.applies(r):
		case s.deny:
			return denies
		default:
			said = allows
		}
	}
	return said
}

func (p *Policy) judge(r *Request) verdict {
	if p == nil {
		return silent
	}
	return judge(p.statements, r)
}

// applies reports whether a request is one that the statement speaks of. What
// cannot be judged counts against the request: as fitting in a Deny, and as not
// fitting in an Allow.
func (s *statement) applies(r *Request) bool {
	if s.matchesAction(r.Action) == s.notActions {
		return false
	}
	if s.principals != nil {
		if !s.principals.match(r, s.deny) {
			return false
		}
	} else if !s.believes(s.matchesResource(r)) {
		return false
	}
	for i := range s.conditions {
		if !s.believes(s.conditions[i].holds(r)) {
			return false
		}
	}
	return true
}

// believes turns what could not be judged into what is safe.
func (s *statement) believes(fits bool, err error) bool {
	switch {
	case err == nil:
		return fits
	case errors.Is(err, errForeseen):
		return !s.deny
	}
	return s.deny
}

func (s *statement) matchesAction(action string) bool {
	for i := range s.actions {
		if ok, _ := s.actions[i].matches(action, nil); ok { // actions have no variables
			return true
		}
	}
	return false
}

func (s *statement) matchesResource(r *Request) (bool, error) {
	resource := r.resource()
	var failed error
	for i := range s.resources {
		ok, err := s.resources[i].matchesResource(resource, r)
		if ok {
			return !s.notResources, nil
		}
		if err != nil {
			failed = err
		}
	}
	return s.notResources && failed == nil, failed
}
