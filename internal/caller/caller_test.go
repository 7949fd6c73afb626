package caller

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// keys is a catalogue that a test fills.
type keys struct {
	*store.Catalog
	revision int64
}

func newKeys() *keys { return &keys{Catalog: store.NewCatalog()} }

func (k *keys) put(c store.Credential) {
	k.revision++
	k.Set(k.revision, []store.Entry{&c}, nil)
}

func (k *keys) remove(keyID string) {
	k.revision++
	k.Set(k.revision, nil, []store.Ref{{Kind: store.KindCredential, Name: keyID}})
}

// signed is a request that a key has signed.
func signed(t testing.TB, keyID, secret string, at time.Time) *http.Request {
	t.Helper()
	r := &http.Request{Method: "POST", RequestURI: "/", Host: "localhost", Header: http.Header{"Content-Type": {"text/plain"}}}
	s := sigv4.Signer{KeyID: keyID, Credential: sigv4.Credential{Secret: secret}, Region: "us-east-1", Service: SigningName}
	if err := s.Sign(sigv4.Request{Method: r.Method, RequestURI: r.RequestURI, Host: r.Host, Header: r.Header}, at); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestDisabled: a key that is disabled is answered as an unknown one, on the very
// next call, and so is one that was removed; what was derived from it lets nobody
// in. Enabled, or made again with another secret, it is good at once.
func TestDisabled(t *testing.T) {
	h, k := newHand(), newKeys()
	a := NewAuthenticator(k.Catalog, h.now)
	expect := func(step, secret string, want sigv4.Code) {
		t.Helper()
		for range 2 {
			id, err := a.Authenticate(signed(t, "AKIA1", secret, h.at), nil, nil)
			c, region := id.Caller, id.Region
			switch {
			case want == "":
				if err != nil || c.Account != "111122223333" || c.KeyID != "AKIA1" || region != "us-east-1" {
					t.Errorf("%s: %+v %s %v", step, c, region, err)
				}
			case !errors.Is(err, &sigv4.Error{Code: want}) || c != (metering.Caller{}):
				t.Errorf("%s: %+v %v, want %s", step, c, err, want)
			}
		}
	}
	key := store.Credential{KeyID: "AKIA1", Secret: "one", Account: "111122223333"}
	expect("unknown", "one", sigv4.UnrecognizedClient)
	k.put(key)
	expect("made", "one", "")

	disabled := key
	disabled.Disabled = h.at
	k.put(disabled)
	expect("disabled", "one", sigv4.UnrecognizedClient)
	expect("disabled, and the secret is wrong", "two", sigv4.UnrecognizedClient)
	_, refused := a.Authenticate(signed(t, "AKIA1", "one", h.at), nil, nil)
	_, unknown := a.Authenticate(signed(t, "AKIA2", "one", h.at), nil, nil)
	if refused.Error() != unknown.Error() {
		t.Errorf("disabled: %v; unknown: %v", refused, unknown)
	}
	disabled.Secret = "two"
	k.put(disabled)
	expect("disabled, with another secret", "two", sigv4.UnrecognizedClient)
	key.Secret = "two"
	k.put(key)
	expect("enabled with another secret", "two", "")
	expect("the old secret", "one", sigv4.InvalidSignature)
	key.Secret = "one"
	k.put(key)
	expect("the old secret is back", "one", "")
	expect("the new one is gone", "two", sigv4.InvalidSignature)
	k.remove("AKIA1")
	expect("removed", "one", sigv4.UnrecognizedClient)
}

// TestClaimed: whose key a request names, active or not, signed well or not.
func TestClaimed(t *testing.T) {
	h, k := newHand(), newKeys()
	k.put(store.Credential{KeyID: "AKIA1", Secret: "one", Account: "111122223333"})
	k.put(store.Credential{KeyID: "AKIA2", Secret: "one", Account: "444455556666", Disabled: h.at})
	a := NewAuthenticator(k.Catalog, h.now)
	for keyID, want := range map[string]metering.AccountID{"AKIA1": "111122223333", "AKIA2": "444455556666", "AKIA3": ""} {
		c, region, ok := a.Claimed(signed(t, keyID, "wrong", h.at).Header)
		if ok != (want != "") || c.Account != want || ok && (c.KeyID != keyID || region != "us-east-1") {
			t.Errorf("%s: %+v %s %v", keyID, c, region, ok)
		}
	}
	one := signed(t, "AKIA1", "one", h.at).Header.Get("Authorization")
	for _, header := range []http.Header{{}, {"Authorization": {"Bearer AKIA1"}}, {"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIA1"}}, {"Authorization": {one, one}}} {
		if c, _, ok := a.Claimed(header); ok {
			t.Errorf("%v: %+v", header, c)
		}
	}
}

// TestLastUsed: by the true time, of calls that were let in, for as long as the
// process lives; a change of the key does not matter.
func TestLastUsed(t *testing.T) {
	h, k := newHand(), newKeys()
	k.put(store.Credential{KeyID: "AKIA1", Secret: "one", Account: "111122223333"})
	a := NewAuthenticator(k.Catalog, h.now)
	expect := func(step, keyID string, want time.Time) {
		t.Helper()
		if at, ok := a.LastUsed(keyID); ok == want.IsZero() || !at.Equal(want) {
			t.Errorf("%s: %s was last used at %s, %v; want %s", step, keyID, at, ok, want)
		}
	}
	call := func(secret string) { _, _ = a.Authenticate(signed(t, "AKIA1", secret, h.at), nil, nil) }
	expect("at the start", "AKIA1", time.Time{})
	call("wrong")
	expect("a wrong signature", "AKIA1", time.Time{})
	first := h.at
	call("one")
	expect("a call", "AKIA1", first)
	h.pass(time.Hour + 1)
	call("wrong")
	expect("a wrong signature after it", "AKIA1", first)
	call("one")
	expect("a later call", "AKIA1", h.at)
	k.put(store.Credential{KeyID: "AKIA1", Secret: "one", Account: "111122223333", Disabled: h.at})
	expect("disabled", "AKIA1", h.at)
	expect("unknown", "AKIA2", time.Time{})
}

// TestLastUsedIsBounded: keys that come and go, as those of workloads do, are not
// remembered for ever; those that are there are.
func TestLastUsedIsBounded(t *testing.T) {
	h, k := newHand(), newKeys()
	a := NewAuthenticator(k.Catalog, h.now)
	const there = 100
	for i := range 5 * forgetFrom {
		keyID := fmt.Sprint("AKIA", i)
		k.put(store.Credential{KeyID: keyID, Secret: "one", Account: "111122223333"})
		a.use(keyID, h.at)
		if i >= there {
			k.remove(keyID)
		}
		kept := 0
		if i%100 == 0 {
			a.used.Range(func(any, any) bool { kept++; return true })
			if n := a.usedLen.Load(); kept > forgetFrom || int64(kept) != n {
				t.Fatalf("%d keys are remembered, %d counted, after %d", kept, n, i)
			}
		}
	}
	for i := range there {
		if _, ok := a.LastUsed(fmt.Sprint("AKIA", i)); !ok {
			t.Fatalf("key %d was forgotten", i)
		}
	}
}

// TestUsedAtOnce: under the race detector.
func TestUsedAtOnce(t *testing.T) {
	h, k := newHand(), newKeys()
	a := NewAuthenticator(k.Catalog, h.now)
	for i := range 4 {
		k.put(store.Credential{KeyID: fmt.Sprint("AKIA", i), Secret: "one", Account: "111122223333"})
	}
	var wg sync.WaitGroup
	for i := range 8 {
		r := signed(t, fmt.Sprint("AKIA", i%4), "one", h.at)
		wg.Go(func() {
			for range 50 {
				if _, err := a.Authenticate(r, nil, nil); err != nil {
					t.Error(err)
				}
				if at, ok := a.LastUsed(fmt.Sprint("AKIA", i%4)); !ok || !at.Equal(h.at) {
					t.Errorf("%v %v", at, ok)
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkAuthenticate is a call of a usual size: one key, and many at once.
func BenchmarkAuthenticate(b *testing.B) {
	h, k := newHand(), newKeys()
	body := make([]byte, 4096)
	requests := make([]*http.Request, 64)
	for i := range requests {
		keyID := fmt.Sprint("AKIA", i)
		k.put(store.Credential{KeyID: keyID, Secret: "one", Account: "111122223333"})
		r := &http.Request{Method: "POST", RequestURI: "/", Host: "localhost", Header: http.Header{"Content-Type": {"text/plain"}}}
		s := sigv4.Signer{KeyID: keyID, Credential: sigv4.Credential{Secret: "one"}, Region: "us-east-1", Service: SigningName}
		if err := s.Sign(sigv4.Request{Method: r.Method, RequestURI: r.RequestURI, Host: r.Host, Header: r.Header, Body: body}, h.at); err != nil {
			b.Fatal(err)
		}
		requests[i] = r
	}
	a := NewAuthenticator(k.Catalog, h.now)
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.Authenticate(requests[0], body, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("many", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if _, err := a.Authenticate(requests[i%len(requests)], body, nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
