package admin

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/policy"
	"github.com/meterd/meterd/internal/store"
)

// Issuing makes what workloads show to be themselves. Its times are the true
// clock's, as those of signatures are.
type Issuing struct {
	// Session makes credentials for a workload, in a role of its account.
	Session func(context.Context, *store.Role, *metering.Workload) (SessionCredentials, error)
	// PodToken makes the token that a pod takes to the Security Token Service.
	PodToken func(*metering.Workload, ServiceAccount) (PodToken, error)
	// Provider is who issues those tokens, as trust policies name it: a URL without
	// its https://.
	Provider string
}

// SessionCredentials are temporary.
type SessionCredentials struct {
	AccessKeyID     string
	SecretAccessKey store.Secret
	SessionToken    store.Secret
	Expires         time.Time
}

// PodToken is a web identity token.
type PodToken struct {
	Token   store.Secret
	Expires time.Time
}

// ServiceAccount is who a pod is to its cluster.
type ServiceAccount struct{ Namespace, Name string }

func (a ServiceAccount) subject() string {
	return "system:serviceaccount:" + a.Namespace + ":" + a.Name
}

// accountOf is the service account of pods that nobody gave one. It is another
// one in each account: pods' tokens are of one issuer, whichever account they
// are for.
func accountOf(w *metering.Workload) ServiceAccount {
	return ServiceAccount{string(w.Account), WorkloadRole}
}

// WorkloadRole is the role of workloads that nobody gave one. It is made in the
// account of the first that asks, and is then a role like any other.
const WorkloadRole = "meterd-workload"

// audience is whom pods' tokens are for.
const audience = "sts.amazonaws.com"

var (
	// sessionName is what AWS lets a session be called; a workload's is its id.
	sessionName = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{2,64}$`)
	// kubernetesName is a DNS label (RFC 1123), as Kubernetes names namespaces; for
	// service accounts it also has dots.
	kubernetesName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)
)

// newSession is what a session is asked for with.
type newSession struct {
	Role           string `json:"role,omitempty" doc:"The name of a role of the workload's account. Default: meterd-workload, which is made if it is not there and may meter."`
	Namespace      string `json:"namespace,omitempty" doc:"Of a pod: its namespace. Default: the account id."`
	ServiceAccount string `json:"service_account,omitempty" doc:"Of a pod: its service account. Default: meterd-workload."`
}

// madeSession is what a workload gets: credentials or, if it is a pod, a token
// for some. It alone shows the secrets.
type madeSession struct {
	Role             string    `json:"role" doc:"The role's ARN."`
	AccessKeyID      string    `json:"access_key_id,omitempty"`
	SecretAccessKey  string    `json:"secret_access_key,omitempty"`
	SessionToken     string    `json:"session_token,omitempty"`
	WebIdentityToken string    `json:"web_identity_token,omitempty" doc:"Of a pod, in place of credentials: what it takes to AssumeRoleWithWebIdentity."`
	Expires          time.Time `json:"expires"`
}

// makeSession makes a session of a workload, as its platform would.
func (s *Service) makeSession(ctx context.Context, id string, in newSession) (madeSession, error) {
	entry := s.Store.Catalog().Workload(id)
	if entry == nil {
		return madeSession{}, fmt.Errorf("workload %q: %w", id, ErrNotFound)
	}
	if !sessionName.MatchString(id) {
		return madeSession{}, &StateError{fmt.Sprintf("the workload's id %q cannot be the name of its session: 2 to 64 letters, digits and characters of +=,.@_-", id)}
	}
	account, err := in.account(entry)
	if err != nil {
		return madeSession{}, err
	}
	role, err := s.roleFor(ctx, entry, in.Role)
	if err != nil {
		return madeSession{}, err
	}
	if err := s.trusted(role, entry, account); err != nil {
		return madeSession{}, err
	}
	if err := s.KeepSessionKeys(ctx); err != nil { // pods' tokens follow from them, too
		return madeSession{}, err
	}
	ev := s.act(ctx, opMakeWorkloadSession, entry.Account, entry.Region)
	ev.Asked = []store.Detail{{Name: "workload", Value: entry.ID}, {Name: "roleArn", Value: role.ARN()}}
	if entry.Platform == metering.PlatformEKS {
		ev.Asked = append(ev.Asked, store.Detail{Name: "subject", Value: account.subject()})
	}
	if err := s.note(ctx, ev); err != nil { // before there is anything to be shown
		return madeSession{}, err
	}
	s.shown(ctx, "session", entry.ID)
	if entry.Platform == metering.PlatformEKS {
		token, err := s.Issuing.PodToken(entry, account)
		return madeSession{Role: role.ARN(), WebIdentityToken: string(token.Token), Expires: token.Expires}, err
	}
	c, err := s.Issuing.Session(ctx, role, entry)
	return madeSession{
		Role: role.ARN(), AccessKeyID: c.AccessKeyID, SecretAccessKey: string(c.SecretAccessKey), SessionToken: string(c.SessionToken), Expires: c.Expires,
	}, err
}

// account is who a pod is to its cluster; only a pod is anybody.
func (in *newSession) account(w *metering.Workload) (ServiceAccount, error) {
	out := accountOf(w)
	for _, part := range []struct {
		field, given string
		to           *string
	}{{"namespace", in.Namespace, &out.Namespace}, {"service_account", in.ServiceAccount, &out.Name}} {
		switch {
		case part.given == "":
		case w.Platform != metering.PlatformEKS:
			return out, invalid(part.field, "is for pods, and workload %s is of %s", w.ID, w.Platform)
		case !kubernetesName.MatchString(part.given):
			return out, invalid(part.field, "%q is not a name of Kubernetes': small letters, digits, - and . within, 63 at the most", part.given)
		default:
			*part.to = part.given
		}
	}
	return out, nil
}

// roleFor finds the role of a name or, if none is given, the one for everybody,
// which is made if it has to be.
func (s *Service) roleFor(ctx context.Context, w *metering.Workload, name string) (*store.Role, error) {
	find := func(name string) *store.Role { return s.Store.Catalog().Role(w.Account, name) }
	if name != "" {
		role := find(name)
		if role == nil {
			return nil, noRole(w.Account, name)
		}
		return role, nil
	}
	if role := find(WorkloadRole); role != nil {
		return role, nil
	}
	_, err := s.Apply(ctx, nil, Applying{from: func(known *store.Catalog, c *Catalog, _ *Applying) error {
		if known.Role(w.Account, WorkloadRole) == nil { // nobody was quicker
			c.Roles = []Role{s.workloadRole(w)}
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	role := find(WorkloadRole)
	if role == nil {
		return nil, noRole(w.Account, WorkloadRole)
	}
	return role, nil
}

// workloadRole is the role for everybody in an account: of every platform, and able
// to meter.
func (s *Service) workloadRole(w *metering.Workload) Role {
	assuming := []any{metering.PlatformAgentCore.Service(), metering.PlatformEC2.Service(), metering.PlatformECS.Service()}
	provider := s.Issuing.Provider
	return Role{
		Account: w.Account, Name: WorkloadRole, Policies: policy.ManagedNames(),
		Trust: Document{
			"Version": "2012-10-17",
			"Statement": []any{
				map[string]any{"Effect": "Allow", "Principal": map[string]any{"Service": assuming}, "Action": "sts:AssumeRole"},
				map[string]any{
					"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
					"Principal": map[string]any{"Federated": "arn:aws:iam::" + string(w.Account) + ":oidc-provider/" + provider},
					"Condition": map[string]any{"StringEquals": map[string]any{provider + ":aud": audience, provider + ":sub": accountOf(w).subject()}},
				},
			},
		},
	}
}

// trusted refuses a role that does not let its workload's platform assume it: on
// AWS it could not be attached either. What a pod takes to the Security Token
// Service is judged there again.
func (s *Service) trusted(role *store.Role, w *metering.Workload, account ServiceAccount) error {
	trust, err := policy.ParseTrust([]byte(role.Trust), policy.TrustLimit)
	if err != nil {
		return fmt.Errorf("the trust policy of role %s: %w", role.ARN(), err)
	}
	ask := policy.Request{Action: "sts:AssumeRole", Resource: role.ARN(), Time: s.Clock.Truth(), Principal: policy.Principal{Service: w.Platform.Service()}}
	who := ask.Principal.Service
	if w.Platform == metering.PlatformEKS {
		who = account.subject() + " of " + s.Issuing.Provider
		ask.Action, ask.Principal = "sts:AssumeRoleWithWebIdentity", policy.Principal{}
		ask.RoleSessionName = w.ID
		ask.WebIdentity = policy.WebIdentity{Issuer: s.Issuing.Provider, Subject: account.subject(), Audience: audience}
	}
	if policy.Trusts(&ask, trust).Allowed {
		return nil
	}
	return &StateError{fmt.Sprintf("role %s does not trust %s: its trust policy has to allow it %s", role.ARN(), who, ask.Action)}
}

func (s *Service) serveSessions(api huma.API) {
	op := creates(operation(api, operators, "make-workload-session", http.MethodPost, "/workloads/{id}/sessions",
		"Make temporary credentials for a workload, or the token with which a pod gets some"))
	huma.Register(api, op, func(ctx context.Context, in *struct {
		WorkloadPath
		Body newSession
	},
	) (*made[madeSession], error) {
		out, err := s.makeSession(ctx, in.ID, in.Body)
		if err != nil {
			return nil, s.refusal(ctx, one(err))
		}
		return madeOf(false, out), nil
	})
}
