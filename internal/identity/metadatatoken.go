package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// The headers of the metadata service, in version 2.
const (
	tokenHeader    = "X-Aws-Ec2-Metadata-Token"
	lifetimeHeader = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

const (
	maxTokenLifetime  = 21600 // seconds: six hours, as AWS has it
	maxMetadataTokens = 1024
)

// metadataTokens are those that were issued and are not over. There are so many
// at the most; one more ends the one that would have ended first, and whoever had
// it asks for another, as SDKs do at a 401.
type metadataTokens struct {
	mu    sync.Mutex
	until map[[sha256.Size]byte]time.Time // by the token's hash: the map's own comparison tells nothing
}

// issue makes a token.
func (t *metadataTokens) issue(now time.Time, lifetime time.Duration) string {
	var b [42]byte
	_, _ = rand.Read(b[:]) // it never fails
	token := base64.URLEncoding.EncodeToString(b[:])
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.until) >= maxMetadataTokens {
		t.makeRoom(now)
	}
	if t.until == nil {
		t.until = make(map[[sha256.Size]byte]time.Time)
	}
	t.until[sha256.Sum256([]byte(token))] = now.Add(lifetime)
	return token
}

// makeRoom drops the tokens that are over or, if none is, the one that is next.
func (t *metadataTokens) makeRoom(now time.Time) {
	var first [sha256.Size]byte
	var end time.Time
	for hash, until := range t.until {
		if !now.Before(until) {
			delete(t.until, hash)
		} else if end.IsZero() || until.Before(end) {
			first, end = hash, until
		}
	}
	if len(t.until) >= maxMetadataTokens {
		delete(t.until, first)
	}
}

// good reports whether a token was issued and is not over.
func (t *metadataTokens) good(token string, now time.Time) bool {
	hash := sha256.Sum256([]byte(token))
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Before(t.until[hash])
}

// issueToken answers a PUT for a token. A request that was forwarded is refused,
// as AWS does: an open proxy would else hand them out. SDKs read the lifetime in
// the answer.
func (e *InstanceEndpoint) issueToken(w http.ResponseWriter, r *http.Request) {
	asked := r.Header.Values(lifetimeHeader)
	switch {
	case r.Method != http.MethodPut:
		w.Header().Set("Allow", http.MethodPut)
		refuseInstance(w, http.StatusMethodNotAllowed)
		return
	case len(r.Header.Values("X-Forwarded-For")) > 0:
		refuseInstance(w, http.StatusForbidden)
		return
	case len(asked) != 1:
		refuseInstance(w, http.StatusBadRequest)
		return
	}
	seconds, err := strconv.ParseUint(asked[0], 10, 16)
	if err != nil || seconds < 1 || seconds > maxTokenLifetime {
		refuseInstance(w, http.StatusBadRequest)
		return
	}
	token := e.tokens.issue(e.Now(), time.Duration(seconds)*time.Second)
	w.Header().Set(lifetimeHeader, strconv.FormatUint(seconds, 10))
	writeText(w, token)
}
