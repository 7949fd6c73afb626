package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// TestParseKeySet: of a set only what can verify, and is strong enough, is used.
func TestParseKeySet(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, strong, weak := newECKey(t, 1), rsaKeys()[2048], rsaKeys()[1024]
	with := func(k jose.JSONWebKey, use, algorithm string) jose.JSONWebKey {
		k.Use, k.Algorithm = use, algorithm
		return k
	}
	text := keySetText(t,
		jwk(ec, "ec"), with(jwk(ec, "ec named"), "sig", "ES256"), jwk(strong, "rsa"), with(jwk(strong, "rsa named"), "sig", "RS256"), jwk(ec, ""),
		with(jwk(ec, "for encryption"), "enc", ""), with(jwk(strong, "for PS256"), "", "PS256"), with(jwk(ec, "of two minds"), "", "RS256"),
		jwk(weak, "weak"), jwk(p384, "p384"),
		jose.JSONWebKey{Key: strong, KeyID: "private"}, jose.JSONWebKey{Key: []byte("secret"), KeyID: "symmetric", Algorithm: "HS256"},
	)
	text = []byte(strings.Replace(string(text), "[", `[{"kty":"new","kid":"of the future"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"off the curve"},7,`, 1))
	keys, err := parseKeySet(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range keys {
		got = append(got, k.id+" "+string(k.algorithm))
	}
	if got, want := strings.Join(got, ", "), "ec ES256, ec named ES256, rsa RS256, rsa named RS256,  ES256"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	many := make([]jose.JSONWebKey, maxKeys+1)
	for i := range many {
		many[i] = jwk(ec, "")
	}
	for _, text := range []string{"", "null", "[]", "{}", `{"keys":[]}`, `{"keys":{}}`, `{"keys":[],"keys":[]}`, `{"keys":[{}]}`, string(keySetText(t, jwk(weak, ""))), string(keySetText(t, many...)), `{"keys":[]} x`} {
		if keys, err := parseKeySet([]byte(text)); err == nil {
			t.Errorf("%.40q: got %d keys", text, len(keys))
		}
	}
}

// TestKeysAreFetched follows an issuer that changes its keys, and fails at times.
// Time passes by the argument; requests are counted by the server, two for each
// fetch.
func TestKeysAreFetched(t *testing.T) {
	s := newServer(t)
	w := newWebIdentity(t, s.issuer())
	one, two := keySetText(t, jwk(newECKey(t, 1), "one")), keySetText(t, jwk(newECKey(t, 2), "two"))
	at := now
	verify := func(step string, seed byte, id string, want Code, fetches int64) {
		t.Helper()
		before := s.requests.Load()
		token := sign(t, seed, id, fields{"iss": s.URL, "iat": at.Unix(), "nbf": nil, "exp": at.Unix() + 60})
		_, err := w.Verify(t.Context(), token, at)
		if want == "" && err != nil || want != "" && !errors.Is(err, &Error{Code: want}) {
			t.Errorf("%s: got %v, want %s", step, err, want)
		}
		if n := s.requests.Load() - before; n != fetches {
			t.Errorf("%s: %d requests, want %d", step, n, fetches)
		}
	}

	verify("while it is down", 1, "one", IDPCommunicationError, 1)
	s.serve(one)
	verify("at once again", 1, "one", IDPCommunicationError, 0)
	at = at.Add(keysPause)
	verify("once it is up", 1, "one", "", 2)
	verify("from memory", 1, "one", "", 0)
	verify("a key that is not there", 2, "two", InvalidIdentityToken, 0)
	s.serve(two)
	at = at.Add(keysPause - 1)
	verify("a new key, too early", 2, "two", InvalidIdentityToken, 0)
	at = at.Add(1)
	verify("a new key", 2, "two", "", 2)
	verify("the old key", 1, "one", InvalidIdentityToken, 0)
	at = at.Add(keysAge)
	verify("after an hour", 2, "two", "", 2)
	s.keys.Store(nil)
	at = at.Add(keysAge)
	verify("while it is down again", 2, "two", "", 1)
	verify("from memory again", 2, "two", "", 0)
	verify("a key that may be new", 1, "one", IDPCommunicationError, 0)
	at = at.Add(keysStale - keysAge - 1)
	verify("nearly a day later", 2, "two", "", 1)
	at = at.Add(1)
	verify("a day later", 2, "two", IDPCommunicationError, 0)
	s.serve(two)
	at = at.Add(-2 * time.Hour)
	verify("the clock was set back", 2, "two", "", 2)
}

// TestStrangersCannotMakeUsFetch: a hundred tokens with keys that are not there
// are one fetch, and who has keys does not wait for it.
func TestStrangersCannotMakeUsFetch(t *testing.T) {
	s := newServer(t)
	w := newWebIdentity(t, s.issuer())
	s.serve(keySetText(t, jwk(newECKey(t, 1), "one")))
	good := sign(t, 1, "one", fields{"iss": s.URL})
	if _, err := w.Verify(t.Context(), good, now); err != nil {
		t.Fatal(err)
	}

	// From now on the issuer does not answer until it may.
	before := s.requests.Load()
	may := make(chan struct{})
	hold := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { <-may; w.WriteHeader(500) })
	s.handler.Store(&hold)
	later := now.Add(time.Minute)
	var strangers sync.WaitGroup
	for range 100 {
		token := sign(t, 2, rand.Text(), fields{"iss": s.URL})
		strangers.Go(func() {
			if _, err := w.Verify(t.Context(), token, later); err == nil {
				t.Error("a stranger was believed")
			}
		})
	}
	for s.requests.Load() == before {
		time.Sleep(time.Millisecond)
	}
	if _, err := w.Verify(t.Context(), good, later); err != nil {
		t.Errorf("with a key from memory, while a fetch is going on: %v", err)
	}
	// Also one that is due for a fetch of its own.
	old := sign(t, 1, "one", fields{"iss": s.URL, "exp": now.Add(2 * time.Hour).Unix()})
	if _, err := w.Verify(t.Context(), old, now.Add(keysAge)); err != nil {
		t.Errorf("with an old key from memory, while a fetch is going on: %v", err)
	}
	// Who waits and hangs up is let go.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Verify(ctx, sign(t, 2, "two", fields{"iss": s.URL}), later); !errors.Is(err, context.Canceled) {
		t.Errorf("after hanging up: %v", err)
	}
	close(may)
	strangers.Wait()
	if n := s.requests.Load() - before; n != 1 {
		t.Errorf("%d requests", n)
	}
}

// FuzzKeySet: an issuer's document does no harm, and no key comes out of it that
// is too short or of another kind.
func FuzzKeySet(f *testing.F) {
	f.Add(keySetText(f, jwk(newECKey(f, 1), "one"), jwk(rsaKeys()[2048], "two"), jwk(rsaKeys()[1024], "three")))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := parseKeySet(b)
		if err == nil && len(keys) == 0 || err != nil && keys != nil || !json.Valid(b) && err == nil {
			t.Errorf("got %d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if text := keySetText(t, jose.JSONWebKey{Key: k.key}); k.algorithm == jose.RS256 && len(text) < minRSABits/8*4/3 || k.algorithm == jose.ES256 && !strings.Contains(string(text), `"P-256"`) {
				t.Errorf("%s with %s", k.algorithm, text)
			}
		}
	})
}
