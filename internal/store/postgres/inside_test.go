package postgres

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/meterd/meterd/internal/store"
)

func TestQuorum(t *testing.T) {
	for names, want := range map[string]int{
		"": 0, " ": 0, "s1": 1, "s1, s2": 1, "*": 1, "ANY 1 (s1)": 1, "ANY 2 (s1, s2, s3)": 2, "any 2(a,b)": 2,
		"FIRST 3 (a, b, c)": 3, "2 (a, b)": 2, `"a b"`: 1, "(a)": 1,
	} {
		if got := quorum(names); got != want {
			t.Errorf("%q waits for %d, want %d", names, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, at := range []time.Time{
		{},
		time.Unix(0, 0), time.Unix(0, 1), time.Unix(0, -1), time.Date(1678, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2261, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999, time.UTC),
	} {
		if err := store.CheckTime(at); err != nil {
			t.Error(err)
		}
		if got := instant(nanos(at)); !got.Equal(at) || got.Location() != time.UTC {
			t.Errorf("%v is read back as %v", at, got)
		}
	}
	for _, at := range []time.Time{time.Date(1677, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, math.MinInt64)} {
		if store.CheckTime(at) == nil {
			t.Errorf("%v can be kept", at)
		}
	}
}

// TestBounds: a time that cannot be stored bounds a list like any other.
func TestBounds(t *testing.T) {
	early, late := time.Date(1, 2, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	if least, end := during(early, late); least != math.MinInt64 || end != math.MaxInt64 {
		t.Errorf("from %v to %v: %d to %d, want everything", early, late, least, end)
	}
	if least, end := during(late, early); least != math.MaxInt64 || end != math.MinInt64 {
		t.Errorf("from %v to %v: %d to %d, want nothing", late, early, least, end)
	}
	if least, end := during(time.Time{}, time.Unix(0, 1)); least != math.MinInt64 || end != 1 {
		t.Errorf("to a nanosecond: %d to %d", least, end)
	}
}

// TestEndedSessions: what a server refuses a session for, or ends it, says nothing
// of the call: it is worth another try later.
func TestEndedSessions(t *testing.T) {
	for _, code := range []string{"28P01", "28000", "3D000", "42501", "25P03", "57P03", "57P01", "53300"} {
		err := fmt.Errorf("connecting: %w", &pgconn.PgError{SeverityUnlocalized: "FATAL", Code: code})
		if got := definite(err); !errors.Is(got, store.ErrUnavailable) || !lost(err) || ofOneCall(err) || rolledBack(err) {
			t.Errorf("%s: got %v", code, got)
		}
	}
	for _, code := range []string{"22021", "42P01", "54000"} { // of a statement
		if err := error(&pgconn.PgError{SeverityUnlocalized: "ERROR", Code: code}); lost(err) || errors.Is(definite(err), store.ErrUnavailable) {
			t.Errorf("%s is taken for a lost connection", code)
		}
	}
}

func TestHealth(t *testing.T) {
	var h health
	start := time.Now()
	is := func(when string, after time.Duration, want string) {
		t.Helper()
		err := h.err(start.Add(after))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: got %v, want none", when, err)
		case want != "" && (!errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %q", when, err, want)
		}
	}
	is("before the first reading", 0, "last seen")
	h.good(start)
	is("read", freshness-1, "")
	is("old", freshness, "last seen 5s ago")
	h.bad(errors.New("no route"))
	is("old, and why", freshness, "no route")
	is("one failed reading", time.Second, "")

	h.lose(errors.New("reset"), false)
	is("a lost connection", 0, "connection to the database was lost: reset")
	first := h.doubted()
	h.lose(errors.New("hung"), true)
	h.settled(first)
	is("a doubt that came after the reading began", 0, "has not acknowledged a commit: hung")
	h.lose(errors.New("reset"), false)
	is("a lost outcome stays one", 0, "has not acknowledged a commit: reset")
	h.settled(h.doubted())
	is("settled", 0, "")
}

// TestURLsKeepTheirSecret: what cannot be read is not quoted.
func TestURLsKeepTheirSecret(t *testing.T) {
	for _, url := range []string{"postgres://u:s3cret@h:port/d", "postgres://u:s3cret@h/d?sslmode=never", "user=u password=s3cret port=x", "postgres://u:s3cret@[::1/d", "postgres://u:x@s3cret@h/d", "postgres://u:x@s3cret@h1,h2/d", "postgres://u@server:s3cret@h/d"} {
		err := CheckURL(url)
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: got %v", strings.ReplaceAll(url, "s3cret", "***"), err)
		}
	}
}
