package caller

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

const account = metering.AccountID("111122223333")

func (k *keys) enter(entries ...store.Entry) {
	k.revision++
	k.Set(k.revision, entries, nil)
}

func (k *keys) drop(refs ...store.Ref) {
	k.revision++
	k.Set(k.revision, nil, refs)
}

// withRole is a catalogue with a role, and an authenticator of it.
func withRole(t *testing.T) (*hand, *keys, *Authenticator, *store.Role) {
	t.Helper()
	h, k := newHand(), newKeys()
	role := &store.Role{Account: account, Name: "meter", ID: "AROA1", Policies: []string{"p"}}
	k.enter((*store.Account)(&metering.Account{ID: account}), role,
		&store.Policy{Name: "p", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"aws-marketplace:MeterUsage","Resource":"*"}]}`},
		&store.SessionKey{ID: "1", Secret: make([]byte, 32), Created: h.at})
	return h, k, NewAuthenticator(k.Catalog, h.now), role
}

func issued(t *testing.T, a *Authenticator, c session.Claims, lasts time.Duration) session.Credentials {
	t.Helper()
	keys, err := a.SessionKeys()
	if err != nil {
		t.Fatal(err)
	}
	c.Account, c.Issued, c.Expires = account, a.now(), a.now().Add(lasts)
	c.Role, c.SessionName = session.Role{ARN: "arn:aws:iam::111122223333:role/meter", ID: "AROA1"}, "s"
	if c.Source == "" {
		c.Source = session.AssumeRole
	}
	creds, err := keys.Issue(c)
	if err != nil {
		t.Fatal(err)
	}
	return creds
}

func signedBy(t *testing.T, c session.Credentials, at time.Time) *http.Request {
	t.Helper()
	r := &http.Request{Method: "POST", RequestURI: "/", Host: "localhost", Header: http.Header{"Content-Type": {"text/plain"}}}
	s := sigv4.Signer{KeyID: c.AccessKeyID, Credential: sigv4.Credential{Secret: string(c.SecretAccessKey), SessionToken: string(c.Token)}, Region: "us-east-1", Service: SigningName}
	if err := s.Sign(sigv4.Request{Method: r.Method, RequestURI: r.RequestURI, Host: r.Host, Header: r.Header}, at); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSession: who a session is comes from its token alone; and it ends with its
// time, its role, its account, its master key, or a revocation, on the very next
// call, though it was good on the one before and everything of it is remembered.
func TestSession(t *testing.T) {
	workload := session.Workload{Platform: metering.PlatformECS, ID: "task-1", Region: "eu-west-1"}
	for name, end := range map[string]func(h *hand, k *keys, r *store.Role){
		"its time": func(h *hand, _ *keys, _ *store.Role) { h.pass(time.Hour) },
		"its role": func(_ *hand, k *keys, r *store.Role) { k.drop(r.Ref()) },
		"its role, made anew": func(_ *hand, k *keys, r *store.Role) {
			again := *r
			again.ID = "AROA2"
			k.enter(&again)
		},
		"its account": func(_ *hand, k *keys, _ *store.Role) {
			k.drop(store.Ref{Kind: store.KindAccount, Name: string(account)})
		},
		"a revocation": func(h *hand, k *keys, r *store.Role) {
			revoked := *r
			revoked.Revoked = h.at
			k.enter(&revoked)
		},
		"its master key": func(h *hand, k *keys, _ *store.Role) {
			k.enter(&store.SessionKey{ID: "2", Secret: []byte(strings.Repeat("k", 32)), Created: h.at.Add(1)})
			k.drop((&store.SessionKey{ID: "1"}).Ref())
		},
		"the last master key": func(_ *hand, k *keys, _ *store.Role) { k.drop((&store.SessionKey{ID: "1"}).Ref()) },
	} {
		t.Run(name, func(t *testing.T) {
			h, k, a, role := withRole(t)
			c := issued(t, a, session.Claims{Workload: workload, Source: session.Container}, time.Hour)
			for range 2 {
				id, err := a.Authenticate(signedBy(t, c, h.at), nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				want := metering.Workload{ID: "task-1", Platform: metering.PlatformECS, Account: account, Region: "eu-west-1"}
				if who := id.Caller; who.Account != account || *who.Workload != want || who.Origin != metering.OriginContainer ||
					who.ARN != "arn:aws:sts::111122223333:assumed-role/meter/s" || who.KeyID != c.AccessKeyID || !id.Session() {
					t.Errorf("%+v", who)
				}
			}
			k.enter(&store.SessionKey{ID: "0", Secret: []byte(strings.Repeat("o", 32)), Created: h.at.Add(-1)}) // another key changes nothing
			if _, err := a.Authenticate(signedBy(t, c, h.at), nil, nil); err != nil {
				t.Error(err)
			}
			if name == "the last master key" {
				k.drop((&store.SessionKey{ID: "0"}).Ref())
			}
			end(h, k, role)
			want := sigv4.UnrecognizedClient
			if name == "its time" {
				want = sigv4.ExpiredToken
			}
			for range 2 {
				id, err := a.Authenticate(signedBy(t, c, h.at), nil, nil)
				if !errors.Is(err, &sigv4.Error{Code: want}) || id.Caller != (metering.Caller{}) {
					t.Errorf("after the end of %s: %+v %v", name, id.Caller, err)
				}
			}
		})
	}
}

// TestHeartbeatOfASession: how long a workload may be silent is the catalogue's to
// say, of the very workload that the token names and no other.
func TestHeartbeatOfASession(t *testing.T) {
	h, k, a, _ := withRole(t)
	creds := issued(t, a, session.Claims{Source: session.Container, Workload: session.Workload{Platform: metering.PlatformECS, ID: "task-1", Region: "eu-west-1"}}, time.Hour)
	own := metering.Workload{ID: "task-1", Platform: metering.PlatformECS, Account: account, Region: "eu-west-1"}
	for _, test := range []struct {
		name   string
		change func(*metering.Workload)
		want   time.Duration
	}{
		{"its own", func(*metering.Workload) {}, time.Minute},
		{"of another platform", func(w *metering.Workload) { w.Platform = metering.PlatformEKS }, 0},
		{"of another account", func(w *metering.Workload) { w.Account = "444455556666" }, 0},
		{"of another region", func(w *metering.Workload) { w.Region = "us-east-1" }, 0},
		{"without one", func(w *metering.Workload) { w.Heartbeat = 0 }, 0},
	} {
		entry := own
		entry.Heartbeat = time.Minute
		test.change(&entry)
		k.enter((*store.Workload)(&entry))
		id, err := a.Authenticate(signedBy(t, creds, h.at), nil, nil)
		want := own
		want.Heartbeat = test.want
		if err != nil || id.Caller.Workload == nil || *id.Caller.Workload != want {
			t.Errorf("%s: got %+v, %v, want %+v", test.name, id.Caller.Workload, err, want)
		}
	}
}

// TestPoliciesFollowTheCatalogue: a policy that changes counts for the next call,
// one that is gone or cannot be read refuses everything and is logged once.
func TestPoliciesFollowTheCatalogue(t *testing.T) {
	h, k, a, _ := withRole(t)
	var log strings.Builder
	a.Log = slog.New(slog.NewTextHandler(&log, nil))
	c := issued(t, a, session.Claims{}, time.Hour)
	expect := func(step string, want string) {
		t.Helper()
		for range 3 {
			r := signedBy(t, c, h.at)
			id, err := a.Authenticate(r, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{a.Foresee(&id, r, "aws-marketplace:MeterUsage"), a.Authorize(&id, r, "aws-marketplace:MeterUsage", "p")} {
				if (err == nil) != (want == "") || err != nil && (!errors.Is(err, new(Denied)) || !strings.Contains(err.Error(), want)) {
					t.Errorf("%s: %v, want %q", step, err, want)
				}
			}
		}
	}
	expect("at first", "")
	k.enter(&store.Policy{Name: "p", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"aws-marketplace:BatchMeterUsage","Resource":"*"}]}`})
	expect("another document", "no identity-based policy allows")
	k.enter(&store.Policy{Name: "p", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}],"Surprise":1}`})
	expect("unreadable", "explicit deny")
	if n := strings.Count(log.String(), "cannot be read"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
	k.drop(store.Ref{Kind: store.KindPolicy, Name: "p"})
	expect("gone", "explicit deny")
	if n := strings.Count(log.String(), "not in the catalogue"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
}

// TestRecentIsBounded: what was used lately is there, and there is no more than
// two generations of it.
func TestRecentIsBounded(t *testing.T) {
	var r recent[string, int]
	for i := range 5 * generation {
		r.put(fmt.Sprint(i), i)
		if _, there := r.get("0"); !there { // in use
			t.Fatalf("forgotten after %d", i)
		}
		if n := len(r.young) + len(r.old); n > 2*generation {
			t.Fatalf("%d are remembered", n)
		}
	}
	if _, there := r.get("1"); there {
		t.Error("what was not used is remembered for ever")
	}
}

// TestSourceIP: behind a proxy nobody knows where a request comes from.
func TestSourceIP(t *testing.T) {
	a := NewAuthenticator(newKeys().Catalog, newHand().now)
	for remote, want := range map[string]string{"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[fe80::1%eth0]:80": "fe80::1", "@": "invalid IP"} {
		if got := a.SourceIP(&http.Request{RemoteAddr: remote}); got.String() != want {
			t.Errorf("%s: %s", remote, got)
		}
	}
	a.BehindProxy = true
	if got := a.SourceIP(&http.Request{RemoteAddr: "192.0.2.1:80"}); got.IsValid() {
		t.Errorf("%s behind a proxy", got)
	}
}

// TestNewMasterKey: a session that is issued just after the master key was replaced
// is good on a node that has not seen the new key yet; and once every node has, the
// new key issues.
func TestNewMasterKey(t *testing.T) {
	h, k, a, _ := withRole(t)
	_, there, other, _ := withRole(t)
	other.now = h.now
	h.pass(24 * time.Hour)
	next := &store.SessionKey{ID: "2", Secret: []byte(strings.Repeat("k", 32)), Created: h.at}
	k.enter(next)
	opens := func(where *Authenticator, c session.Credentials) bool {
		_, err := where.Authenticate(signedBy(t, c, h.at), nil, nil)
		return err == nil
	}
	for range 5 {
		if c := issued(t, a, session.Claims{}, time.Hour); !opens(a, c) || !opens(other, c) {
			t.Errorf("%v after the key was made: its own node opens it: %t, one that has not seen it: %t", h.at.Sub(next.Created), opens(a, c), opens(other, c))
		}
		h.pass(time.Second)
	}
	h.pass(time.Minute)
	there.enter(next)
	c := issued(t, a, session.Claims{}, time.Hour)
	if !opens(a, c) || !opens(other, c) {
		t.Error("a minute later it opens nowhere")
	}
	for _, keys := range []*keys{k, there} {
		keys.drop((&store.SessionKey{ID: "1"}).Ref())
	}
	if !opens(a, c) || !opens(other, c) {
		t.Error("a minute later the key before still issues")
	}
}

// TestManagedPolicies: AWS's own policies are found by name and by ARN, of a role and
// of its boundary, and nothing else is found by an ARN.
func TestManagedPolicies(t *testing.T) {
	const name, arn = "AWSMarketplaceMeteringRegisterUsage", "arn:aws:iam::aws:policy/AWSMarketplaceMeteringRegisterUsage"
	for named, works := range map[string]bool{name: true, arn: true, arn + "s": false, "arn:aws:iam::aws:policy/p": false, "arn:aws:iam::111122223333:policy/" + name: false} {
		h, k, a, role := withRole(t)
		limited := *role
		limited.Policies, limited.Boundary = []string{named}, named
		k.enter(&limited)
		r := signedBy(t, issued(t, a, session.Claims{}, time.Hour), h.at)
		id, err := a.Authenticate(r, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Authorize(&id, r, "aws-marketplace:RegisterUsage"); (err == nil) != works {
			t.Errorf("%s: RegisterUsage: %v", named, err)
		}
		if a.Authorize(&id, r, "aws-marketplace:MeterUsage") == nil {
			t.Errorf("%s allows MeterUsage", named)
		}
	}
}
