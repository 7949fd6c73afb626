package identity

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/policy"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/store"
)

const (
	defaultDuration = time.Hour // of a session, and the longest of one that a session asks for
	actionPrefix    = "sts:"
)

// AssumeRole: who has credentials asks for those of a role. Two have to allow it,
// the caller's own policies and the role's trust policy.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func (s *Service) assumeRole(c *call, f form) (any, error) {
	in, err := f.assumeRole()
	if err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		c.ev.Asked = append(c.ev.Asked, store.Detail{Name: "tags", Value: caller.Text(tagText(in.Tags))})
	}
	if len(in.Transitive) > 0 {
		return nil, invalid("The parameter TransitiveTagKeys is not served here.")
	}
	sessionPolicy, err := in.policy()
	if err != nil {
		return nil, err
	}
	role := s.roleNamed(in.RoleARN)
	actions := []string{opAssumeRole}
	if len(in.Tags) > 0 {
		actions = append(actions, "TagSession")
	}
	for _, action := range actions {
		q := &policy.Request{Action: actionPrefix + action, Resource: in.RoleARN, ExternalID: in.ExternalID, RoleSessionName: in.SessionName}
		if err := s.Callers.AuthorizeRequest(&c.who, c.Request, q); err != nil {
			return nil, err
		}
		// A role that is not there is answered as one that trusts nobody.
		if d := s.trusts(q, role); !d.Allowed {
			return nil, denied(d.Message(c.who.Caller.ARN, q.Action))
		}
	}
	lasts, err := in.lasts(role, c.who.Session())
	if err != nil {
		return nil, err
	}
	claims := session.Claims{
		SessionName: in.SessionName, Source: session.AssumeRole, Policy: sessionPolicy, Tags: tagsOf(in.Tags),
	}
	creds, err := s.issue(c.Context(), c.id, role, &claims, lasts, c.now)
	if err != nil {
		return nil, err
	}
	told(&c.ev, &claims, creds)
	if role.Account != c.ev.Account {
		c.lender = role.Account
	}
	return answerAssumeRole(&claims, creds, c.id), nil
}

// AssumeRoleWithWebIdentity: a workload shows a token of an issuer that is
// believed, and the role's trust policy says whose tokens do.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
func (s *Service) assumeRoleWithWebIdentity(c *call, f form) (any, error) {
	in, err := f.assumeRoleWithWebIdentity()
	if err != nil {
		return nil, err
	}
	sessionPolicy, err := in.policy()
	if err != nil {
		return nil, err
	}
	if s.WebIdentity == nil {
		return nil, badToken("No OpenIDConnect provider found in your account")
	}
	token, err := s.WebIdentity.Verify(c.Context(), string(in.Token), c.now)
	var over *overToken
	if errors.As(err, &over) {
		s.knownByToken(c, (*Token)(over), f)
	}
	if err != nil {
		return nil, err
	}
	s.knownByToken(c, token, f)
	role := s.roleNamed(in.RoleARN)
	q := &policy.Request{
		Action: actionPrefix + opAssumeRoleWithWebIdentity, Resource: in.RoleARN, RoleSessionName: in.SessionName,
		WebIdentity: policy.WebIdentity{Issuer: token.Issuer, Subject: token.Subject, Audience: token.Audience},
	}
	s.Callers.Fill(nil, c.Request, q)
	if d := s.trusts(q, role); !d.Allowed {
		return nil, denied(d.Message("", q.Action))
	}
	lasts, err := in.lasts(role, false)
	if err != nil {
		return nil, err
	}
	workload, ok := s.workloadOf(token, role)
	if !ok {
		return nil, denied(policy.Decision{Reason: policy.NoTrustAllow}.Message("", q.Action))
	}
	c.ev.Caller.Workload, c.ev.Caller.Platform = workload.ID, workload.Platform
	claims := session.Claims{
		SessionName: in.SessionName, Source: session.WebIdentity, Policy: sessionPolicy, Workload: workload,
		Federation: session.Federation{
			Provider: providerARN(role.Account, token.Issuer),
			Issuer:   token.Issuer, Subject: token.Subject, Audience: token.Audience,
		},
	}
	creds, err := s.issue(c.Context(), c.id, role, &claims, lasts, c.now)
	if err != nil {
		return nil, err
	}
	told(&c.ev, &claims, creds)
	c.ev.Told = append(c.ev.Told,
		store.Detail{Name: "subjectFromWebIdentityToken", Value: caller.Text(token.Subject)},
		store.Detail{Name: "audience", Value: caller.Text(token.Audience)},
		store.Detail{Name: "provider", Value: caller.Text(claims.Federation.Provider)},
	)
	return answerWebIdentity(&claims, creds, c.id), nil
}

// SessionFor issues a session of a role for a workload, whoever attests that it is
// one: an endpoint for containers, or for instances. The claims are filled in as
// far as the role and the time do not say. Nobody is asked whether the role trusts
// the workload's service; Trusts tells. The session is returned when its event is
// on disk.
func (s *Service) SessionFor(ctx context.Context, role *store.Role, source session.Source, name string, w session.Workload, lasts time.Duration) (session.Credentials, error) {
	claims := session.Claims{SessionName: name, Source: source, Workload: w}
	creds, err := s.issue(ctx, "", role, &claims, lasts, s.Now())
	if err != nil {
		return session.Credentials{}, err
	}
	if err := s.handed(ctx, &claims, creds); err != nil {
		return session.Credentials{}, err
	}
	return creds, nil
}

// TrustsService reports whether a role may be assumed by a service of AWS's in its
// own name, such as "ec2.amazonaws.com" for the instances of its account.
func (s *Service) TrustsService(role *store.Role, service string) bool {
	return s.trusts(&policy.Request{
		Action: actionPrefix + opAssumeRole, Resource: role.ARN(), Time: s.Now(), Principal: policy.Principal{Service: service},
	}, role).Allowed
}

// workloadOf is the pod that a token was made for, if its issuer is a cluster. It
// is not ok for a pod that should be in the catalogue, in the role's account, and
// is not: pods of all accounts have that issuer in common, and a trust policy that
// names it alone must not let one account's meter for another's.
func (s *Service) workloadOf(t *Token, role *store.Role) (w session.Workload, ok bool) {
	region, cluster := s.Clusters[t.Issuer]
	switch {
	case !cluster:
		return w, true
	case region == "":
		known := s.Store.Catalog().Workload(t.Pod.UID)
		if known == nil || known.Platform != metering.PlatformEKS || known.Account != role.Account {
			return w, false
		}
		region = known.Region
	case t.Pod.UID == "":
		return w, true
	}
	return session.Workload{Platform: metering.PlatformEKS, ID: t.Pod.UID, Region: region}, true
}

// issue makes a session, and fills in what its claims are to say.
func (s *Service) issue(ctx context.Context, id string, role *store.Role, claims *session.Claims, lasts time.Duration, now time.Time) (session.Credentials, error) {
	keys, err := s.Callers.SessionKeys()
	if err != nil {
		return session.Credentials{}, err
	}
	claims.Account, claims.Role = role.Account, session.Role{ARN: role.ARN(), ID: role.ID}
	claims.Issued, claims.Expires = now, now.Add(lasts)
	creds, err := keys.Issue(*claims)
	if err != nil {
		return session.Credentials{}, err
	}
	s.log(ctx, id, "session", claims.AssumedRoleARN(), "key", creds.AccessKeyID, "source", claims.Source, "expires", creds.Expiration)
	return creds, nil
}

// roleNamed finds a role by its ARN; nil is none, also if its account is gone.
func (s *Service) roleNamed(arn string) *store.Role {
	account, name, ok := s.roleParts(arn)
	if !ok {
		return nil
	}
	return s.Store.Catalog().Role(account, name)
}

// roleParts is whose role an ARN names, which need not be there; ok is false if
// the account is not.
func (s *Service) roleParts(arn string) (account metering.AccountID, name string, ok bool) {
	rest, isARN := strings.CutPrefix(arn, "arn:aws:iam::")
	id, name, isRole := strings.Cut(rest, ":role/")
	account = metering.AccountID(id)
	return account, name, isARN && isRole && s.Store.Catalog().Account(account) != nil
}

// providerARN is an issuer, as an account that believes it names it.
func providerARN(account metering.AccountID, issuer string) string {
	return "arn:aws:iam::" + string(account) + ":oidc-provider/" + providerName(issuer)
}

// providerName is an issuer without what all have in common.
func providerName(issuer string) string { return strings.TrimPrefix(issuer, "https://") }

// trusts asks a role's trust policy. It is parsed for each call: sessions are asked
// for once an hour. One that cannot be read trusts nobody.
func (s *Service) trusts(q *policy.Request, role *store.Role) policy.Decision {
	if role == nil {
		return policy.Trusts(q, nil)
	}
	t, err := policy.ParseTrust([]byte(role.Trust), policy.TrustLimit)
	if err != nil {
		s.Log.Error("a role's trust policy cannot be read: nobody may assume it", "role", role.ARN(), "error", err)
		t = nil
	}
	return policy.Trusts(q, t)
}

// policy is the session policy that was given, once it is known to be one.
func (in *assumption) policy() ([]byte, error) {
	if len(in.PolicyARNs) > 0 {
		return nil, invalid("The parameter PolicyArns is not served here.")
	}
	if in.Policy == "" {
		return nil, nil
	}
	if _, err := policy.Parse([]byte(in.Policy), policy.SessionLimit); err != nil {
		return nil, &Error{Code: MalformedPolicyDocument, Message: shorten(err.Error())}
	}
	return []byte(in.Policy), nil
}

// lasts is how long the session is to be: what was asked for, if the role allows
// it. A session that asks for another (role chaining) gets an hour at the most.
func (in *assumption) lasts(role *store.Role, chained bool) (time.Duration, error) {
	most := min(max(role.MaxSession, minDuration*time.Second), session.MaxDuration)
	switch {
	case in.Duration == 0:
		return min(defaultDuration, most), nil
	case chained && in.Duration > defaultDuration:
		return 0, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case in.Duration > most:
		return 0, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return in.Duration, nil
}

func tagsOf(tags []tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	all := make(map[string]string, len(tags))
	for _, t := range tags {
		all[t.Key] = t.Value
	}
	return all
}

// tagText is session tags on one line: neither has a comma in it.
func tagText(tags []tag) string {
	all := make([]string, len(tags))
	for i, t := range tags {
		all[i] = t.Key + "=" + t.Value
	}
	return strings.Join(all, ", ")
}

func denied(message string) error { return &Error{Code: AccessDenied, Message: message} }
