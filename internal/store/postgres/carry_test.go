package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// An import brings revisions entry by entry. A node that looks on does not take
// those that are there for all there are up to the highest.
func TestNodeBesideAnImport(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		importing, beside := open(t, url), open(t, url)
		revision := func(number int64, e store.Entry) []store.Item {
			return []store.Item{{Revision: &store.CarriedRevision{
				Ref: e.Ref(), Revision: store.Revision{Number: number, By: "anna", At: noon(), Entry: e},
			}}}
		}
		if err := importing.Import(t.Context(), revision(2, &store.Account{ID: seller}), "half"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second / 2) // it looks every second
		if n := beside.Catalog().Revision(); n != 0 {
			t.Fatalf("while an import is under way, the node beside is at revision %d", n)
		}
		if _, err := beside.Put(t.Context(), store.Change{Entries: []store.Entry{&store.Account{ID: "1"}}}); !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("Put while an import is under way: got %v, want %v", err, store.ErrUnavailable)
		}
		if err := beside.Err(); err != nil {
			t.Fatalf("the node beside: %v", err)
		}
		if err := importing.Import(t.Context(), revision(1, &store.Product{Code: "prod"}), ""); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the node beside has all of the catalogue", func() bool {
			cat := beside.Catalog()
			return cat.Revision() == 2 && cat.Account(seller) != nil && cat.Product("prod") != nil
		})
	})
}

// Of two imports into one empty database the second is refused, although it began
// before the first one was there: nobody is to find the two of them in one store.
func TestImportsAtOnce(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		d := newDatabase(t, c, migrated(t, c))
		first, second := d.mustOpen(t), open(t, d.url)
		bring := func(s *postgres.Store, n int) <-chan error {
			told := make(chan error, 1)
			r := record(n, n, 1)
			go func() { told <- s.Import(context.Background(), []store.Item{{Record: &r}}, "") }()
			return told
		}
		release := d.proxy.HoldCommits()
		one := bring(first, 1)
		d.proxy.AwaitHeld(1)
		other := bring(second, 2)
		eventually(t, "the second waits for the first", func() bool {
			return query[bool](t, d.url, `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock')`)
		})
		release()
		if err := <-one; err != nil {
			t.Error(err)
		}
		if err := <-other; !errors.Is(err, store.ErrNotEmpty) {
			t.Errorf("the second: got %v, want %v", err, store.ErrNotEmpty)
		}
		if n := query[int64](t, d.url, `SELECT count(*) FROM record`); n != 1 {
			t.Errorf("%d records, want those of one import", n)
		}
	})
}
