package embedded_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// The power may fail at any moment of an import: each part is there whole, with
// where the import stands, or not at all.
func TestInterruptedImportAnywhere(t *testing.T) {
	const parts, size = 6, 20
	part := func(n int) (items []store.Item) {
		for i := range size {
			r := one(n*size + i).Records[0]
			items = append(items, store.Item{Record: &r}, store.Item{Revision: &store.CarriedRevision{
				Ref:      store.Ref{Kind: store.KindProduct, Name: fmt.Sprint(i)},
				Revision: store.Revision{Number: int64(n*size + i + 1), At: monthStart.Time(), Entry: &store.Product{Code: metering.ProductCode(fmt.Sprint(i)), Title: fmt.Sprint(n)}},
			}})
		}
		return items
	}
	i := &images{mem: vfs.NewCrashableMem()}
	s := openOn(t, i.files(), nil)
	left := i.during(func() {
		for n := range parts {
			if err := s.Import(t.Context(), part(n), fmt.Sprint(n+1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Import(t.Context(), nil, ""); err != nil {
			t.Fatal(err)
		}
		i.mu.Lock()
		i.take()
		i.mu.Unlock()
	})
	mustClose(t, s)
	seen := map[int]bool{}
	for image, d := range left {
		again := openOn(t, d.files(), nil)
		at, err := again.Importing(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found, revision := count(t, again), again.Catalog().Revision()
		n := 0
		if _, err := fmt.Sscan(at, &n); err != nil && found > 0 {
			n = parts // it has come to its end
		}
		if found != n*size || revision != int64(n*size) {
			t.Errorf("image %d: stands at %q with %d records and the catalogue at revision %d; want %d of each", image, at, found, revision, n*size)
		}
		seen[n] = true
		mustClose(t, again)
	}
	if len(seen) != parts+1 {
		t.Errorf("%d images show the import at %v: it was not interrupted everywhere", len(left), seen)
	}
}
