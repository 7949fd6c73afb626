package id

import (
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// TestForm: version 7, the RFC's variant, and the time in front (RFC 9562, 5.7).
func TestForm(t *testing.T) {
	for _, at := range []string{"2026-09-15T10:30:00.123Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001Z", "9999-12-31T23:59:59Z"} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			id := Source{func() time.Time { return now }}.New()
			var ms int64
			for _, b := range id[:6] {
				ms = ms<<8 | int64(b)
			}
			if ms != now.UnixMilli() {
				t.Fatalf("%s begins with %d ms, want %d", id, ms, now.UnixMilli())
			}
			if version, variant := id[6]>>4, id[8]>>6; version != 7 || variant != 0b10 {
				t.Fatalf("%s: version %d, variant %b", id, version, variant)
			}
			if text := id.String(); text[14] != '7' || len(text) != 36 {
				t.Fatalf("%s is not of the usual form", text)
			}
		}
	}
	now := time.Date(2022, 2, 22, 19, 22, 22, 0, time.UTC) // the RFC's example, A.6
	if got, want := (Source{func() time.Time { return now }}).New().String()[:15], "017f22e2-79b0-7"; got != want {
		t.Errorf("the RFC's example begins with %s, want %s", got, want)
	}
}

// TestFraction: within a millisecond ids sort by the time they were made at.
func TestFraction(t *testing.T) {
	for _, c := range []struct {
		nanoseconds int64
		want        string // the third group
	}{{0, "7000"}, {244, "7000"}, {245, "7001"}, {500_000, "7800"}, {999_999, "7fff"}} {
		now := time.UnixMilli(1_789_468_200_000).Add(time.Duration(c.nanoseconds))
		if got := (Source{func() time.Time { return now }}).New().String()[14:18]; got != c.want {
			t.Errorf("%d ns into the millisecond: %s, want %s", c.nanoseconds, got, c.want)
		}
	}
}

// TestRandom: every one of the 62 bits that are free is sometimes set and
// sometimes not.
func TestRandom(t *testing.T) {
	now := time.Now()
	s := Source{func() time.Time { return now }}
	var ever, always metering.ID
	for i := range always {
		always[i] = 0xff
	}
	for range 200 {
		for i, b := range s.New() {
			ever[i] |= b
			always[i] &= b
		}
	}
	free := 0
	for i := 6; i < len(ever); i++ {
		for bit := range 8 {
			if ever[i]>>bit&1 == 1 && always[i]>>bit&1 == 0 {
				free++
			}
		}
	}
	if free != 62 { // by chance less: once in 10^58
		t.Errorf("%d bits are random, want 62", free)
	}
}

// TestUnique: no id twice, made by many at once within a millisecond.
func TestUnique(t *testing.T) {
	now := time.Now()
	s := Source{func() time.Time { return now }}
	const workers, each = 4, 25_000
	made := make([][]metering.ID, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for range each {
				made[w] = append(made[w], s.New())
			}
		})
	}
	wg.Wait()
	seen := make(map[metering.ID]struct{}, workers*each)
	for _, ids := range made {
		for _, id := range ids {
			seen[id] = struct{}{}
		}
	}
	if len(seen) != workers*each {
		t.Errorf("%d of %d ids are different", len(seen), workers*each)
	}
}

// TestOrder: an id of a later millisecond sorts behind, as bytes and as text.
func TestOrder(t *testing.T) {
	now := time.Date(2026, 9, 15, 10, 30, 0, 0, time.UTC)
	s := Source{func() time.Time { return now }}
	before := s.New()
	for _, step := range []time.Duration{time.Millisecond, time.Second, 255 * time.Millisecond, 18 * time.Hour, 1193 * time.Hour} {
		now = now.Add(step)
		id := s.New()
		if string(id[:]) <= string(before[:]) || id.String() <= before.String() {
			t.Errorf("%s was made %v before %s", before, step, id)
		}
		before = id
	}
}
