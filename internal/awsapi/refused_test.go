package awsapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// TestEveryFaultIsKept: a call that is refused with any name of the table is kept
// by that name, also one whose status is 5xx; checkKeptNames does the same for
// those that calls meet by themselves.
func TestEveryFaultIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	for i, e := range exceptions {
		if err := w.api.Faults.Set(Fault{Operation: metering.BatchMeterUsage, Code: e.name, Count: 1}); err != nil {
			t.Fatal(err)
		}
		w.post(t, "BatchMeterUsage", "AKIASELLERACME001", "{}")
		all := w.refused(t)
		if len(all) != i+1 {
			t.Fatalf("%s: %d kept, want %d", e.name, len(all), i+1)
		}
		if r := all[i]; r.Reason != e.name || r.Detail != "injected fault: "+e.name {
			t.Errorf("%s is kept as %+v", e.name, r)
		}
	}
}

// TestLongRefusals: a refusal is small, whatever the caller sent.
func TestLongRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	long := strings.Repeat("ü", 65_000)
	for name, c := range map[string]*call{
		"region":       newCall("POST", "ResolveCustomer", "AKIASELLERACME001", strings.Repeat("x", 65_000)),
		"product code": newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1"),
		"license":      newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1"),
		"broken text":  newCall("POST", "ResolveCustomer", "AKIASELLERACME001", "\xff\xfe"),
		"unverified":   newCall("POST", "ResolveCustomer", "AKIASELLEROTHER01", strings.Repeat("x", 65_000)),
	} {
		c.host = "localhost"
		switch name {
		case "product code":
			c.body = []byte(`{"ProductCode":"` + long + `","UsageRecords":[]}`)
		case "license":
			c.body = fmt.Appendf(nil, `{"UsageRecords":[{"Timestamp":0,"CustomerAWSAccountId":"1","Dimension":"d","LicenseArn":%q}]}`, long)
		case "unverified":
			c.secret = "another"
			fallthrough
		default:
			c.body = []byte(`{"RegistrationToken":"t"}`)
		}
		before := len(w.refused(t))
		response, body := w.do(t, c)
		all := w.refused(t)
		if response.StatusCode != 400 || len(all) != before+1 {
			t.Fatalf("%s: %d %.300s, %d kept", name, response.StatusCode, body, len(all)-before)
		}
		for _, r := range all {
			for _, text := range []string{r.Detail, r.Region, string(r.Product)} {
				if len(text) > 300 || !utf8.ValidString(text) {
					t.Errorf("%s: %d bytes are kept, or not UTF-8: %.300s", name, len(text), text)
				}
			}
		}
	}
	if got := caller.Text("a\x00\xffb"); got != "a\uFFFD\uFFFDb" {
		t.Errorf("storable: %q", got)
	}
}

// watchingStore shows what is appended.
type watchingStore struct {
	store.Store
	append func(context.Context, store.Call) (store.Outcome, error)
}

func (s watchingStore) Append(ctx context.Context, c store.Call) (store.Outcome, error) {
	return s.append(ctx, c)
}

// TestKeptBeforeTheAnswer: a refused call is on disk before its caller hears of
// it. One that nobody has proved to have signed is written after the answer, so
// that the time it takes tells nothing of the key.
func TestKeptBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, key := range []struct{ secret, want string }{{secret, "before"}, {"another", "after"}} {
		w := newWorld(t, worldOptions{})
		answer := httptest.NewRecorder()
		when := "never"
		w.api.Store = watchingStore{w.store, func(ctx context.Context, c store.Call) (store.Outcome, error) {
			if when = "after"; answer.Body.Len() == 0 {
				when = "before"
			} else if !answer.Flushed {
				t.Error("the answer waits for the store")
			}
			return w.store.Append(ctx, c)
		}}
		c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
		c.body, c.secret = []byte("{}"), key.secret
		r := signedRequest(t, w, c)
		w.api.Handler().ServeHTTP(answer, r)
		if when != key.want || answer.Code != 400 {
			t.Errorf("%d: kept %s the answer, want %s", answer.Code, when, key.want)
		}
	}
}

func signedRequest(t *testing.T, w *world, c *call) *http.Request {
	t.Helper()
	if err := c.sign(w.truth.Now()); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(c.method, c.uri, bytes.NewReader(c.body))
	r.Host, r.Header = c.host, c.header
	return r
}

// TestHangingUpLosesNothing: the client is gone when its call is refused.
func TestHangingUpLosesNothing(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{secret, "another"} {
		w := newWorld(t, worldOptions{})
		c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
		c.body, c.secret = []byte("{}"), secret
		ctx, cancel := context.WithCancel(t.Context())
		w.api.Now = func() time.Time {
			cancel()
			return w.clock.Now()
		}
		w.api.Handler().ServeHTTP(httptest.NewRecorder(), signedRequest(t, w, c).WithContext(ctx))
		if all := w.refused(t); ctx.Err() == nil || len(all) != 1 {
			t.Errorf("kept are %+v", all)
		}
	}
}

// TestNotKeptIsAnsweredAlike: a refusal that cannot be written is logged, and the
// caller is told what it would have been. What is our own fault is not a refusal.
func TestNotKeptIsAnsweredAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	var logged bytes.Buffer
	w.api.Log = newLogger(&logged)
	appends := 0
	w.api.Store = watchingStore{w.store, func(context.Context, store.Call) (store.Outcome, error) {
		appends++
		return store.Outcome{}, errors.New("the disk is full")
	}}
	status, answer := w.post(t, "BatchMeterUsage", "AKIASELLERACME001", "{}")
	if status != 400 || !strings.Contains(answer, "ValidationException") || appends != 1 {
		t.Errorf("%d %s after %d appends", status, answer, appends)
	}
	if text := logged.String(); !strings.Contains(text, "refused call not kept") || !strings.Contains(text, "the disk is full") {
		t.Errorf("logged: %s", text)
	}
	if status, _ := w.post(t, "BatchMeterUsage", "AKIASELLERACME001", batchOf(recordOf(vectorsNow, "scans", 5))); status != 500 || appends != 3 { // the call and its event
		t.Errorf("a failure of ours: %d after %d appends", status, appends)
	}
}

// TestOurFailuresAreNotRefusals: what has a status of 5xx is kept among the refusals
// only if it was asked for, whoever the caller is. It leaves an event, unless the
// store cannot write at present, or may have written the call with its own.
func TestOurFailuresAreNotRefusals(t *testing.T) {
	t.Parallel()
	for err, events := range map[error]int{errInternal: 1, store.ErrUnavailable: 0, store.ErrUnknown: 0} {
		w := newWorld(t, worldOptions{})
		failed := false
		w.api.Store = watchingStore{w.store, func(ctx context.Context, c store.Call) (store.Outcome, error) {
			if !failed {
				failed = true
				return store.Outcome{}, err
			}
			return w.store.Append(ctx, c)
		}}
		if status, _ := w.post(t, "BatchMeterUsage", "AKIASELLERACME001", batchOf(recordOf(vectorsNow, "scans", 5))); status < 500 {
			t.Errorf("%v is answered %d", err, status)
		}
		if all := w.refused(t); len(all) != 0 {
			t.Errorf("%v: kept are %+v", err, all)
		}
		if all := w.events(t, "210987654321"); len(all) != events || events > 0 && all[0].Error != "InternalServiceErrorException" {
			t.Errorf("%v: events are %+v", err, all)
		}
	}
}

// TestRefusedAtOnce: many refused calls at once are all kept, of those that come
// in floods one each.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{limits: caller.Limits{metering.ResolveCustomer: 1}})
	const each = 20
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range each {
				c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
				c.body = []byte("{}")
				switch i {
				case 1:
					c = newCall("POST", "ResolveCustomer", "AKIASELLERACME001", "us-east-1")
					c.body = []byte(`{"RegistrationToken":"token-a-scanner"}`)
				case 2:
					c.secret = "another"
				case 3:
					c.key = "AKIANOBODY0000001"
				}
				w.do(t, c)
			}
		})
	}
	wg.Wait()
	got := map[string]int{}
	for _, r := range w.refused(t) {
		got[r.Reason]++
	}
	if len(got) != 3 || got["ValidationException"] != each || got["ThrottlingException"] != 1 || got["InvalidSignatureException"] != 1 {
		t.Errorf("kept are %v", got)
	}
}

// TestRedemption: who has resolved a token is known, and how often; a token that
// was refused is not redeemed.
func TestRedemption(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	hash := sha256.Sum256([]byte("token-a-scanner"))
	resolve := func(key string, want int) {
		t.Helper()
		if status, answer := w.post(t, "ResolveCustomer", key, `{"RegistrationToken":"token-a-scanner"}`); status != want {
			t.Errorf("%d %s, want %d", status, answer, want)
		}
	}
	resolve("AKIASELLEROTHER01", 400)
	if _, ok, err := w.store.Redeemed(t.Context(), hash); ok || err != nil {
		t.Fatalf("another seller redeemed it: %v %v", ok, err)
	}
	resolve("AKIASELLERACME001", 200)
	w.clock.Advance(time.Hour)
	resolve("AKIAINSTANCEACME1", 200)
	w.clock.Advance(4 * time.Hour)
	resolve("AKIASELLERACME001", 400)
	got, ok, err := w.store.Redeemed(t.Context(), hash)
	want := store.Redeemed{Account: "210987654321", KeyID: "AKIAINSTANCEACME1", First: vectorsNow, Last: vectorsNow.Add(time.Hour), Count: 2}
	if !ok || err != nil || got != want {
		t.Errorf("got %+v %v %v, want %+v", got, ok, err, want)
	}
	if all := w.refused(t); len(all) != 2 || all[0].Product != "" || all[1].Product != "scanner" {
		t.Errorf("refused are %+v", all)
	}
}
