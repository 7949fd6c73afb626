package metering

import (
	"fmt"
	"time"
)

// TokenLifetime is how long a registration token can be resolved (AWS agent
// toolkit, 2026; R-19).
const TokenLifetime = 4 * time.Hour

// RegistrationToken is what a buyer's browser brings to a seller's page. The
// token itself is not kept, only its hash.
type RegistrationToken struct {
	Hash      [32]byte // SHA-256 of the token
	Agreement AgreementID
	Issued    time.Time
	Ended     time.Time // when an operator ended it; zero: it lives as long as tokens do
}

// Expires is when the token can be resolved no more.
func (t *RegistrationToken) Expires() time.Time {
	if expires := t.Issued.Add(TokenLifetime); t.Ended.IsZero() || expires.Before(t.Ended) {
		return expires
	}
	return t.Ended
}

// CheckToken refuses a token that was never issued or is for another seller's
// product, both alike, and one that is too old. t and p are nil when there is
// none. Tokens may be resolved again and again.
func CheckToken(t *RegistrationToken, p *Product, c Caller, now time.Time) error {
	if t == nil || p == nil || p.Seller != c.Account {
		return ErrInvalidToken
	}
	if expires := t.Expires(); !now.Before(expires) {
		return fmt.Errorf("%w: it was valid until %s", ErrExpiredToken, rfc3339(expires))
	}
	return nil
}

// SigningKey is one version of the key that signs RegisterUsage's answers for a
// product. A version that has expired goes on signing.
type SigningKey struct {
	Product ProductCode
	Version int32
	Private []byte // PKCS #8
	Created time.Time
	Expires time.Time // zero: not yet rotated
}

// ExpiredAt reports whether the version had been rotated out by now.
func (k *SigningKey) ExpiredAt(now time.Time) bool {
	return !k.Expires.IsZero() && !now.Before(k.Expires)
}

// KeyOfVersion finds a version of a product's key; one that never existed is
// refused.
func KeyOfVersion(keys []*SigningKey, version int32) (*SigningKey, error) {
	for _, k := range keys {
		if k.Version == version {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w: there is no version %d", ErrInvalidPublicKeyVersion, version)
}

// MinimumMetered is the least time a registered workload is metered for
// (container guide, 2020; R-32).
const MinimumMetered = time.Minute

// Registration is RegisterUsage's metering: a task or pod that is metered by
// running, from its first call until it stops. How long that is follows from it
// and the clock whenever someone asks; nothing counts along.
type Registration struct {
	ID        ID
	Product   ProductCode
	Account   AccountID // the buyer
	Workload  string
	Platform  Platform
	Region    string
	Heartbeat time.Duration // of the workload when it registered; zero: none
	Started   time.Time
	LastSeen  time.Time // the latest accepted call
	Stopped   time.Time // zero until someone stopped it
}

// StoppedAt says when the registration stopped, if it has by now: when it was
// told to, or at its last heartbeat if the next one is overdue.
func (r *Registration) StoppedAt(now time.Time) (t time.Time, stopped bool) {
	switch {
	case !r.Stopped.IsZero():
		return r.Stopped, true
	case r.Heartbeat > 0 && now.Sub(r.LastSeen) > r.Heartbeat:
		return r.LastSeen, true
	}
	return time.Time{}, false
}

// Metered is how long the workload has been metered for by now: whole seconds,
// and one minute at least.
func (r *Registration) Metered(now time.Time) time.Duration {
	end, stopped := r.StoppedAt(now)
	if !stopped {
		end = now
	}
	return max(end.Sub(r.Started).Truncate(time.Second), MinimumMetered)
}

// Seen is the registration after an accepted call at now. ok is false when it
// had stopped by then: no call revives it.
func (r Registration) Seen(now time.Time) (seen Registration, ok bool) {
	if _, stopped := r.StoppedAt(now); stopped {
		return r, false
	}
	if now.After(r.LastSeen) {
		r.LastSeen = now
	}
	return r, true
}

// Stop is the registration after an operator's stop at now. One that had
// stopped before stays as it was. It is never stopped before it began.
func (r Registration) Stop(now time.Time) Registration {
	if t, stopped := r.StoppedAt(now); stopped {
		now = t
	}
	if now.Before(r.Started) {
		now = r.Started
	}
	r.Stopped = now
	return r
}
