package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

// Token is what a web identity token says, once it is believed.
type Token struct {
	Issuer   string
	Subject  string
	Audience string // the one it was accepted for
	Issued   time.Time
	Expires  time.Time
	Pod      Pod
}

// overToken is a token that was good and is over, as the cause of an error: it says
// whose trail the refusal belongs in, and lets nobody in.
type overToken Token

func (t *overToken) Error() string { return "it was for " + t.Subject + " of " + t.Issuer }

// Pod is what Kubernetes says of the pod that it made a token for. Other issuers
// say nothing of the kind, or something that must not be believed: it counts only
// of an issuer that is known to be a cluster.
type Pod struct {
	Namespace      string
	ServiceAccount string
	Name           string
	UID            string
}

// WebIdentity judges web identity tokens: JSON Web Tokens (RFC 7519) of the
// issuers that it knows. Its methods may be called concurrently.
type WebIdentity struct{ issuers map[string]*issuer }

type issuer struct {
	Issuer
	keys *keySet
}

// NewWebIdentity believes these issuers. It fetches nothing yet.
func NewWebIdentity(issuers []Issuer) (*WebIdentity, error) {
	w := &WebIdentity{map[string]*issuer{}}
	for _, configured := range issuers {
		i := &issuer{Issuer: configured}
		if err := i.check(); err != nil {
			return nil, err
		}
		if w.issuers[i.URL] != nil {
			return nil, fmt.Errorf("issuer %q: it is there twice", i.URL)
		}
		if i.MaxLifetime == 0 {
			i.MaxLifetime = defaultLifetime
		}
		var err error
		if i.keys, err = newKeySet(&i.Issuer); err != nil {
			return nil, fmt.Errorf("issuer %q: %w", i.URL, err)
		}
		w.issuers[i.URL] = i
	}
	return w, nil
}

// believed are the algorithms of signatures. What a token says of its own is only
// ever looked up here: neither "none", nor a MAC under a public key.
var believed = []jose.SignatureAlgorithm{jose.RS256, jose.ES256}

// leeway is how far ahead an issuer's clock may be. It lengthens no token's life.
const leeway = 5 * time.Minute

// claims are what is read of a token. Names are matched to the byte, and none may
// be there twice.
type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Expires   *float64 `json:"exp"`
	NotBefore *float64 `json:"nbf"`
	Issued    *float64 `json:"iat"`

	Kubernetes struct {
		Namespace      string         `json:"namespace"`
		ServiceAccount kubernetesName `json:"serviceaccount"`
		Pod            kubernetesName `json:"pod"`
	} `json:"kubernetes.io"`
}

type kubernetesName struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// audience is one text, or a list (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*a = audience{""}
		return json.Unmarshal(b, &(*a)[0])
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// Verify returns what a token says, if it is of a known issuer, signed by it, for
// us, and not over. The error is an [*Error].
func (w *WebIdentity) Verify(ctx context.Context, token string, now time.Time) (*Token, error) {
	// The library's decoder passes over line breaks, signed or not.
	if strings.ContainsAny(token, "\r\n") {
		return nil, badToken("The token has a line break in it, or at its end.")
	}
	signed, err := jose.ParseSignedCompact(token, believed)
	if err != nil || len(signed.Signatures) != 1 {
		return nil, noToken(err)
	}
	// The claims are read before they are verified for the issuer's name alone.
	var c claims
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &c); err != nil {
		return nil, noToken(err)
	}
	i := w.issuers[c.Issuer]
	if i == nil {
		return nil, badToken("No OpenIDConnect provider found in your account for " + shorten(c.Issuer))
	}

	// A key is chosen by its id among the issuer's own. Keys that a token brings
	// along or points to (jwk, jku, x5c, x5u) are not looked at.
	header := signed.Signatures[0].Header
	keys, err := i.keys.find(ctx, header.KeyID, jose.SignatureAlgorithm(header.Algorithm), now)
	if err != nil {
		return nil, err
	}
	if err := verify(signed, keys); err != nil {
		return nil, &Error{Code: InvalidIdentityToken, Message: "The signature of the token is not valid.", Cause: err}
	}
	return i.judge(&c, now)
}

// verify tries the keys of the id, of which there should be one.
func verify(signed *jose.JSONWebSignature, keys []publicKey) (err error) {
	for _, k := range keys {
		if _, err = signed.Verify(k.key); err == nil {
			return nil
		}
	}
	return err
}

// judge decides by claims that are known to be the issuer's.
func (i *issuer) judge(c *claims, now time.Time) (*Token, error) {
	var dates [3]time.Time
	for n, claim := range []struct {
		name     string
		value    *float64
		required bool
	}{{"exp", c.Expires, true}, {"iat", c.Issued, true}, {"nbf", c.NotBefore, false}} {
		switch {
		case claim.value == nil && claim.required:
			return nil, badToken("Missing a required claim: " + claim.name)
		case claim.value == nil:
		case *claim.value < 0 || *claim.value > maxDate:
			return nil, badToken("The claim " + claim.name + " is no date.")
		default:
			dates[n] = time.Unix(int64(*claim.value), 0).UTC() // fractions are cut
		}
	}
	expires, issued, notBefore := dates[0], dates[1], dates[2]

	audience := slices.IndexFunc(c.Audience, func(a string) bool { return slices.Contains(i.Audiences, a) })
	switch {
	case !now.Before(expires):
		over := &overToken{Issuer: i.URL, Subject: c.Subject}
		if audience >= 0 {
			over.Audience = c.Audience[audience]
		}
		return nil, &Error{Code: ExpiredWebToken, Cause: over, Message: fmt.Sprintf(
			"Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), expires.Unix())}
	case issued.Sub(now) > leeway || notBefore.Sub(now) > leeway:
		return nil, badToken("The token is not valid yet.")
	case expires.Sub(issued) > i.MaxLifetime:
		return nil, badToken(fmt.Sprintf("The token lasts %v, longer than the %v that are accepted of its issuer.", expires.Sub(issued), i.MaxLifetime))
	case len(c.Audience) == 0:
		return nil, badToken("Missing a required claim: aud")
	case audience < 0:
		return nil, badToken("Incorrect token audience")
	case c.Subject == "":
		return nil, badToken("Missing a required claim: sub")
	case len(c.Subject) > maxSubject:
		return nil, &Error{Code: IDPRejectedClaim, Message: "The subject of the token is too long."}
	}
	return &Token{
		Issuer:   i.URL,
		Subject:  c.Subject,
		Audience: c.Audience[audience],
		Issued:   issued,
		Expires:  expires,
		Pod: Pod{
			Namespace:      c.Kubernetes.Namespace,
			ServiceAccount: c.Kubernetes.ServiceAccount.Name,
			Name:           c.Kubernetes.Pod.Name,
			UID:            c.Kubernetes.Pod.UID,
		},
	}, nil
}

const (
	maxDate    = 253402300799 // the last second of the year 9999
	maxSubject = 255          // of ASCII characters (OpenID Connect Core 1.0, section 2); AWS's model has as many
)

func noToken(cause error) error {
	return &Error{Code: InvalidIdentityToken, Message: "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)", Cause: cause}
}

func badToken(message string) error { return &Error{Code: InvalidIdentityToken, Message: message} }
