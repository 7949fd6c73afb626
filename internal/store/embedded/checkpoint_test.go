package embedded_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterd/meterd/internal/store"
)

// A checkpoint that is made while calls and changes go on holds all that was
// acknowledged before, and nothing half.
func TestCheckpoint(t *testing.T) {
	home := t.TempDir()
	s := mustOpen(t, filepath.Join(home, "data"))
	defer s.Close()
	s.SetPart(2000)
	const pairs = 50 // of products in a change
	var (
		wg           sync.WaitGroup
		stop         = make(chan struct{})
		acked, round atomic.Int64
	)
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				c := one(i<<20 | n)
				twin := c.Records[0]
				twin.Key.Dimension, twin.ID[0] = "twin", 1
				twin.Workload = strings.Repeat("x", 2000) // for logs to be rotated
				c.Records = append(c.Records, twin)
				if _, err := s.Append(t.Context(), c); err != nil {
					t.Error(err)
					return
				}
				acked.Add(1)
			}
		})
	}
	wg.Go(func() {
		for n := int64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Put(t.Context(), catalogue(2*pairs, int(n))); err != nil {
				t.Error(err)
				return
			}
			round.Store(n)
		}
	})
	type made struct {
		dir           string
		calls, rounds int64
	}
	var all []made
	for _, name := range []string{"a", "deep/er/b", "c", "data/inside", "d", "e"} {
		m := made{filepath.Join(home, name), acked.Load(), round.Load()}
		if err := s.Checkpoint(m.dir); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
		time.Sleep(20 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	for _, m := range all {
		info, err := os.Stat(m.dir)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, error %v, want it for its owner alone", m.dir, info.Mode(), err)
		}
		c := mustOpen(t, m.dir)
		found := count(t, c)
		if found%2 != 0 || int64(found) < 2*m.calls || int64(found) > 2*acked.Load() {
			t.Errorf("%s: %d records of pairs, of %d acknowledged before it began", m.dir, found, m.calls)
		}
		cat := c.Catalog()
		if n := cat.Len(store.KindAgreement); n != pairs && (n != 0 || m.rounds > 0) {
			t.Errorf("%s: %d agreements of changes of %d, %d of which were acknowledged", m.dir, n, pairs, m.rounds)
		}
		if n := cat.Revision(); n%(2*pairs) != 0 || n < m.rounds*2*pairs {
			t.Errorf("%s: revision %d, of %d changes of %d", m.dir, n, m.rounds, 2*pairs)
		}
		appendOne(t, c, 9<<20) // it is a store like any other
		mustClose(t, c)
	}
	t.Logf("%d calls, %d changes", acked.Load(), round.Load())
	if err := s.Checkpoint(all[0].dir); !errors.Is(err, fs.ErrExist) || s.Err() != nil {
		t.Errorf("into a directory that is there: got %v, want %v", err, fs.ErrExist)
	}
	memory := mustOpen(t, "")
	if err := memory.Checkpoint(filepath.Join(home, "m")); err == nil {
		t.Error("a store in memory made a checkpoint")
	}
	mustClose(t, memory)
	if err := memory.Checkpoint(filepath.Join(home, "m")); err == nil {
		t.Error("a closed store made a checkpoint")
	}
}

// A disk that a checkpoint cannot be written to is no reason to end the store,
// and what was written is not taken for a store.
func TestFailedCheckpoint(t *testing.T) {
	for k := range int64(200) {
		var n atomic.Int64
		n.Store(-1 << 40)
		mem := vfs.NewCrashableMem()
		s := openOn(t, errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpRemove || op.Kind == errorfs.OpRemoveAll {
				return nil // to tidy up needs no space
			}
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && !strings.HasPrefix(op.Path, dataDir) && n.Add(1) > k {
				return errDisk
			}
			return nil
		})), nil)
		appendOne(t, s, 1)
		n.Store(0)
		err := s.Checkpoint("/backup/today")
		failed := n.Load() > k
		n.Store(-1 << 40)
		if failed != (err != nil) {
			t.Fatalf("operation %d failed: %t, and Checkpoint: %v", k, failed, err)
		}
		appendOne(t, s, 2)
		mustClose(t, s)
		if !failed {
			t.Logf("%d operations", k)
			return
		}
		if _, err := mem.Stat("/backup/today/FORMAT"); err == nil {
			t.Fatalf("operation %d failed, and there is a checkpoint", k)
		}
	}
	t.Fatal("there is no end of operations")
}

// A checkpoint of a store that fails meanwhile ends.
func TestCheckpointOfFailingStore(t *testing.T) {
	d := newDisk(vfs.NewCrashableMem())
	s, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	d.fail.Store(true)
	if err := s.Checkpoint("/backup"); err == nil || s.Err() == nil {
		t.Errorf("got %v, and the store's error %v; want both", err, s.Err())
	}
	if err := s.Close(); err == nil {
		t.Error("Close: no error of a store that has failed")
	}
	if _, err := d.Stat("/backup/FORMAT"); err == nil {
		t.Error("there is a checkpoint of a store that had failed")
	}
}
