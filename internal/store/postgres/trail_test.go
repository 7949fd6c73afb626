package postgres_test

import (
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// leave makes n calls at once, of events if any is to be left.
func leave(t *testing.T, s *postgres.Store, n, first int, events bool) {
	t.Helper()
	var callers sync.WaitGroup
	for i := range n {
		c := call()
		if events {
			ev := &store.Event{Time: noon(), Account: seller, Operation: metering.BatchMeterUsage, Region: c.Region}
			binary.BigEndian.PutUint64(ev.ID[8:], uint64(first+i))
			c.After = func(store.Outcome) (store.Rest, error) { return store.Rest{Event: ev}, nil }
		}
		callers.Go(func() {
			if _, err := s.Append(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
}

// TestChainBeginsAfterTheNewestDigest: a committer that has had calls that left no
// event begins its chain with the first that does, after the digest that is the
// newest then.
func TestChainBeginsAfterTheNewestDigest(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		a, b := open(t, url), open(t, url)
		leave(t, a, 40, 0, false)
		leave(t, b, 1, 1, true)
		d, ok, err := b.Seal(t.Context(), noon())
		if !ok || err != nil {
			t.Fatalf("a digest: made %t, error %v", ok, err)
		}
		if _, ok, err := a.Seal(t.Context(), noon()); ok || err != nil {
			t.Fatalf("the same once more: made %t, error %v", ok, err)
		}
		leave(t, a, 40, 2, true)
		extents, err := a.Extents(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begun := 0
		for _, e := range extents {
			if e.Chain == d.Extents[0].Chain {
				continue
			}
			begun++
			page, err := a.Trail(t.Context(), store.TrailQuery{Chain: e.Chain, Limit: 1})
			if err != nil || len(page.Items) != 1 || page.Items[0].Prev != d.Hash() {
				t.Errorf("chain %s begins with %+v, error %v, want it after digest 1", e.Chain, page.Items, err)
			}
		}
		if begun == 0 {
			t.Error("no chain has begun")
		}
	})
}

// TestChainsExpireWhileTheyAreListed: a chain whose events all expire while the
// chains are listed, of which there are many, does not seem to go back.
func TestChainsExpireWhileTheyAreListed(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		execute(t, url, `INSERT INTO chain SELECT gen_random_uuid(), 7, decode(repeat('00', 32), 'hex') FROM generate_series(1, 2000)`)
		a, b := open(t, url), open(t, url)
		heads := make(map[metering.ID]int64)
		for round := range 8 {
			leave(t, b, 4, 1+4*round, true)
			for _, e := range extentsOf(t, b) {
				heads[e.Chain] = e.Head.Number
			}
			var expiring sync.WaitGroup
			expiring.Go(func() {
				if err := b.Expire(t.Context(), store.Expiry{Events: noon().Add(time.Hour)}); err != nil {
					t.Error(err)
				}
			})
			for range 3 {
				for _, e := range extentsOf(t, a) {
					if e.Head.Number < heads[e.Chain] || e.Head.Number < e.Floor.Number {
						t.Fatalf("chain %s went to event %d, and now from %d to %d", e.Chain, heads[e.Chain], e.Floor.Number, e.Head.Number)
					}
				}
			}
			expiring.Wait()
		}
		if len(heads) < 2001 {
			t.Errorf("%d chains were listed", len(heads))
		}
	})
}

func extentsOf(t *testing.T, s *postgres.Store) []store.Extent {
	t.Helper()
	all, err := s.Extents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// execute runs SQL as an operator of the database could.
func execute(t *testing.T, url, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// TestExpiryPassesDamage: an event that cannot be read stays, with what came after
// it in its chain, and keeps no other chain from being let go of.
func TestExpiryPassesDamage(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		for n := range 3 {
			s := open(t, url)
			for i := range 5 { // by two committers: one has two of them
				leave(t, s, 1, 100*(n+1)+i, true)
			}
		}
		s := open(t, url)
		execute(t, url, `UPDATE event SET body = substr(body, 1, 60)
			WHERE id IN (SELECT id FROM event WHERE number = 1 AND chain IN (SELECT chain FROM event WHERE number = 2) ORDER BY chain LIMIT 1)`)
		chains := len(extentsOf(t, s))
		err := s.Expire(t.Context(), store.Expiry{Events: noon().Add(time.Hour)})
		if !errors.As(err, new(*store.DamageError)) {
			t.Errorf("it is not told: %v", err)
		}
		gone := 0
		left, _ := store.KeptSince(extentsOf(t, s))
		for _, e := range left {
			if e.Floor == e.Head {
				gone++
			}
		}
		if gone != chains-1 {
			t.Errorf("%d of %d chains are gone, want all but one", gone, chains)
		}
	})
}
