package admin

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/meterd/meterd/internal/store"
)

const (
	// sessionKeyAge is how old the master key may be that sessions are issued
	// with: long before it has sealed the 2³² tokens that one may, at a thousand a
	// second.
	sessionKeyAge = 30 * 24 * time.Hour
	// sessionKeyRest is how long a key opens tokens after it was superseded: a
	// session's twelve hours, and one for a node that has not heard of the next key.
	sessionKeyRest  = 13 * time.Hour
	sessionKeyBytes = 32
)

// KeepSessionKeys sees to it that there is a master key of session tokens and
// that it is not too old, and lets go of those whose last session has ended. It
// is to be called at the start, before a session is issued, and now and then. Any
// number of nodes may do so at once: one makes the key, and the others find it.
func (s *Service) KeepSessionKeys(ctx context.Context) error {
	if due := sessionKeysDue(s.Store.Catalog(), s.Clock.Truth()); due.empty() {
		return nil
	}
	return s.change(withBearer(ctx, housekeeper), func(known *store.Catalog, _ time.Time) (edit, error) {
		return sessionKeysDue(known, s.Clock.Truth()), nil // sessions go by the true time
	})
}

// sessionKeysDue is what is to be done to the session keys at a time.
func sessionKeysDue(known *store.Catalog, now time.Time) (due edit) {
	keys := known.SessionKeys()
	if len(keys) == 0 || now.Sub(keys[0].Created) >= sessionKeyAge {
		secret := make([]byte, sessionKeyBytes)
		rand.Read(secret)
		due.put = append(due.put, &store.SessionKey{ID: randomHex(8), Secret: secret, Created: now})
	}
	for i := 1; i < len(keys); i++ {
		if superseded := keys[i-1].Created; now.Sub(superseded) > sessionKeyRest {
			due.remove = append(due.remove, keys[i].Ref())
		}
	}
	return due
}

func (e *edit) empty() bool { return len(e.put)+len(e.remove) == 0 }
