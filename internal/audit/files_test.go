package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/bucket"
	"github.com/meterd/meterd/internal/bucket/s3test"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// trailWorld is a store that events are left in.
type trailWorld struct {
	*testing.T
	store *embedded.Store
	dir   string
	left  int
	now   time.Time
}

func newTrailWorld(t *testing.T) *trailWorld {
	w := &trailWorld{T: t, dir: t.TempDir(), now: time.Date(2026, 11, 26, 23, 58, 0, 0, time.UTC)}
	w.open()
	t.Cleanup(func() { w.store.Close() })
	return w
}

func (w *trailWorld) open() {
	w.Helper()
	db, err := embedded.Open(embedded.Options{Dir: w.dir})
	if err != nil {
		w.Fatal(err)
	}
	w.store = db
}

// reopen begins another chain.
func (w *trailWorld) reopen() {
	w.Helper()
	if err := w.store.Close(); err != nil {
		w.Fatal(err)
	}
	w.open()
}

var (
	trailAccounts = []metering.AccountID{"111122223333", "444455556666"}
	trailRegions  = []string{"us-east-1", "eu-west-1", "../../etc"}
)

// leave leaves n events, a minute apart.
func (w *trailWorld) leave(n int) {
	w.Helper()
	for range n {
		w.left++
		w.now = w.now.Add(time.Minute)
		ev := store.Event{
			Time: w.now, Account: trailAccounts[w.left%2], Region: trailRegions[w.left%len(trailRegions)],
			Operation: metering.MeterUsage, UserAgent: "a \"user\"\nof lines",
		}
		ev.ID[0], ev.ID[14], ev.ID[15] = 1, byte(w.left>>8), byte(w.left)
		call := store.Call{Account: ev.Account, Region: ev.Region, At: ev.Time, After: func(store.Outcome) (store.Rest, error) {
			return store.Rest{Event: &ev}, nil
		}}
		if _, err := w.store.Append(w.Context(), call); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *trailWorld) writer(to Destination) *Writer {
	return &Writer{Store: w.store, To: to, Now: func() time.Time { w.now = w.now.Add(time.Second); return w.now }, Log: slog.New(slog.DiscardHandler)}
}

func (w *trailWorld) write(to Destination) Written {
	w.Helper()
	done, err := w.writer(to).Write(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return done
}

// once checks that the folder proves itself, and has each event once.
func (w *trailWorld) once(from Destination) *FolderReport {
	w.Helper()
	r, err := VerifyFiles(w.Context(), from)
	if err != nil {
		w.Fatal(err)
	}
	if len(r.Problems) > 0 {
		w.Errorf("a folder that nobody touched: %s", strings.Join(r.Problems, "\n"))
	}
	seen := w.events(from, root, make(map[string]int))
	for i := 1; i <= w.left; i++ {
		id := metering.ID{0: 1, 14: byte(i >> 8), 15: byte(i)}.String()
		if seen[id] != 1 {
			w.Errorf("event %d is there %d times", i, seen[id])
		}
	}
	if len(seen) != w.left || r.Events != int64(w.left) {
		w.Errorf("got %d events, %d by the report, want %d", len(seen), r.Events, w.left)
	}
	return r
}

// events counts the events of all files, by id.
func (w *trailWorld) events(from Destination, folder string, seen map[string]int) map[string]int {
	w.Helper()
	names, err := from.List(w.Context(), folder)
	if err != nil {
		w.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "/") {
			w.events(from, name, seen)
		}
		if !strings.HasSuffix(name, ofEvents) {
			continue
		}
		b, err := from.Get(w.Context(), name)
		if err != nil {
			w.Fatal(err)
		}
		err = eachLine(b, func(line []byte) error {
			var ev struct{ EventID, RecipientAccountID string }
			err := json.Unmarshal(line, &ev)
			seen[ev.EventID]++
			if !strings.HasPrefix(name, root+ev.RecipientAccountID+"/") {
				w.Errorf("%s has an event of account %s", name, ev.RecipientAccountID)
			}
			return err
		})
		if err != nil {
			w.Errorf("%s: %v", name, err)
		}
	}
	return seen
}

func newDirectory(t *testing.T) *Directory {
	t.Helper()
	d, err := NewDirectory(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// onDestinations runs a test on each kind of destination. fresh makes an empty one.
func onDestinations(t *testing.T, test func(t *testing.T, fresh func() Destination)) {
	t.Run("directory", func(t *testing.T) {
		test(t, func() Destination { return newDirectory(t) })
	})
	t.Run("bucket", func(t *testing.T) {
		at, n := s3test.Start(t), 0
		test(t, func() Destination {
			n++
			l, err := bucket.Parse(strings.Replace(at, "kept", fmt.Sprint("kept", n), 1))
			if err != nil {
				t.Fatal(err)
			}
			b, err := bucket.Open(l)
			if err != nil {
				t.Fatal(err)
			}
			return b
		})
	})
}

func TestFilesHaveEachEventOnce(t *testing.T) {
	onDestinations(t, func(t *testing.T, fresh func() Destination) {
		w, to := newTrailWorld(t), fresh()
		if done := w.write(to); done != (Written{}) {
			t.Errorf("of an empty store: %+v", done)
		}
		w.leave(7)
		w.write(to)
		kept := w.writer(to)
		w.leave(5) // past midnight
		for range 2 {
			if _, err := kept.Write(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.leave(3)
		}
		w.reopen()
		w.leave(4)
		w.write(to)
		r := w.once(to)
		if r.First != 1 || r.Last != 4 {
			t.Errorf("digests %d to %d, want 1 to 4", r.First, r.Last)
		}
		if done := w.write(to); done != (Written{}) {
			t.Errorf("with nothing new: %+v", done)
		}
	})
}

var errCut = errors.New("cut short")

// cutting is a destination whose writer is cut short at a put: before it is done,
// or after. Files are put by several at once.
type cutting struct {
	Destination
	after bool

	mu   sync.Mutex
	left int
	cut  bool
}

func (c *cutting) Put(ctx context.Context, name string, content []byte) error {
	c.mu.Lock()
	before := c.cut
	if !before {
		c.left--
		c.cut = c.left < 0
	}
	now := c.cut
	c.mu.Unlock()
	if before || now && !c.after {
		return errCut
	}
	err := c.Destination.Put(ctx, name, content)
	if now {
		return errCut
	}
	return err
}

func TestFilesOfAWriterCutShort(t *testing.T) {
	onDestinations(t, func(t *testing.T, fresh func() Destination) {
		for _, after := range []bool{false, true} {
			for at, whole := 0, false; !whole; at++ {
				w, to := newTrailWorld(t), fresh()
				w.leave(6)
				c := &cutting{Destination: to, left: at, after: after}
				wr := w.writer(c)
				_, err := wr.Write(t.Context())
				if whole = err == nil; !whole && !c.cut {
					t.Fatal(err)
				}
				w.leave(4)
				if at%2 == 0 { // the same writer tries again, or another process does
					c.cut, c.left = false, 1<<20
					if _, err := wr.Write(t.Context()); err != nil {
						t.Fatalf("cut at put %d: %v", at, err)
					}
				}
				w.write(to)
				w.once(to)
				if t.Failed() {
					t.Fatalf("cut at put %d, after it %t", at, after)
				}
			}
		}
	})
}

func TestFilesOfTwoWriters(t *testing.T) {
	onDestinations(t, func(t *testing.T, fresh func() Destination) {
		w, to := newTrailWorld(t), fresh()
		w.leave(3)
		now := w.now
		failed := make(chan error, 4)
		for i := range cap(failed) {
			wr := &Writer{Store: w.store, To: to, Now: func() time.Time { return now.Add(time.Duration(i) * time.Minute) }, Log: slog.New(slog.DiscardHandler)}
			go func() {
				var err error
				for range 6 {
					_, e := wr.Write(context.WithoutCancel(t.Context()))
					err = errors.Join(err, e)
				}
				failed <- err
			}()
		}
		w.leave(40)
		for range cap(failed) {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		w.write(to)
		w.once(to)
	})
}

func TestFilesThatWereWrittenOtherwise(t *testing.T) {
	w, to := newTrailWorld(t), newDirectory(t)
	w.leave(6)
	c := &cutting{Destination: to, left: 100}
	w.write(c)
	// What a writer of another version leaves that was cut short before the manifest.
	other := newDirectory(t)
	begin, err := to.Get(t.Context(), beginName)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := newest(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	b, err := to.Get(t.Context(), m.Files[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := eachLine(b, func(line []byte) error {
		text = append(text, slices.Concat([]byte(" "), line, []byte("\n"))...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	put := func(name string, content []byte) {
		t.Helper()
		if err := other.Put(t.Context(), name, content); err != nil {
			t.Fatal(err)
		}
	}
	put(beginName, begin)
	put(m.Files[0].Name, pack(text))
	w.write(other)
	w.once(other)

	third := newDirectory(t)
	other = third
	put(beginName, begin)
	put(m.Files[0].Name, pack(append(text, text...)))
	if _, err := w.writer(third).Write(t.Context()); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a file with other events: %v", err)
	}
}
