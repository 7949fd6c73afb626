package embedded_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/promise"
)

// smallDisk is a disk that can be full.
type smallDisk struct {
	vfs.FS
	mem  *vfs.MemFS
	size atomic.Int64 // of the disk
	used atomic.Int64 // by others, and by what was written
	hit  atomic.Bool  // a write found it full
}

func newSmallDisk(size int64) *smallDisk {
	d := &smallDisk{mem: vfs.NewCrashableMem()}
	d.size.Store(size)
	d.FS = errorfs.Wrap(d.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && d.used.Load() >= d.size.Load() {
			d.hit.Store(true)
			return syscall.ENOSPC
		}
		return nil
	}))
	return d
}

func (d *smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: uint64(max(0, d.size.Load()-d.used.Load()))}, nil
}

func (d *smallDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return &countedFile{f, d}, nil
}

type countedFile struct {
	vfs.File
	disk *smallDisk
}

func (f *countedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.disk.used.Add(int64(n))
	return n, err
}

// A disk that fills up: below the reserve nothing is written, and it is said so
// before any write fails; what is there can be read; and when there is room again,
// the next look finds it.
func TestDiskFullThenFreed(t *testing.T) {
	const reserve = 64 << 20
	tally := promise.NewTally(t)
	for seed := range tally.Runs(3) {
		d := newSmallDisk(reserve + int64(8+seed%8)<<20)
		s, err := embedded.Open(embedded.Options{Dir: dataDir, FS: d, Reserve: reserve})
		if err != nil {
			t.Fatal(err)
		}
		var history promise.History
		script := newScript(seed)
		append := func() error {
			c := script.call()
			c.Records[0].Workload = strings.Repeat("x", 200<<10)
			_, err := history.Append(t.Context(), s, c)
			return err
		}
		fill := func() {
			for n := 0; ; n++ {
				err := append()
				if errors.Is(err, store.ErrNoRoom) && errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrUnknown) {
					return
				}
				if err != nil || n > 10_000 {
					t.Fatalf("seed %d: call %d got %v, want %v", seed, n, err, store.ErrNoRoom)
				}
			}
		}
		judge := func() {
			found, err := history.CheckStore(t.Context(), s) // it reads
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range found {
				t.Errorf("seed %d: %v", seed, v)
			}
		}
		for range 3 {
			fill()
			if err := s.Err(); !errors.Is(err, store.ErrNoRoom) {
				t.Errorf("seed %d: Err is %v, want %v", seed, err, store.ErrNoRoom)
			}
			if _, err := s.Put(t.Context(), titled(1, "full")); !errors.Is(err, store.ErrNoRoom) {
				t.Errorf("seed %d: Put got %v, want %v", seed, err, store.ErrNoRoom)
			}
			if err := s.Expire(t.Context(), store.Expiry{Refusals: monthStart.Time()}); err != nil {
				t.Errorf("seed %d: Expire, which makes room: %v", seed, err)
			}
			s.Look()
			if err := append(); !errors.Is(err, store.ErrNoRoom) {
				t.Errorf("seed %d: after a look at a full disk: %v", seed, err)
			}
			judge()
			d.size.Add(8 << 20)
			s.Look()
			if err := append(); err != nil {
				t.Errorf("seed %d: with room again: %v", seed, err)
			}
			judge()
			tally.Add("times_full", 1)
		}
		if d.hit.Load() {
			t.Errorf("seed %d: a write was tried on a full disk", seed)
		}
		mustClose(t, s)
		again, err := embedded.Open(embedded.Options{Dir: dataDir, FS: d.mem})
		if err != nil {
			t.Fatal(err)
		}
		s = again
		judge()
		mustClose(t, again)
	}
}

// A directory that is opened without room says so at once, and can be read.
func TestOpenedWithoutRoom(t *testing.T) {
	d := newSmallDisk(1 << 30)
	s, err := embedded.Open(embedded.Options{Dir: dataDir, FS: d})
	if err != nil {
		t.Fatal(err)
	}
	appendOne(t, s, 1)
	mustClose(t, s)
	if s, err = embedded.Open(embedded.Options{Dir: dataDir, FS: d, Reserve: 2 << 30}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), one(2)); !errors.Is(err, store.ErrNoRoom) {
		t.Errorf("Append: got %v, want %v", err, store.ErrNoRoom)
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
	mustClose(t, s)
}
