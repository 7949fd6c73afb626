package identity

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/store"
)

// wellspring is where the credentials of a test come from.
type wellspring struct {
	mu       sync.Mutex
	at       time.Time
	lifetime time.Duration
	asked    int
	err      error
}

func newWellspring() *wellspring { return &wellspring{at: now, lifetime: time.Hour} }

func (s *wellspring) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

func (s *wellspring) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = s.at.Add(d)
}

func (s *wellspring) give(context.Context) (session.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil {
		return session.Credentials{}, s.err
	}
	return session.Credentials{AccessKeyID: "ASIA" + string(rune('A'+s.asked)), SecretAccessKey: "secret", Token: "token", Expiration: s.at.Add(s.lifetime)}, nil
}

// ask sends one request to a handler: header names and values follow the path.
func ask(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:4321"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestHandout: credentials are the same until they have less than half an hour
// left; others are asked for then, and those that end sooner are never given.
func TestHandout(t *testing.T) {
	s := newWellspring()
	var h handout
	take := func() (session.Credentials, error) {
		c, _, err := h.take(t.Context(), s.give, s.now)
		return c, err
	}
	first, err := take()
	if err != nil || first.AccessKeyID != "ASIAB" {
		t.Fatalf("got %v, %v", first, err)
	}
	s.pass(30 * time.Minute)
	if again, err := take(); err != nil || again != first {
		t.Errorf("with half an hour left: got %v, %v, want %v", again, err, first)
	}
	s.pass(time.Nanosecond)
	second, err := take()
	if err != nil || second == first || s.asked != 2 {
		t.Errorf("with less: got %v, %v after asking %d times", second, err, s.asked)
	}
	s.pass(40 * time.Minute)
	s.err = errors.New("nobody there")
	if c, err := take(); !errors.Is(err, s.err) || c != (session.Credentials{}) {
		t.Errorf("in trouble: got %v, %v", c, err)
	}
	s.err, s.lifetime = nil, LeastLeft-1
	if c, err := take(); err == nil || c != (session.Credentials{}) {
		t.Errorf("too short: got %v", c)
	}
	s.lifetime = LeastLeft
	if _, err := take(); err != nil {
		t.Errorf("just long enough: %v", err)
	}
}

// TestHandoutAtOnce: many ask, the source is asked once, and whoever hung up
// meanwhile has not spoiled it for the others.
func TestHandoutAtOnce(t *testing.T) {
	s := newWellspring()
	gone, leave := context.WithCancel(t.Context())
	leave()
	var h handout
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			patient := func(ctx context.Context) (session.Credentials, error) {
				if err := ctx.Err(); err != nil {
					return session.Credentials{}, err
				}
				return s.give(ctx)
			}
			if _, _, err := h.take(gone, patient, s.now); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.asked != 1 {
		t.Errorf("asked %d times, want once", s.asked)
	}
}

// troubles are what a source can fail with, and what a client is told.
var troubles = []struct {
	err     error
	status  int
	code    string
	message string
}{
	{&Error{Code: AccessDenied, Message: "There is no role demo."}, 403, "AccessDenied", "There is no role demo."},
	{store.ErrUnavailable, 503, "ServiceUnavailable", "The service is unavailable."},
	{errors.New("dial tcp 10.0.0.1:5432: refused"), 500, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure."},
}

// newRequest is a request to a host, to the byte.
func newRequest(method, path, host string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
