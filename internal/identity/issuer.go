package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// Issuer is an OpenID Connect issuer whose tokens are believed: a Kubernetes
// cluster, a CI service.
type Issuer struct {
	// URL is the issuer's name, to the byte as its tokens have it in "iss".
	URL string
	// Audiences are whom its tokens may be for. One that is for somebody else
	// must not be worth anything here.
	Audiences []string

	// Where its keys are: here, as a JWK set; with whom to ask for one, of an issuer
	// that is part of this program; at an address; or, with none of these, where the
	// issuer's discovery document says.
	KeySet    []byte
	Keys      func() ([]byte, error)
	KeySetURL string

	// Roots are the authorities that its server's certificate may be of; nil for
	// the machine's.
	Roots *x509.CertPool
	// Private lets its servers have addresses of private networks, as Kubernetes'
	// have.
	Private bool
	// Loopback lets them be on this machine, and there also without TLS. It is for
	// development and tests.
	Loopback bool

	// MaxLifetime is the longest that a token of it may last; zero for a day,
	// which is what EKS asks Kubernetes for.
	MaxLifetime time.Duration
}

const defaultLifetime = 24 * time.Hour

// discoveryPath is where an issuer describes itself (OpenID Connect Discovery 1.0,
// section 4).
const discoveryPath = "/.well-known/openid-configuration"

// check refuses a configuration that could not work, or would be a hole.
func (i *Issuer) check() error {
	if _, err := i.address(i.URL); err != nil {
		return fmt.Errorf("issuer %q: %w", i.URL, err)
	}
	switch {
	case len(i.Audiences) == 0 || slices.Contains(i.Audiences, ""):
		return fmt.Errorf("issuer %q: it has no audience, or an empty one", i.URL)
	case i.KeySet != nil && i.KeySetURL != "" || i.Keys != nil && (i.KeySet != nil || i.KeySetURL != ""):
		return fmt.Errorf("issuer %q: its keys are here, or at an address, and not both", i.URL)
	case i.MaxLifetime < 0:
		return fmt.Errorf("issuer %q: the longest lifetime is negative", i.URL)
	case i.KeySetURL == "":
		return nil
	}
	if _, err := i.address(i.KeySetURL); err != nil {
		return fmt.Errorf("issuer %q: its keys' address: %w", i.URL, err)
	}
	return nil
}

// address reads a URL that may be fetched from.
func (i *Issuer) address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL")
	case u.Hostname() == "" || u.User != nil || u.Opaque != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("it must be a host and a path, without a user, a query or a fragment")
	case u.Scheme == "https" || u.Scheme == "http" && i.Loopback && isLoopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("it must begin with https://")
}

// isLoopback is by name: what the name leads to is seen when it is dialled.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
