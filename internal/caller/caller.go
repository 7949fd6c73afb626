// Package caller says who is asking: it verifies a request's signature, finds
// the credential it was made with, and from that the account and the workload.
// What a caller may ask how often is here too. Every door that takes signed
// requests shares it.
//
// Everything here goes by the true time. The service's clock can be moved; the
// age of a signature and the rate of calls cannot.
package caller

import (
	"net/http"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// SigningName is the service name in the scope of every signature, the
// Entitlement Service's too. It is not "metering.marketplace".
const SigningName = "aws-marketplace"

// Authenticator tells callers by their signatures.
type Authenticator struct {
	catalog  *store.Catalog
	verifier sigv4.Verifier
	now      func() time.Time
}

// NewAuthenticator returns an authenticator of the catalogue's credentials. now
// is the true time.
func NewAuthenticator(catalog *store.Catalog, now func() time.Time) *Authenticator {
	a := &Authenticator{catalog: catalog, now: now}
	a.verifier.Service = SigningName
	a.verifier.Lookup = func(keyID string) (sigv4.Credential, bool) {
		c := catalog.Credential(keyID)
		if c == nil {
			return sigv4.Credential{}, false
		}
		return sigv4.Credential{Secret: string(c.Secret)}, true
	}
	return a
}

// Authenticate returns who signed the request, and the region it was signed
// for. required names the headers, in lower case, that the door insists on
// being signed. The error is a *sigv4.Error.
func (a *Authenticator) Authenticate(r *http.Request, body []byte, required []string) (metering.Caller, string, error) {
	who, err := a.verifier.Verify(sigv4.Request{
		Method:     r.Method,
		RequestURI: r.RequestURI,
		Host:       r.Host,
		Header:     r.Header,
		Body:       body,
	}, required, a.now())
	if err != nil {
		return metering.Caller{}, "", err
	}
	credential := a.catalog.Credential(who.KeyID)
	if credential == nil { // withdrawn in this very moment
		return metering.Caller{}, "", &sigv4.Error{Code: sigv4.UnrecognizedClient, Message: "The security token included in the request is invalid."}
	}
	c := metering.Caller{Account: credential.Account, KeyID: credential.KeyID}
	if credential.Workload != "" {
		c.Workload = a.catalog.Workload(credential.Workload)
	}
	return c, strings.Clone(who.Region), nil
}
