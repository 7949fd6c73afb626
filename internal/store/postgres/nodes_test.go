package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// TestChangeReachesEveryNode: a change of the catalogue holds for the very next
// look-up on the node that made it, and within five seconds on every other.
func TestChangeReachesEveryNode(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		a, b := open(t, url), open(t, url)
		put := func(s store.Store, change store.Change) {
			t.Helper()
			change.At = noon()
			if _, err := s.Put(t.Context(), change); err != nil {
				t.Fatal(err)
			}
		}
		p := &store.Product{Code: "prod", Title: "one", Seller: seller}
		put(a, store.Change{By: "anna", Entries: []store.Entry{p, &store.Account{ID: seller}}})
		if a.Catalog().Product("prod") == nil {
			t.Error("the node that made the change does not see it")
		}
		began := time.Now()
		eventually(t, "the other node sees it", func() bool { return b.Catalog().Product("prod") != nil })
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		// A change that is made from what a node has not seen is made from that.
		put(b, store.Change{By: "bert", Entries: []store.Entry{&store.Product{Code: "prod", Title: "two", Seller: seller}}})
		put(a, store.Change{By: "anna", Entries: []store.Entry{&store.Product{Code: "prod", Title: "three", Seller: seller}}, Remove: []store.Ref{{Kind: store.KindAccount, Name: string(seller)}}})
		if got := a.Catalog().Revision(); got != 5 {
			t.Errorf("after five changes of both: revision %d, want 5", got)
		}
		base := b.Catalog().Revision()
		if _, err := b.Put(t.Context(), store.Change{At: noon(), Base: &base, Entries: []store.Entry{p}}); base < 5 && !errors.Is(err, store.ErrConflict) {
			t.Errorf("a change from a revision that has passed: got %v, want %v", err, store.ErrConflict)
		}
		eventually(t, "the other node sees the removal", func() bool {
			return b.Catalog().Account(seller) == nil && b.Catalog().Revision() >= 5
		})
	})
}

// TestStaleNodeStops: a node that has not seen the catalogue's revision for five
// seconds decides nothing, although nobody has told it that anything is wrong.
func TestStaleNodeStops(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		d := newDatabase(t, c, migrated(t, c))
		s := d.mustOpen(t)
		if _, err := s.Append(t.Context(), call(record(1, 0, 1))); err != nil {
			t.Fatal(err)
		}
		d.proxy.Freeze(true)
		began := time.Now()
		eventually(t, "the node stops", func() bool { return errors.Is(s.Err(), store.ErrUnavailable) })
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("it decided for %v", took)
		}
		began = time.Now()
		if _, err := s.Append(t.Context(), call(record(2, 1, 1))); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("a call to it: got %v, want %v", err, store.ErrUnavailable)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it was refused after %v, want at once", took)
		}
		d.proxy.Freeze(false)
		eventually(t, "the node serves again", func() bool {
			_, err := s.Append(t.Context(), call(record(2, 1, 1)))
			return err == nil
		})
	})
}

// TestLongChange: a node that makes a change of the catalogue for longer than a
// reading of it stays good goes on serving.
func TestLongChange(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		d := newDatabase(t, c, migrated(t, c))
		s := d.mustOpen(t)
		release := d.proxy.HoldCommits()
		made := make(chan error, 1)
		go func() {
			_, err := s.Put(context.Background(), store.Change{At: noon(), Entries: []store.Entry{&store.Account{ID: seller}}})
			made <- err
		}()
		d.proxy.AwaitHeld(1)
		for end := time.Now().Add(6 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if err := s.Err(); err != nil {
				t.Fatal(err)
			}
		}
		release()
		if err := <-made; err != nil || s.Catalog().Account(seller) == nil {
			t.Errorf("the change: error %v", err)
		}
	})
}

// TestPrimaryGoesWithoutAWord: a primary that has lost its standby and then vanishes,
// as a machine does without power, ends no connection. Nodes find the next one
// although they still wait for an answer of the last.
func TestPrimaryGoesWithoutAWord(t *testing.T) {
	t.Parallel()
	own(t, nil, func(t *testing.T, c *pgtest.Cluster, url string) {
		first, next := pgtest.NewProxy(t, c), pgtest.NewProxy(t, c)
		hostOf := func(u string) string { return u[strings.Index(u, "@")+1 : strings.LastIndex(u, "/")] }
		both := first.URL(t, url)
		both = strings.Replace(both, hostOf(both), hostOf(both)+","+hostOf(next.URL(t, url)), 1)
		s := waiting(t, both)
		for range 20 { // as many readers' connections as there are
			go s.Records(t.Context(), store.RecordQuery{To: 1}) //nolint:errcheck // it is for the pool
		}
		c.Set(t, standbyNames, "ANY 1 (s1)")
		_, err := s.Append(t.Context(), call(record(1, 0, 1)))
		isUnknown(t, "a record that no standby has", err)
		waiters := func() int64 {
			return query[int64](t, url, `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
		}
		eventually(t, "the node asks whether commits are acknowledged", func() bool { return waiters() > 0 })
		time.Sleep(5 * time.Second)
		if n := waiters(); n > 2 {
			t.Errorf("%d commits that were given up wait on the server", n)
		}
		eventually(t, "it asks again", func() bool { return waiters() > 0 })
		first.Freeze(true)
		first.Refuse(true)
		c.Set(t, standbyNames, "")
		eventually(t, "the node takes calls for the next primary", func() bool {
			_, err := s.Append(t.Context(), call(record(1, 0, 1)))
			return err == nil
		})
		eventually(t, "it reads from there", func() bool {
			_, err := s.Records(t.Context(), store.RecordQuery{To: 1})
			return err == nil
		})
	})
}

// TestRestoredDatabase: a node does not go on over a database whose catalogue is
// older than what it has seen.
func TestRestoredDatabase(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		s := open(t, url)
		if _, err := s.Put(t.Context(), store.Change{At: noon(), Entries: []store.Entry{&store.Account{ID: seller}}}); err != nil {
			t.Fatal(err)
		}
		query[int64](t, url, `UPDATE catalogue SET revision = 0 RETURNING revision`)
		eventually(t, "the node stops", func() bool { return errors.Is(s.Err(), store.ErrUnavailable) })
	})
}

// TestChangeBackIsNoRepeat: a change that would change nothing of what its node has
// seen is held against what the database has. Whoever blocks a key that another
// node has just let in must not be told that it is blocked.
func TestChangeBackIsNoRepeat(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		a, b := open(t, url), open(t, url)
		put := func(s store.Store, title string, base *int64) error {
			_, err := s.Put(t.Context(), store.Change{At: noon(), Base: base, Entries: []store.Entry{&store.Product{Code: "prod", Title: title, Seller: seller}}})
			return err
		}
		for i := range 6 { // the other node may look at the right moment
			if err := put(a, "before", nil); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the other node sees it", func() bool { return b.Catalog().Revision() == a.Catalog().Revision() })
			seen := b.Catalog().Revision()
			if err := put(a, "between", nil); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				if err := put(b, "before", &seen); !errors.Is(err, store.ErrConflict) {
					t.Errorf("from a revision that has passed: got %v, want %v", err, store.ErrConflict)
				}
				continue
			}
			if err := put(b, "before", nil); err != nil {
				t.Fatal(err)
			}
			if title := query[string](t, url, `SELECT body::json->>'Title' FROM entry WHERE kind = 'product'`); title != "before" {
				t.Errorf("the title is %q after it was changed back to %q", title, "before")
			}
		}
	})
}
