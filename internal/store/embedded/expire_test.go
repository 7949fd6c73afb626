package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// bindOn binds a token on a day.
func bindOn(t *testing.T, s *Store, day int, value string) {
	t.Helper()
	c := store.Call{Account: "1", At: time.Unix(int64(day)*86400, 0), Token: &store.Token{Value: value}}
	c.After = func(store.Outcome) (store.Rest, error) { return store.Rest{Bind: &metering.ID{1}}, nil }
	if _, err := s.Append(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// A token is looked for under every day that is kept: days that have expired are
// not looked at any more, before and after reopening, and one may come back.
func TestExpiredDaysAreForgotten(t *testing.T) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for day := range 10 {
		bindOn(t, s, 20000+day, fmt.Sprint(day))
	}
	days := func(when string, want ...int32) {
		t.Helper()
		if got, err := s.tokenDays(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: stored under days %v, error %v, want %v", when, got, err, want)
		}
	}
	// looked reports whether a token is looked for under a day: whether it is met
	// there if it is damaged.
	looked := func(day int32) bool {
		t.Helper()
		c := store.Call{Account: "1", Token: &store.Token{Value: "damaged"}}
		key := []byte(tokenKey(day, &c))
		behind := func(change func(*pebble.Batch) error) { // as an import brings keys
			t.Helper()
			r := newBatch(t.Context(), s.db.NewBatch())
			r.imported = true
			if err := errors.Join(change(r.batch), s.commit(r)); err != nil {
				t.Fatal(err)
			}
		}
		behind(func(b *pebble.Batch) error { return b.Set(key, []byte("damaged"), nil) })
		_, err := s.Append(t.Context(), c)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		behind(func(b *pebble.Batch) error { return b.Delete(key, nil) })
		return err != nil
	}
	expire := func(day int) {
		t.Helper()
		if err := s.Expire(t.Context(), store.Expiry{Tokens: time.Unix(int64(day)*86400+86399, 999)}); err != nil {
			t.Fatal(err)
		}
	}
	expire(20007)
	days("expired", 20009, 20008, 20007)
	for day := range int32(10) {
		if got, want := looked(20000+day), day >= 7; got != want {
			t.Errorf("looked for under day %d: %t, want %t", day, got, want)
		}
	}
	bindOn(t, s, 20003, "late")
	days("bound by a late clock", 20009, 20008, 20007, 20003)
	if !looked(20003) {
		t.Error("a day that came back is not looked at")
	}
	expire(20000)
	days("nothing to expire", 20009, 20008, 20007, 20003)
	expire(20010)
	days("all expired")
}

// What has nothing to expire writes nothing.
func TestExpireOfNothing(t *testing.T) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	bindOn(t, s, 20005, "t")
	r, err := s.expiry(t.Context(), store.Expiry{Refusals: time.Unix(20005*86400, 0), Tokens: time.Unix(20005*86400, 0)})
	if err != nil || !r.batch.Empty() {
		t.Errorf("error %v, %d operations, want none", err, r.batch.Count())
	}
}

// Another buyer's record is not read: not even one that is damaged.
func TestBuyersRecordsAreReadAlone(t *testing.T) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mine := sample()
	c := store.Call{Account: mine.Key.Account, Region: mine.Key.Region, Records: []metering.Record{mine}}
	for i, party := range []string{"333333333332/arn", "333333333334/arn"} {
		other := sample()
		other.Key.Party, other.ID[0] = party, byte(20+i)
		c.Records = append(c.Records, other)
	}
	if _, err := s.Append(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for i := range c.Records[1:] {
		key, value, err := encodedRecord(&c.Records[1+i])
		if err != nil {
			t.Fatal(err)
		}
		value[20] ^= 1
		if err := s.db.Set([]byte(key), value, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	q := store.RecordQuery{Product: mine.Key.Product, Account: mine.Key.Account, From: mine.Key.Hour, To: mine.Key.Hour + 1}
	if _, err := s.Records(t.Context(), q); !errors.Is(err, ErrDamaged) {
		t.Errorf("all buyers' records: got %v, want %v", err, ErrDamaged)
	}
	q.Buyer = "333333333333"
	if p, err := s.Records(t.Context(), q); err != nil || len(p.Items) != 1 || p.Items[0].ID != mine.ID {
		t.Errorf("one buyer's: %d records, error %v, want one", len(p.Items), err)
	}
}

// What is cancelled before the committer takes it is not written, wherever it
// waited.
func TestCancelledBatch(t *testing.T) {
	s, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		bindOn(t, s, 20000, "t") // so that the committer is about to wait for the next
		batch := s.db.NewBatch()
		if err := setRevision(batch, 7); err != nil {
			t.Fatal(err)
		}
		if err := s.commit(newBatch(ctx, batch)); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want %v", err, context.Canceled)
		}
	}
	if n, err := s.revision(); err != nil || n != 0 {
		t.Errorf("revision %d, error %v: it was written", n, err)
	}
}
