package awsapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/store"
)

// A NextToken is the place to go on from, the time from which on the first page has
// looked, and when it was given, under a sum of them and of the query. The sum is
// against mistakes: what a caller may see is in the query, which is made anew for
// every page.
const (
	tokenBody = 3*8 + 16
	tokenSum  = 8
	// tokenLife is how long a token is good for.
	tokenLife = 24 * time.Hour
)

func (p place) token(l *lookup, now time.Time) string {
	b := make([]byte, 0, tokenBody+tokenSum)
	for _, t := range []time.Time{now, l.from, p.at} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixNano()))
	}
	b = append(b, p.id[:]...)
	return base64.RawURLEncoding.EncodeToString(append(b, l.sum(b)...))
}

// resume reads a token that was given for the same query.
func (l *lookup) resume(token string, now time.Time) (place, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != tokenBody+tokenSum || len(token) != base64.RawURLEncoding.EncodedLen(len(b)) || // line feeds are passed over
		string(b[tokenBody:]) != string(l.sum(b[:tokenBody])) {
		return place{}, fmt.Errorf("%w: it was not given for this query", errInvalidNextToken)
	}
	instant := func(i int) time.Time { return store.Instant(time.Unix(0, int64(binary.BigEndian.Uint64(b[8*i:])))) }
	if given := instant(0); now.Sub(given) > tokenLife {
		return place{}, fmt.Errorf("%w: it was given more than %s ago", errInvalidNextToken, tokenLife)
	}
	l.from = instant(1)
	p := place{at: instant(2)}
	copy(p.id[:], b[3*8:])
	return p, nil
}

func (l *lookup) sum(b []byte) []byte {
	h := sha256.New()
	h.Write([]byte(l.key))
	h.Write(b)
	return h.Sum(nil)[:tokenSum]
}
