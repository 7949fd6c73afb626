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
	"sync"
	"sync/atomic"
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

	used    sync.Map // key id → *atomic.Int64: when it was last used, in nanoseconds since 1970
	usedLen atomic.Int64
}

// NewAuthenticator returns an authenticator of the catalogue's credentials. now
// is the true time.
func NewAuthenticator(catalog *store.Catalog, now func() time.Time) *Authenticator {
	a := &Authenticator{catalog: catalog, now: now}
	a.verifier.Service = SigningName
	a.verifier.Lookup = func(keyID string) (sigv4.Credential, bool) {
		c := catalog.Credential(keyID)
		if c == nil || !c.Active() {
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
	now := a.now()
	who, err := a.verifier.Verify(sigv4.Request{
		Method:     r.Method,
		RequestURI: r.RequestURI,
		Host:       r.Host,
		Header:     r.Header,
		Body:       body,
	}, required, now)
	if err != nil {
		return metering.Caller{}, "", err
	}
	credential := a.catalog.Credential(who.KeyID)
	if credential == nil || !credential.Active() { // withdrawn in this very moment
		return metering.Caller{}, "", &sigv4.Error{Code: sigv4.UnrecognizedClient, Message: "The security token included in the request is invalid."}
	}
	c := metering.Caller{Account: credential.Account, KeyID: credential.KeyID}
	if credential.Workload != "" {
		c.Workload = a.catalog.Workload(credential.Workload)
	}
	a.use(credential.KeyID, now)
	return c, strings.Clone(who.Region), nil
}

// Claimed is whose key the request says to be signed with, be it active or not,
// and for which region. It is for requests that Authenticate refused: nothing of
// it is verified. ok is false if it names no key of the catalogue.
func (a *Authenticator) Claimed(h http.Header) (c metering.Caller, region string, ok bool) {
	keyID, region := sigv4.Request{Header: h}.Claim()
	credential := a.catalog.Credential(keyID)
	if credential == nil {
		return metering.Caller{}, "", false
	}
	return metering.Caller{Account: credential.Account, KeyID: credential.KeyID}, strings.Clone(region), true
}

// LastUsed is when a request signed with the key was last let in, by the true
// time; ok is false if none was since the authenticator was made.
func (a *Authenticator) LastUsed(keyID string) (at time.Time, ok bool) {
	used, ok := a.used.Load(keyID)
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(0, used.(*atomic.Int64).Load()).UTC(), true
}

// use notes that a key was used.
func (a *Authenticator) use(keyID string, now time.Time) {
	used, known := a.used.Load(keyID)
	if !known {
		first := new(atomic.Int64)
		first.Store(now.UnixNano())
		if used, known = a.used.LoadOrStore(keyID, first); !known {
			a.forget(a.usedLen.Add(1))
			return
		}
	}
	used.(*atomic.Int64).Store(now.UnixNano())
}

// forgetFrom is the least number of used keys that are worth a look for those
// that are there no more.
const forgetFrom = 1024

// forget drops the keys that are no longer in the catalogue, once they can be
// half of those that are remembered.
func (a *Authenticator) forget(remembered int64) {
	if remembered < forgetFrom || remembered <= 2*int64(a.catalog.Len(store.KindCredential)) {
		return
	}
	a.used.Range(func(keyID, _ any) bool {
		if a.catalog.Credential(keyID.(string)) == nil {
			if _, there := a.used.LoadAndDelete(keyID); there {
				a.usedLen.Add(-1)
			}
		}
		return true
	})
}
