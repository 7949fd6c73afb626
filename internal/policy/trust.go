package policy

import (
	"fmt"
	"regexp"
	"strings"
)

// TrustPolicy says who may assume a role. It is a type of its own, because it
// speaks of principals where a [Policy] speaks of resources. It does not change
// and may be used concurrently.
type TrustPolicy struct {
	statements []statement
}

// ParseTrust reads a role's trust policy that has at most limit characters
// (TrustLimit). The error is always an [*Error].
func ParseTrust(doc []byte, limit int) (*TrustPolicy, error) {
	statements, err := parse(doc, limit, true)
	if err != nil {
		return nil, err
	}
	return &TrustPolicy{statements}, nil
}

// trustActions are the ways to a role that we serve, and what goes with them.
var trustActions = []string{"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:TagSession"}

// Trusts judges a request to assume the role that is its Resource. For AssumeRole
// it is one half of the answer: the caller's own policies have to allow it as
// well, which is for [Decide] to say.
func Trusts(r *Request, t *TrustPolicy) Decision {
	said := silent
	if t != nil {
		said = judge(t.statements, r)
	}
	switch said {
	case allows:
		return decision(r, Allow)
	case denies:
		return decision(r, TrustDeny)
	}
	return decision(r, NoTrustAllow)
}

// principals is the Principal element of a trust policy.
type principals struct {
	everyone bool
	accounts []string
	arns     []string // of users, roles and sessions of roles
	services []string
	issuers  []issuer
}

// issuer is a provider of web identities.
type issuer struct {
	name    string // its URL without https://
	account string // of the provider that an ARN names, which must be the role's own
}

// match reports whether a request comes from one of the principals. Everyone
// means every principal of AWS's kind in an Allow. In a Deny it means everyone
// who asks, web identities and services too.
func (p *principals) match(r *Request, deny bool) bool {
	if p.everyone && (deny || r.Principal.ARN != "") {
		return true
	}
	for _, account := range p.accounts {
		if account == r.Principal.Account {
			return true
		}
	}
	for _, arn := range p.arns {
		if arn == r.Principal.ARN || arn == r.Principal.SessionARN {
			return true
		}
	}
	for _, service := range p.services {
		if service == r.Principal.Service {
			return true
		}
	}
	for _, i := range p.issuers {
		if i.name == issuerName(r.WebIdentity.Issuer) && (i.account == "" || i.account == accountOf(r.Resource)) {
			return true
		}
	}
	return false
}

// issuerName is an issuer as ARNs and condition keys write it.
func issuerName(url string) string { return strings.TrimPrefix(url, "https://") }

var (
	accountForm   = regexp.MustCompile(`^[0-9]{12}$`)
	rootForm      = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):root$`)
	principalForm = regexp.MustCompile(`^arn:aws[a-z-]*:(iam::[0-9]{12}:(user|role)(/[!-~]+)?/[\w+=,.@-]+|sts::[0-9]{12}:assumed-role/[\w+=,.@-]+/[\w+=,.@-]+)$`)
	providerForm  = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):oidc-provider/(.+)$`)
	issuerForm    = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?(/[\w./~%+@=-]*)?$`)
	serviceForm   = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?$`)
)

// parsePrincipals reads the Principal element of the statement at p.
func parsePrincipals(p place, statement node) (*principals, error) {
	for _, name := range []string{"Resource", "NotResource"} {
		if _, ok := statement.member(name); ok {
			return nil, p.member(name).errorf("has no place in a trust policy; the resource is the role")
		}
	}
	n, ok := statement.member("Principal")
	at := p.member("Principal")
	switch {
	case !ok:
		return nil, at.errorf("is missing")
	case n.kind == stringNode && n.text == "*":
		return &principals{everyone: true}, nil
	case n.kind == stringNode:
		return nil, at.errorf("must be \"*\", or an object with AWS, Federated or Service")
	}
	if err := at.object(n); err != nil {
		return nil, err
	}
	list := new(principals)
	for _, m := range n.members {
		at := at.member(m.name)
		add := map[string]func(string) error{"AWS": list.addAWS, "Federated": list.addFederated, "Service": list.addService}[m.name]
		if add == nil {
			return nil, at.errorf("unknown kind of principal: only AWS, Federated and Service are known")
		}
		texts, err := at.texts(m.value, stringNode)
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			if err := add(text); err != nil {
				return nil, at.wrap(err)
			}
		}
	}
	return list, nil
}

func (p *principals) addAWS(text string) error {
	root := rootForm.FindStringSubmatch(text)
	switch {
	case text == "*":
		p.everyone = true
	case accountForm.MatchString(text):
		p.accounts = append(p.accounts, text)
	case root != nil:
		p.accounts = append(p.accounts, root[1])
	case strings.ContainsAny(text, "*?"):
		return fmt.Errorf("%q: a principal has no wildcards, except * alone; name the account, and compare aws:PrincipalArn in a Condition", text)
	case principalForm.MatchString(text):
		p.arns = append(p.arns, text)
	default:
		return fmt.Errorf("%q is neither an account nor the ARN of a root, a user, a role or a session of a role", text)
	}
	return nil
}

func (p *principals) addFederated(text string) error {
	i := issuer{name: issuerName(text)}
	if provider := providerForm.FindStringSubmatch(text); provider != nil {
		i = issuer{name: provider[2], account: provider[1]}
	}
	if !issuerForm.MatchString(i.name) {
		return fmt.Errorf("%q is neither an issuer's URL nor arn:aws:iam::ACCOUNT:oidc-provider/URL", text)
	}
	p.issuers = append(p.issuers, i)
	return nil
}

func (p *principals) addService(text string) error {
	if !serviceForm.MatchString(text) {
		return fmt.Errorf("%q is not a service: write its name, such as ec2.amazonaws.com", text)
	}
	p.services = append(p.services, text)
	return nil
}
