package embedded_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// A reader is not shown what a crash could take back.
func TestReadersSeeWhatIsDurable(t *testing.T) {
	d := newDisk(vfs.NewCrashableMem())
	s, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	release := d.hold()
	var wg sync.WaitGroup
	decided := make(chan struct{})
	c := one(1)
	id := c.Records[0].ID
	c.After = func(store.Outcome) (store.Rest, error) { close(decided); return store.Rest{}, nil }
	wg.Go(func() {
		if _, err := s.Append(t.Context(), c); err != nil {
			t.Error(err)
		}
	})
	<-decided
	read := make(chan []metering.Record, 1)
	wg.Go(func() {
		for {
			p, err := s.Records(t.Context(), store.RecordQuery{Product: "p", To: 500000})
			if err != nil {
				t.Error(err)
			}
			if err != nil || len(p.Items) > 0 {
				read <- p.Items
				return
			}
		}
	})
	select {
	case got := <-read:
		t.Errorf("a reader was shown %d records before their sync", len(got))
		read <- got
	case <-time.After(50 * time.Millisecond):
	}
	release()
	wg.Wait()
	if got := <-read; len(got) != 1 || got[0].ID != id {
		t.Errorf("after the sync: got %d records, want record %s", len(got), id)
	}
	mustClose(t, s)
}

func TestClosed(t *testing.T) {
	s := mustOpen(t, "")
	appendOne(t, s, 1)
	mustClose(t, s)
	mustClose(t, s) // again is no error
	if _, err := s.Append(t.Context(), one(2)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Append: got %v, want %v", err, store.ErrClosed)
	}
	if _, err := s.Records(t.Context(), store.RecordQuery{Product: "p", To: 500000}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Records: got %v, want %v", err, store.ErrClosed)
	}
}

// Calls that race with Close are committed or refused, not lost between.
func TestCloseWhileAppending(t *testing.T) {
	d := newDisk(vfs.NewCrashableMem())
	s, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var acked atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				switch _, err := s.Append(t.Context(), one(i*10000+n)); {
				case err == nil:
					acked.Add(1)
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
	found := int64(0)
	for cursor := ""; ; {
		p, err := s.Records(t.Context(), store.RecordQuery{Product: "p", To: 500000, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		found += int64(len(p.Items))
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if found != acked.Load() {
		t.Errorf("%d acknowledged, %d there", acked.Load(), found)
	}
	mustClose(t, s)
}
