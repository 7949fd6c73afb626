package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterd/meterd/internal/store"
)

// Whatever write or sync fails, and whichever: a change and an expiry that were
// acknowledged are there afterwards, one that got a definite error is not, and
// none is there half.
func TestEveryFileOperationFailsInChanges(t *testing.T) {
	step := int64(1)
	if testing.Short() {
		step = 7
	}
	outcomes := make(map[string]int)
	for k := int64(0); ; k += step {
		if done := changeFailsAt(t, k, outcomes); done {
			t.Logf("%d operations; %v", k, outcomes)
			return
		}
	}
}

func changeFailsAt(t *testing.T, k int64, outcomes map[string]int) (done bool) {
	t.Helper()
	const products = 12
	mem := vfs.NewCrashableMem()
	var n atomic.Int64
	n.Store(-1 << 40)
	s := openOn(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && n.Add(1) > k {
			return errDisk
		}
		return nil
	})), nil)
	s.SetPart(600)
	at := monthStart.Time()
	c := one(1)
	c.After = func(store.Outcome) (store.Rest, error) {
		return store.Rest{Refusals: []store.Refusal{{ID: c.Records[0].ID, Time: at, Seller: "1", Account: c.Account}}}, nil
	}
	if _, err := s.Append(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), titled(products, "old")); err != nil {
		t.Fatal(err)
	}
	n.Store(0)
	change := titled(products, "new")
	for _, e := range titled(products, "old").Entries {
		change.Remove = append(change.Remove, e.Ref())
	}
	_, put := s.Put(t.Context(), change)
	expire := s.Expire(t.Context(), store.Expiry{Refusals: at.Add(1)})
	if put != nil && (expire == nil || errors.Is(expire, store.ErrUnknown)) {
		t.Fatalf("operation %d failed: Put got %v, and a later call %v", k, put, expire)
	}
	if put != nil && s.Catalog().Revision() != products {
		t.Fatalf("operation %d failed: the catalogue took a change that got %v", k, put)
	}
	hit := n.Load() > k
	for _, kept := range []int{0, 100} {
		again := openOn(t, newDisk(mem).crash(kept, uint64(k)).files(), nil)
		changed := whole(t, again, int(k), products)
		p, err := again.Refusals(t.Context(), store.RefusalQuery{Seller: "1"})
		if err != nil {
			t.Fatal(err)
		}
		expired := len(p.Items) == 0
		for what, got := range map[string]struct {
			there bool
			err   error
		}{"Put": {changed, put}, "Expire": {expired, expire}} {
			definite := got.err != nil && !errors.Is(got.err, store.ErrUnknown)
			if got.err == nil && !got.there || definite && got.there {
				t.Fatalf("operation %d failed, crash image %d: %s got %v, and is there: %t", k, kept, what, got.err, got.there)
			}
			outcomes[fmt.Sprintf("%s there=%t acked=%t definite=%t", what, got.there, got.err == nil, definite)]++
		}
		mustClose(t, again)
	}
	if err := s.Close(); err == nil && hit && s.Err() != nil {
		t.Fatalf("operation %d failed and Close: nil", k)
	}
	return !hit
}

// A change that is cancelled before it holds leaves nothing, and the next one is
// made as if it had never been.
func TestCancelledLargePut(t *testing.T) {
	const products = 30
	var left *disk
	cancelled := 0
	for after := int64(1); after < 60; after++ {
		mem := vfs.NewCrashableMem()
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64
		n.Store(-1 << 40)
		s := openOn(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && n.Add(1) == after {
				cancel()
			}
			return nil
		})), nil)
		s.SetPart(600)
		if _, err := s.Put(t.Context(), titled(products, "old")); err != nil {
			t.Fatal(err)
		}
		n.Store(0)
		_, err := s.Put(ctx, titled(products, "new"))
		n.Store(-1 << 40)
		want := int64(2 * products)
		if err != nil {
			if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnknown) {
				t.Fatalf("cancelled at operation %d: got %v, want a definite %v", after, err, context.Canceled)
			}
			want = products
			cancelled++
		}
		if got, err := s.Put(t.Context(), titled(1, "next")); err != nil || got != want+1 {
			t.Fatalf("cancelled at operation %d: the next change got revision %d, error %v, want %d", after, got, err, want+1)
		}
		left = newDisk(mem).crash(0, 0)
		mustClose(t, s)
		again := openOn(t, left.files(), nil)
		if got := again.Catalog(); got.Revision() != want+1 || got.Len(store.KindProduct) != int(want)+1 {
			t.Fatalf("cancelled at operation %d: %d products at revision %d, want %d", after, got.Len(store.KindProduct), got.Revision(), want+1)
		}
		mustClose(t, again)
		cancel()
	}
	if cancelled == 0 || cancelled == 59 {
		t.Errorf("%d of 59 changes were cancelled", cancelled)
	}
}

// Close waits for a change that has begun; one that has not is refused.
func TestCloseWhilePutting(t *testing.T) {
	d := newDisk(vfs.NewCrashableMem())
	s, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	s.SetPart(600)
	var wg sync.WaitGroup
	var acked atomic.Int64
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				switch _, err := s.Put(t.Context(), titled(10, fmt.Sprint(i, n))); {
				case err == nil:
					acked.Add(10)
				case errors.Is(err, store.ErrClosed):
					return
				default:
					t.Errorf("got %v, want success or %v", err, store.ErrClosed)
					return
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	mustClose(t, s)
	wg.Wait()
	if s, err = d.open(); err != nil {
		t.Fatal(err)
	}
	if n := s.Catalog().Len(store.KindProduct); int64(n) != acked.Load() || n == 0 {
		t.Errorf("%d acknowledged, %d there", acked.Load(), n)
	}
	mustClose(t, s)
}

// What a cancelled change has written is not taken for a part of the next one.
func TestPutAfterCancelledPutAnywhere(t *testing.T) {
	const products = 30
	i := &images{mem: vfs.NewCrashableMem()}
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	s := openOn(t, errorfs.Wrap(i.files(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && n.Add(1) == 12 {
			cancel()
		}
		return nil
	})), nil)
	s.SetPart(600)
	n.Store(0)
	if _, err := s.Put(ctx, titled(10*products, "cancelled")); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	left := i.during(func() {
		if _, err := s.Put(t.Context(), titled(products/3, "next")); err != nil {
			t.Fatal(err)
		}
	})
	mustClose(t, s)
	for at, d := range left {
		again := openOn(t, d.files(), nil)
		if n := again.Catalog().Len(store.KindProduct); n != 0 && n != products/3 || again.Catalog().Revision() != int64(n) {
			t.Errorf("image %d: %d products at revision %d", at, n, again.Catalog().Revision())
		}
		mustClose(t, again)
	}
}
