// Package caller says who is asking, and whether it may: it verifies a request's
// signature, finds the key of the catalogue or the session it was made with, and
// from that the account, the principal and the workload ([Identity]); and it puts
// the call to the policies that speak about the principal. That is the first of
// two gates. The second, who owns what a call is about, is the rules'. What a
// caller may ask how often is here too. Every door that takes signed requests
// shares it.
//
// Nothing is remembered of a principal that outlives a change of the catalogue:
// its key, its role and its policies are looked up for every request. What is
// remembered is what follows from an entry, a parsed policy, a derived key, an
// opened token, and it is found by the entry or by its very text.
//
// Everything here goes by the true time. The service's clock can be moved; the
// age of a signature and the rate of calls cannot.
package caller

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/policy"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// The service names in the scopes of signatures. SigningName is the Entitlement
// Service's too; it is not "metering.marketplace".
const (
	SigningName           = "aws-marketplace"
	STSSigningName        = "sts"
	CloudTrailSigningName = "cloudtrail"
)

// Authenticator tells callers by their signatures, and what they may do. Its
// fields are set before it is first used.
type Authenticator struct {
	Log         *slog.Logger // nil: nobody reads it
	BehindProxy bool         // requests come from a proxy, which ends TLS
	Failures    *Throttle    // of [FailureLimits]; nil: failures are not counted

	catalog                   *store.Catalog
	metering, sts, cloudTrail sigv4.Verifier
	now                       func() time.Time

	keys     atomic.Pointer[sessionKeys]
	opened   recent[openedToken, *opened]
	policies recent[*store.Policy, *policy.Policy]
	absent   recent[string, struct{}]  // names of policies that were missed
	managed  map[string]*policy.Policy // AWS's own

	used    sync.Map // key id → *atomic.Int64: when it was last used, in nanoseconds since 1970
	usedLen atomic.Int64
}

// NewAuthenticator returns an authenticator of the catalogue's credentials. now
// is the true time.
func NewAuthenticator(catalog *store.Catalog, now func() time.Time) *Authenticator {
	a := &Authenticator{catalog: catalog, now: now, managed: make(map[string]*policy.Policy)}
	for _, name := range policy.ManagedNames() {
		a.managed[name], _ = policy.Managed(name)
	}
	for service, v := range map[string]*sigv4.Verifier{SigningName: &a.metering, STSSigningName: &a.sts, CloudTrailSigningName: &a.cloudTrail} {
		v.Service, v.Lookup, v.Open = service, a.lookup, a.open
	}
	return a
}

// lookup finds a key of the catalogue.
func (a *Authenticator) lookup(keyID string) (sigv4.Credential, bool) {
	c := a.catalog.Credential(keyID)
	if c == nil || !c.Active() {
		return sigv4.Credential{}, false
	}
	return sigv4.Credential{Secret: string(c.Secret), Holder: c}, true
}

func (a *Authenticator) logger() *slog.Logger {
	if a.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return a.Log
}

// Authenticate returns who signed a request to the metering services. required
// names the headers, in lower case, that the door insists on being signed. The
// error is a *sigv4.Error.
func (a *Authenticator) Authenticate(r *http.Request, body []byte, required []string) (Identity, error) {
	return a.authenticate(&a.metering, r, body, required)
}

// AuthenticateSTS returns who signed a request to the Security Token Service.
func (a *Authenticator) AuthenticateSTS(r *http.Request, body []byte, required []string) (Identity, error) {
	return a.authenticate(&a.sts, r, body, required)
}

// AuthenticateCloudTrail returns who signed a request to CloudTrail.
func (a *Authenticator) AuthenticateCloudTrail(r *http.Request, body []byte, required []string) (Identity, error) {
	return a.authenticate(&a.cloudTrail, r, body, required)
}

func (a *Authenticator) authenticate(v *sigv4.Verifier, r *http.Request, body []byte, required []string) (Identity, error) {
	now := a.now()
	who, err := v.Verify(sigv4.Request{
		Method:     r.Method,
		RequestURI: r.RequestURI,
		Host:       r.Host,
		Header:     r.Header,
		Body:       body,
	}, required, now)
	if err != nil {
		a.fail(r)
		return Identity{}, err
	}
	id := Identity{Region: strings.Clone(who.Region)}
	switch holder := who.Holder.(type) {
	case *held:
		id.session = holder.opened
		id.Caller = holder.caller()
		id.Caller.Workload = a.heartbeat(id.Caller.Workload)
		a.entitle(&id, holder.role)
	case *store.Credential:
		id.credential = holder
		id.Caller = metering.Caller{Account: holder.Account, ARN: arnOf(holder), KeyID: holder.KeyID}
		if holder.Workload != "" {
			id.Caller.Workload = a.catalog.Workload(holder.Workload)
		}
		a.entitle(&id, nil)
		a.use(holder.KeyID, now)
	}
	return id, nil
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
