package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/meterd/meterd/internal/identity"
	"github.com/meterd/meterd/internal/metering"
)

// stsAudience is whom tokens are for that are shown to AWS's Security Token
// Service, and here.
const stsAudience = "sts.amazonaws.com"

// localIssuer makes web identity tokens for the workloads that dev plays: its key
// lasts as long as the process, and nobody else has it.
type localIssuer struct{ signer jose.Signer }

// localIssuerURL is a name that nobody can have on the net.
const localIssuerURL = "https://oidc.meterd.localhost"

// localRegion is where the workloads of the local issuer run.
const localRegion = "us-east-1"

// believeLocal makes an issuer, and lets the server believe it as a cluster.
func (s *server) believeLocal() (*localIssuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	const id = "dev"
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}}})
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	s.local = &localIssuer{signer}
	return s.local, s.believe([]webIssuer{{
		Issuer:  identity.Issuer{URL: localIssuerURL, Audiences: []string{stsAudience}, KeySet: set},
		cluster: localRegion,
	}})
}

// token is a projected token of a pod's, as Kubernetes makes them.
func (i *localIssuer) token(p identity.Pod, now time.Time, lasts time.Duration) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": localIssuerURL, "aud": []string{stsAudience},
		"sub": "system:serviceaccount:" + p.Namespace + ":" + p.ServiceAccount,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(lasts).Unix(),
		"kubernetes.io": map[string]any{
			"namespace":      p.Namespace,
			"serviceaccount": map[string]string{"name": p.ServiceAccount},
			"pod":            map[string]string{"name": p.Name, "uid": p.UID},
		},
	})
	if err != nil {
		return "", err
	}
	signed, err := i.signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// webIssuer is an issuer that is believed, and where it runs if it is a cluster.
type webIssuer struct {
	identity.Issuer
	cluster string // its region; "": it is none
}

// believe tells the door of the issuers.
func (s *server) believe(issuers []webIssuer) error {
	all := make([]identity.Issuer, len(issuers))
	s.sts.Clusters = make(map[string]string)
	for i, issuer := range issuers {
		all[i] = issuer.Issuer
		if issuer.cluster != "" {
			s.sts.Clusters[issuer.URL] = issuer.cluster
		}
	}
	var err error
	s.sts.WebIdentity, err = identity.NewWebIdentity(all)
	return err
}

// parseWebIssuer reads a setting: an issuer's URL, and after it words of the form
// name=value.
func parseWebIssuer(text string) (webIssuer, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return webIssuer{}, errors.New("it is empty: write the issuer's URL")
	}
	i := webIssuer{Issuer: identity.Issuer{URL: words[0]}}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case name == "audience" && value != "":
			i.Audiences = append(i.Audiences, value)
		case name == "keys" && value != "":
			i.KeySetURL = value
		case name == "cluster" && metering.ListedRegion(value):
			i.cluster = value
		case word == "private":
			i.Private = true
		default:
			return webIssuer{}, fmt.Errorf("%q is none of audience=NAME, cluster=REGION, keys=URL, private", word)
		}
	}
	if i.Audiences == nil {
		i.Audiences = []string{stsAudience}
	}
	_, err := identity.NewWebIdentity([]identity.Issuer{i.Issuer})
	return i, err
}

func checkWebIssuer(text string) error {
	_, err := parseWebIssuer(text)
	return err
}

// webIssuers are the issuers of the settings, which were checked.
func (c *config) webIssuers() ([]webIssuer, error) {
	all := make([]webIssuer, len(c.webIdentity))
	for i, text := range c.webIdentity {
		var err error
		if all[i], err = parseWebIssuer(text); err != nil {
			return nil, fmt.Errorf("web_identity: %w", err)
		}
	}
	return all, nil
}
