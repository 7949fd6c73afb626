package caller

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/store"
)

// TestStrangers: whose requests fail is not listened to for a while, at its own
// address and with its own key. Callers behind the same address are, as long as
// theirs do not fail.
func TestStrangers(t *testing.T) {
	h, k, a, _ := withRole(t)
	a.Failures = NewThrottle(FailureLimits(), h.now)
	limit := int(FailureLimits()[failed])
	k.enter(&store.Credential{KeyID: "AKIA1", Secret: "one", Account: account}, &store.Credential{KeyID: "AKIA2", Secret: "two", Account: account},
		&store.Credential{KeyID: "AKIA3", Secret: "three", Account: account, Disabled: h.at})
	at := func(r *http.Request, from string) *http.Request {
		r.RemoteAddr = from + ":999"
		return r
	}
	heard := func(r *http.Request) int {
		for n := range 3 * limit {
			if !a.Listens(r) {
				return n
			}
			if _, err := a.Authenticate(r, nil, nil); err == nil {
				t.Fatal("it was let in")
			}
		}
		return 3 * limit
	}
	const nat, elsewhere = "192.0.2.1", "192.0.2.2"
	unknown := func(from string) *http.Request { return at(signed(t, "AKIANOBODY", "x", h.at), from) }
	guessed := func(from string) *http.Request { return at(signed(t, "AKIA1", "x", h.at), from) }
	if n := heard(unknown(nat)); n != limit {
		t.Errorf("%d requests with unknown keys were heard, want %d", n, limit)
	}
	for name, r := range map[string]*http.Request{
		"another unknown key": at(signed(t, "AKIAOTHER", "x", h.at), nat), "a disabled key": at(signed(t, "AKIA3", "three", h.at), nat),
		"no signature": at(&http.Request{Header: http.Header{}}, nat),
	} {
		if a.Listens(r) {
			t.Errorf("%s is heard where strangers have failed too often", name)
		}
	}
	creds := issued(t, a, session.Claims{}, time.Hour)
	session := func() *http.Request { return at(signedBy(t, creds, h.at), nat) }
	for name, r := range map[string]*http.Request{
		"a key": at(signed(t, "AKIA1", "one", h.at), nat), "a session": session(), "a stranger elsewhere": unknown(elsewhere), "the next in IPv6": unknown("[2001:db8::1]"),
	} {
		if !a.Listens(r) {
			t.Errorf("%s is not heard", name)
		}
	}
	if _, err := a.Authenticate(session(), nil, nil); err != nil {
		t.Errorf("the session beside strangers: %v", err)
	}
	forged := session()
	forged.Header.Set("X-Amz-Security-Token", "x"+forged.Header.Get("X-Amz-Security-Token"))
	if a.Listens(forged) {
		t.Error("a session whose token is made up is heard")
	}

	if n := heard(guessed(nat)); n != limit {
		t.Errorf("%d guesses of a secret were heard, want %d", n, limit)
	}
	if a.Listens(at(signed(t, "AKIA1", "one", h.at), nat)) || !a.Listens(at(signed(t, "AKIA1", "one", h.at), elsewhere)) || !a.Listens(at(signed(t, "AKIA2", "two", h.at), nat)) {
		t.Error("guesses of a secret are to shut out the key that is guessed at, at that address, and no other")
	}
	h.pass(time.Second / time.Duration(limit))
	if !a.Listens(guessed(nat)) {
		t.Error("it is not heard again")
	}

	if n := heard(unknown("[2001:db8::1]")); n != limit {
		t.Errorf("%d requests of IPv6 were heard, want %d", n, limit)
	}
	if a.Listens(unknown("[2001:db8::ffff:9]")) || !a.Listens(unknown("[2001:db8:0:1::1]")) {
		t.Error("a /64 counts as one, and no more than it")
	}
	a.BehindProxy = true
	if n := heard(unknown(nat)); n != 3*limit {
		t.Errorf("behind a proxy %d were heard, want all", n)
	}
}

// TestStrangersTakeLittle: those whose requests do not fail cost no bucket, and
// neither does the name of a key that was made up; buckets that are full again go.
func TestStrangersTakeLittle(t *testing.T) {
	h, k := newHand(), newKeys()
	a := NewAuthenticator(k.Catalog, h.now)
	a.Failures = NewThrottle(FailureLimits(), h.now)
	k.put(store.Credential{KeyID: "AKIA1", Secret: "one", Account: account})
	try := func(keyID, secret, from string) {
		r := signed(t, keyID, secret, h.at)
		r.RemoteAddr = from + ":1"
		if a.Listens(r) {
			_, _ = a.Authenticate(r, nil, nil)
		}
	}
	for range 10 {
		try("AKIA1", "one", "192.0.2.1")
	}
	if n := len(a.Failures.buckets); n != 0 {
		t.Errorf("%d buckets, and nobody has failed", n)
	}
	for i := range 500 {
		try(fmt.Sprint("AKIA", i+2), "x", "192.0.2.1")
		try("AKIA1", "x", "192.0.2.1")
	}
	if n := len(a.Failures.buckets); n != 2 {
		t.Errorf("%d buckets for one address and one key, want 2", n)
	}
	for i := range 10 * sweepFrom {
		if i%100 == 0 {
			h.pass(time.Second)
		}
		try("AKIANOBODY", "x", fmt.Sprintf("10.0.%d.%d", i/250, i%250))
	}
	if n := len(a.Failures.buckets); n > sweepFrom {
		t.Errorf("%d buckets, for a hundred strangers a second", n)
	}
}
