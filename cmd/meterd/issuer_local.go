package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/identity"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/store"
)

// localIssuer makes the tokens of pods that no cluster runs. Its keys follow from
// those of sessions, so that all nodes are one issuer, and its pods are workloads
// of the catalogue.
type localIssuer struct{ catalog *store.Catalog }

// localIssuerURL is a name that nobody can have on the net.
const localIssuerURL = "https://oidc.meterd.localhost"

// How long what a workload is given lasts: as long as AWS's, but for credentials
// of instances and tasks, which last for six hours there, and are harder to take
// back.
const (
	workloadSession = time.Hour
	projectedToken  = time.Hour
)

func (l localIssuer) issuer() (*identity.TokenIssuer, error) {
	keys := l.catalog.SessionKeys()
	secrets := make([][]byte, len(keys))
	for i, k := range keys {
		secrets[i] = k.Secret
	}
	return identity.NewTokenIssuer(localIssuerURL, secrets...)
}

// believed is how the door knows it.
func (l localIssuer) believed() webIssuer {
	return webIssuer{
		Issuer: identity.Issuer{URL: localIssuerURL, Audiences: []string{identity.STSAudience}, Keys: func() ([]byte, error) {
			i, err := l.issuer()
			if err != nil {
				return nil, err
			}
			return i.KeySet(), nil
		}},
		cluster: ofCatalog,
	}
}

func (l localIssuer) token(w *metering.Workload, account admin.ServiceAccount) (admin.PodToken, error) {
	i, err := l.issuer()
	if err != nil {
		return admin.PodToken{}, err
	}
	now := time.Now()
	pod := identity.Pod{Namespace: account.Namespace, ServiceAccount: account.Name, Name: account.Name + "-" + w.ID, UID: w.ID}
	token, err := i.Token(pod, identity.STSAudience, now, projectedToken)
	return admin.PodToken{Token: store.Secret(token), Expires: now.Add(projectedToken).UTC().Truncate(time.Second)}, err
}

// workloadSources say where a workload's credentials are from, by its platform.
var workloadSources = map[metering.Platform]session.Source{
	metering.PlatformEC2:       session.Instance,
	metering.PlatformECS:       session.Container,
	metering.PlatformAgentCore: session.Container,
}

// issuing is what the operator's door needs to make sessions of workloads.
func (s *server) issuing() *admin.Issuing {
	local := localIssuer{s.store.Catalog()}
	return &admin.Issuing{
		PodToken: local.token,
		Provider: strings.TrimPrefix(localIssuerURL, "https://"),
		Session: func(ctx context.Context, role *store.Role, w *metering.Workload) (admin.SessionCredentials, error) {
			source, ok := workloadSources[w.Platform]
			if !ok {
				return admin.SessionCredentials{}, errors.New("there are no credentials for workloads of " + string(w.Platform))
			}
			c, err := s.sts.SessionFor(ctx, role, source, w.ID, session.Workload{Platform: w.Platform, ID: w.ID, Region: w.Region}, workloadSession)
			return admin.SessionCredentials{
				AccessKeyID: c.AccessKeyID, SecretAccessKey: store.Secret(c.SecretAccessKey), SessionToken: store.Secret(c.Token), Expires: c.Expiration,
			}, err
		},
	}
}
