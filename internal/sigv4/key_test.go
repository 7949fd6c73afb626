package sigv4

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
)

// TestRotation: a key that is disabled or has a new secret stops working with
// the next request, cached or not.
func TestRotation(t *testing.T) {
	secret, known := longTerm.Credential.Secret, true
	v := newVerifier()
	v.Lookup = func(string) (Credential, bool) { return Credential{Secret: secret}, known }

	old, rotated := newRequest(), newRequest()
	sign(t, old, longTerm)
	sign(t, rotated, Signer{longTerm.KeyID, Credential{Secret: "new"}, longTerm.Region, service})

	for range 2 {
		if _, err := v.Verify(old, nil, now); err != nil {
			t.Fatal(err)
		}
	}
	secret = "new"
	_, err := v.Verify(old, nil, now)
	wantError(t, err, InvalidSignature, mismatch)
	if _, err := v.Verify(rotated, nil, now); err != nil {
		t.Errorf("new secret: %v", err)
	}
	known = false
	_, err = v.Verify(rotated, nil, now)
	wantError(t, err, UnrecognizedClient, "The security token included in the request is invalid.")
}

// TestForgedRequestsDoNotFillTheCache: the region of a scope is free text.
func TestForgedRequestsDoNotFillTheCache(t *testing.T) {
	v := newVerifier()
	r := newRequest()
	sign(t, r, Signer{longTerm.KeyID, Credential{Secret: "a guess"}, "anywhere", service})
	if _, err := v.Verify(r, nil, now); err == nil {
		t.Fatal("accepted")
	}
	if n := len(v.keys.young) + len(v.keys.old); n != 0 {
		t.Errorf("the cache holds %d keys, want none", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c keyCache
	kept := keyName{id: "in use"}
	k := newKey(nil)
	c.put(kept, k)
	for i := range 5 * generation {
		c.put(keyName{id: fmt.Sprint(i)}, newKey(nil))
		got, young := c.get(kept)
		if got != k {
			t.Fatalf("after %d others: the key in use was lost", i)
		}
		if !young {
			c.put(kept, k)
		}
		if n := len(c.young) + len(c.old); n > 2*generation {
			t.Fatalf("%d keys", n)
		}
	}
	if got, _ := c.get(keyName{id: "0"}); got != nil {
		t.Error("a key that nobody used is still there")
	}
}

func TestConcurrentVerify(t *testing.T) {
	v := newVerifier()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s := longTerm
			for j := range 50 {
				s.Region = fmt.Sprint("region-", (i+j)%5)
				r := newRequest()
				sign(t, r, s)
				if id, err := v.Verify(r, nil, now); err != nil || id.Region != s.Region {
					t.Errorf("got %+v, %v", id, err)
				}
				r.Body = nil
				if _, err := v.Verify(r, nil, now); err == nil {
					t.Error("accepted another body")
				}
			}
		})
	}
	wg.Wait()
}

// TestLookupBeforeHash: a stranger must not buy the hash of a megabyte with a
// made-up key id. The body here is right only once the key has been looked up.
func TestLookupBeforeHash(t *testing.T) {
	r := newRequest()
	sign(t, r, longTerm)
	body := r.Body
	r.Body = make([]byte, len(body))
	v := newVerifier()
	v.Lookup = func(id string) (Credential, bool) {
		copy(r.Body, body)
		return lookup(id)
	}
	if _, err := v.Verify(r, nil, now); err != nil {
		t.Errorf("the body was hashed before the key was looked up: %v", err)
	}
}

func TestVerifyAllocatesNothing(t *testing.T) {
	for _, s := range []Signer{longTerm, temporary} {
		v := newVerifier()
		r := newRequest()
		sign(t, r, s)
		// The least of many runs: under the race detector sync.Pool forgets at random.
		least := math.Inf(1)
		for range 100 {
			least = min(least, testing.AllocsPerRun(1, func() {
				if _, err := v.Verify(r, meteringDoor, now); err != nil {
					t.Fatal(err)
				}
			}))
		}
		if least > 0 {
			t.Errorf("%s: %v allocations", s.KeyID, least)
		}
	}
}

func TestCredentialKeepsItsSecret(t *testing.T) {
	c := Credential{Secret: "wonderful", SessionToken: "wonderful"}
	text := fmt.Sprintf("%v %+v %#v %s %x %q %v", c, c, c, c, c, c, Signer{Credential: c})
	for _, v := range []any{c, &c, Signer{Credential: c}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf(" %s %+v", b, v)
	}
	if strings.Contains(text, "wonderful") || strings.Contains(text, fmt.Sprintf("%x", "wonderful")) {
		t.Errorf("printed: %s", text)
	}
}
