package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store"
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
