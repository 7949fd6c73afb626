package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// publicKey is a key of an issuer, and the one algorithm that it verifies.
type publicKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	key       any // *rsa.PublicKey or *ecdsa.PublicKey
}

const (
	maxKeys    = 64
	minRSABits = 2048
	maxRSABits = 8192 // beyond, a signature costs more than it is worth
)

// parseKeySet takes from a JWK set (RFC 7517) the keys that can verify: public
// ones, for signatures, of the algorithms that are believed. Others may be there,
// of issuers that have more to do, and are passed over.
func parseKeySet(text []byte) ([]publicKey, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("the key set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has %d keys, more than %d", len(set.Keys), maxKeys)
	}
	var keys []publicKey
	for _, value := range set.Keys {
		var k jose.JSONWebKey
		if err := k.UnmarshalJSON(value); err != nil || !k.Valid() || k.Use != "" && k.Use != "sig" {
			continue
		}
		var algorithm jose.SignatureAlgorithm
		switch key := k.Key.(type) {
		case *rsa.PublicKey:
			if bits := key.N.BitLen(); bits >= minRSABits && bits <= maxRSABits {
				algorithm = jose.RS256
			}
		case *ecdsa.PublicKey:
			if key.Curve == elliptic.P256() {
				algorithm = jose.ES256
			}
		}
		if algorithm == "" || k.Algorithm != "" && k.Algorithm != string(algorithm) {
			continue
		}
		keys = append(keys, publicKey{k.KeyID, algorithm, k.Key})
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key for signatures of RS256 or ES256")
	}
	return keys, nil
}

const (
	keysAge   = time.Hour        // how old keys may be before they are fetched anew
	keysStale = 24 * time.Hour   // how old, while they cannot be: a key that was withdrawn must go
	keysPause = 10 * time.Second // between two fetches; strangers can ask for keys that are not there
)

// keySet is an issuer's keys, as they were last seen.
type keySet struct {
	fetch func(context.Context) ([]publicKey, error) // nil: they are what they are
	turn  chan struct{}                              // held by who fetches
	seen  atomic.Pointer[sighting]
}

// sighting is what came of a fetch. It is not changed.
type sighting struct {
	keys  []publicKey
	at    time.Time // when they were fetched
	tried time.Time // when it was last tried to
	err   error     // what that came to
}

func newKeySet(i *Issuer) (*keySet, error) {
	s := &keySet{turn: make(chan struct{}, 1)}
	s.seen.Store(new(sighting))
	switch {
	case i.Keys != nil:
		s.fetch = func(context.Context) ([]publicKey, error) {
			text, err := i.Keys()
			if err != nil {
				return nil, err
			}
			return parseKeySet(text)
		}
		return s, nil
	case i.KeySet == nil:
		s.fetch = newFetcher(i).keys
		return s, nil
	}
	keys, err := parseKeySet(i.KeySet)
	s.seen.Store(&sighting{keys: keys})
	return s, err
}

// find returns the keys that may have made a signature. A key that is not there
// may be new, so it is looked for at the issuer's, if nobody just has.
func (s *keySet) find(ctx context.Context, id string, algorithm jose.SignatureAlgorithm, now time.Time) ([]publicKey, error) {
	seen := s.seen.Load()
	found := seen.find(id, algorithm)
	if s.fetch != nil {
		fresh := len(found) > 0 && within(keysAge, seen.at, now)
		if !fresh && !within(keysPause, seen.tried, now) {
			var err error
			if seen, err = s.refresh(ctx, seen, len(found) == 0, now); err != nil {
				return nil, noConnection(err)
			}
		}
		found = nil
		if within(keysStale, seen.at, now) {
			found = seen.find(id, algorithm)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case seen.err != nil:
		return nil, noConnection(seen.err)
	}
	return nil, &Error{Code: InvalidIdentityToken, Message: "The identity provider has no key of the id and the algorithm that the token names."}
}

func noConnection(err error) error {
	return &Error{Code: IDPCommunicationError, Message: "The keys of the identity provider could not be fetched.", Cause: err}
}

// within reports whether two times are less apart than d. A clock may have been
// set back.
func within(d time.Duration, a, b time.Time) bool { return b.Sub(a).Abs() < d }

// refresh fetches the keys, unless somebody was quicker. One fetches at a time;
// who has keys that will do does not wait for it.
func (s *keySet) refresh(ctx context.Context, seen *sighting, wait bool, now time.Time) (*sighting, error) {
	select {
	case s.turn <- struct{}{}:
	default:
		if !wait {
			return seen, nil
		}
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { <-s.turn }()
	if latest := s.seen.Load(); latest != seen {
		return latest, nil
	}
	// That a client hangs up is no reason not to know its issuer's keys.
	next := &sighting{at: now, tried: now}
	if next.keys, next.err = s.fetch(context.WithoutCancel(ctx)); next.err != nil {
		next.keys, next.at = seen.keys, seen.at
	}
	s.seen.Store(next)
	return next, nil
}

// find goes by the key's id and what it can verify. A token need not name a key if
// there is only one.
func (s *sighting) find(id string, algorithm jose.SignatureAlgorithm) (found []publicKey) {
	for _, k := range s.keys {
		if k.algorithm == algorithm && (k.id == id || id == "") {
			found = append(found, k)
		}
	}
	if id == "" && len(found) > 1 {
		return nil
	}
	return found
}
