package identity

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/meterd/meterd/internal/session"
)

// LeastLeft is how long credentials that are handed out have to last. SDKs renew
// theirs 5 to 15 minutes before the end, and one of them (botocore) takes those of
// an instance's endpoint that end within 25 minutes for good ones of an endpoint
// in trouble: it prolongs them by itself.
const LeastLeft = 30 * time.Minute

// handout keeps a workload's credentials for as long as they may be handed out,
// and asks for others then. Of those who ask at once one waits for the source, the
// others for him.
type handout struct {
	mu    sync.Mutex
	last  session.Credentials
	since time.Time
}

// take returns credentials that last for [LeastLeft], and since when they are
// known. That a client hangs up does not end the asking: the next has use for the
// answer.
func (h *handout) take(ctx context.Context, source func(context.Context) (session.Credentials, error), now func() time.Time) (session.Credentials, time.Time, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last.Expiration.Sub(now()) >= LeastLeft {
		return h.last, h.since, nil
	}
	given, err := source(context.WithoutCancel(ctx))
	if err != nil {
		return session.Credentials{}, time.Time{}, err
	}
	at := now()
	if left := given.Expiration.Sub(at); left < LeastLeft {
		return session.Credentials{}, time.Time{}, fmt.Errorf("identity: the credentials that were given end in %v, and those that are handed out last for %v", left, LeastLeft)
	}
	h.last, h.since = given, at
	return h.last, h.since, nil
}

// handed are credentials as both endpoints answer them. It alone shows the
// secrets.
type handed struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      string
}

func handedOf(c session.Credentials) handed {
	return handed{c.AccessKeyID, string(c.SecretAccessKey), string(c.Token), instant(c.Expiration)}
}

// instant is a time as the endpoints write it.
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// writeSecret answers with what no cache on the way may keep.
func writeSecret(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err) // it is of this program's own types
	}
	writeSecret(w, status, "application/json", body)
}
