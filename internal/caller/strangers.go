package caller

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/sigv4"
)

// failed is what is counted of those whose requests are not authenticated.
const failed metering.Operation = "a request that is not authenticated"

// FailureLimits are how many requests a second may fail to be authenticated, of
// each address and, of those that name a key of ours, of each key. It is far more
// than a client makes whose clock or secret is wrong, and little to whoever guesses.
func FailureLimits() Limits { return Limits{failed: 100} }

// Listens reports whether a request is worth reading. It is not if too many have
// failed to be authenticated of late, from the same address and with the same key
// or, as this one, with none of ours. Only what fails is counted, and whoever has a
// key is counted apart from the strangers at the same address: no number of them
// keeps a caller from being heard. Where addresses are not known, behind a proxy,
// everybody is.
func (a *Authenticator) Listens(r *http.Request) bool {
	if a.Failures == nil || a.Failures.rested() {
		return true
	}
	from := a.SourceIP(r)
	return !from.IsValid() || a.Failures.hasOne(a.stranger(from, r))
}

// fail counts a request that was not authenticated.
func (a *Authenticator) fail(r *http.Request) {
	if a.Failures == nil || a.Failures.limits[failed] == 0 {
		return
	}
	if from := a.SourceIP(r); from.IsValid() {
		a.Failures.take(a.stranger(from, r), a.Failures.limits[failed])
	}
}

// stranger is the bucket of a request that nobody has proved to have signed. A key
// is ours if it is in the catalogue and active, or a session's whose token is good:
// none can be made up, so that buckets are no more than addresses and keys.
func (a *Authenticator) stranger(from netip.Addr, r *http.Request) bucket {
	b := bucket{operation: failed, address: Network(from)}
	keyID, _ := sigv4.Request{Header: r.Header}.Claim()
	if c := a.catalog.Credential(keyID); c != nil {
		if c.Active() {
			b.keyID = c.KeyID
		}
		return b
	}
	if token := r.Header.Get("X-Amz-Security-Token"); token != "" && keyID != "" {
		if _, err := a.open(keyID, token, a.now()); err == nil {
			b.keyID = strings.Clone(keyID)
		}
	}
	return b
}

// Network is what counts as one address: of IPv6 the /64, which one customer has
// whole.
func Network(from netip.Addr) netip.Prefix {
	bits := 64
	if from = from.Unmap().WithZone(""); from.Is4() {
		bits = 32
	}
	prefix, _ := from.Prefix(bits)
	return prefix
}
