package embedded_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// images takes what a loss of power would leave, before each write to a disk.
type images struct {
	mem   *vfs.MemFS
	mu    sync.Mutex
	armed bool
	n     uint64
	left  []*disk
}

func (i *images) files() vfs.FS {
	return errorfs.Wrap(i.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.armed {
			i.take()
		}
		return nil
	}))
}

func (i *images) take() {
	for _, kept := range []int{0, 50, 100} {
		i.n++
		i.left = append(i.left, newDisk(i.mem).crash(kept, i.n))
	}
}

// during returns the images of all that f does to the disk.
func (i *images) during(f func()) []*disk {
	set := func(armed bool) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.armed = armed
	}
	set(true)
	f()
	set(false)
	defer func() { i.left = nil }()
	return i.left
}

const dataDir = "/var/lib/meterd"

func openOn(t *testing.T, fs vfs.FS, keys *envelope.Keys) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(embedded.Options{Dir: dataDir, FS: fs, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// titled is a change of n products.
func titled(n int, title string) store.Change {
	c := store.Change{By: title, At: monthStart.Time()}
	for i := range n {
		c.Entries = append(c.Entries, &store.Product{Code: metering.ProductCode(fmt.Sprint(title, "-", i)), Title: title})
	}
	return c
}

// The power may fail at any moment of a change of the catalogue, small or large,
// that puts and removes: it is found whole or not at all, and whole once it was
// acknowledged. What is put next gets the next revision.
func TestInterruptedPutAnywhere(t *testing.T) {
	for _, part := range []int{1 << 20, 1500} {
		t.Run(fmt.Sprintf("part=%d", part), func(t *testing.T) {
			const n = 60
			i := &images{mem: vfs.NewCrashableMem()}
			s := openOn(t, i.files(), nil)
			s.SetPart(part)
			put := func(c store.Change) {
				if _, err := s.Put(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			put(titled(n, "old"))
			change := titled(n, "new")
			for _, e := range titled(n, "old").Entries {
				change.Remove = append(change.Remove, e.Ref())
			}
			acked := 0
			left := i.during(func() {
				put(change)
				i.mu.Lock()
				acked = len(i.left)
				i.take()
				i.mu.Unlock()
			})
			mustClose(t, s)
			t.Logf("%d images, %d of them before the end", len(left), acked)
			held := 0
			for at, d := range left {
				if testing.Short() && at%5 != 0 && at < acked {
					continue
				}
				again := openOn(t, d.files(), nil)
				if whole(t, again, at, n) {
					held++
				} else if at >= acked {
					t.Errorf("image %d: acknowledged and not there", at)
				}
				mustClose(t, again)
				once := openOn(t, d.files(), nil) // nothing is left to be done twice
				whole(t, once, at, n)
				mustClose(t, once)
			}
			if held == 0 || held == len(left) {
				t.Errorf("the change is in %d of %d images: it was not interrupted", held, len(left))
			}
		})
	}
}

// whole checks that a store holds the new products or the old ones, and says
// which.
func whole(t *testing.T, s *embedded.Store, at, n int) bool {
	t.Helper()
	cat := s.Catalog()
	found := map[string]int{}
	for e := range cat.All(store.KindProduct) {
		found[e.(*store.Product).Title]++
	}
	changed, revision, revisions := found["new"] > 0, int64(n), 1
	want := "old"
	if changed {
		want, revision, revisions = "new", 3*int64(n), 2
	}
	if found[want] != n || len(found) != 1 || cat.Revision() != revision {
		t.Errorf("image %d: %v at revision %d; want %d of %q at %d", at, found, cat.Revision(), n, want, revision)
	}
	for i := range n {
		ref := store.Ref{Kind: store.KindProduct, Name: fmt.Sprint("old-", i)}
		history, err := s.History(t.Context(), ref)
		if err != nil || len(history) != revisions || changed && history[1].Entry != nil {
			t.Errorf("image %d: the history of %v: %d revisions, error %v; want %d", at, ref, len(history), err, revisions)
		}
	}
	return changed
}

// The power may fail at any moment of an expiry: all of it has gone or nothing,
// and what is kept is there.
func TestInterruptedExpireAnywhere(t *testing.T) {
	i := &images{mem: vfs.NewCrashableMem()}
	s := openOn(t, i.files(), nil)
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for n := range 40 {
		c := one(n)
		c.At = at.Add(time.Duration(n-20) * 12 * time.Hour)
		c.Token = &store.Token{Value: fmt.Sprint(n)}
		r := store.Refusal{ID: c.Records[0].ID, Time: c.At, Seller: metering.AccountID(fmt.Sprint(n % 3)), Account: c.Account}
		c.After = func(store.Outcome) (store.Rest, error) {
			return store.Rest{Refusals: []store.Refusal{r}, Bind: &r.ID}, nil
		}
		if _, err := s.Append(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	acked := 0
	left := i.during(func() {
		if err := s.Expire(t.Context(), store.Expiry{Refusals: at, Tokens: at}); err != nil {
			t.Fatal(err)
		}
		i.mu.Lock()
		acked = len(i.left)
		i.take()
		i.mu.Unlock()
	})
	mustClose(t, s)
	for image, d := range left {
		again := openOn(t, d.files(), nil)
		refusals, tokens := 0, 0
		for seller := range 3 {
			p, err := again.Refusals(t.Context(), store.RefusalQuery{Seller: metering.AccountID(fmt.Sprint(seller))})
			if err != nil {
				t.Fatal(err)
			}
			refusals += len(p.Items)
		}
		for n := range 40 {
			c := one(n)
			c.Records, c.Token = nil, &store.Token{Value: fmt.Sprint(n)}
			out, err := again.Append(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if out.Answer != nil {
				tokens++
			}
		}
		// The first token of the day of the time, too, stays.
		kept := refusals == 20 && tokens == 21
		if all := refusals == 40 && tokens == 40; !kept && (!all || image >= acked) {
			t.Errorf("image %d of %d, %d before the end: %d refusals and %d tokens", image, len(left), acked, refusals, tokens)
		}
		if found := count(t, again); found != 40 {
			t.Errorf("image %d: %d records, want 40", image, found)
		}
		mustClose(t, again)
	}
}
