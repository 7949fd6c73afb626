package embedded_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/promise"
)

// failure is a way in which a file operation fails.
type failure struct {
	name  string
	err   error
	syncs bool // only syncs fail
	short bool // only writes fail, and half of what was to be written is there
	once  bool // the disk works again afterwards
}

var failures = []failure{
	{name: "EIO from then on", err: syscall.EIO},
	{name: "ENOSPC once", err: syscall.ENOSPC, once: true},
	{name: "a short write", err: io.ErrShortWrite, short: true, once: true},
	{name: "a failed fsync", err: syscall.EIO, syncs: true, once: true},
}

// Whatever write, sync, create or rename fails, and whichever: what was
// acknowledged is there afterwards, what came after the failure was not
// acknowledged, and the process is alive to say so. Logs are rotated and tables
// written in between.
func TestEveryFileOperationFails(t *testing.T) {
	step := int64(1)
	if testing.Short() {
		step = 11
	}
	tally := promise.NewTally(t)
	for seed := range tally.Runs(1) {
		for _, f := range failures {
			for k := int64(0); failAt(t, f, k, seed, tally); k += step {
				tally.Add(strings.ReplaceAll(f.name, " ", "_"), 1)
			}
		}
	}
}

// failAt lets the k-th operation of a kind fail, after opening. It returns false
// if there are not so many.
func failAt(t *testing.T, f failure, k int64, seed uint64, tally *promise.Tally) (failed bool) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	fs := &failingFS{FS: mem, failure: f, at: k}
	s, err := embedded.Open(embedded.Options{Dir: dataDir, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	fs.armed.Store(true)
	var history promise.History
	script := newScript(seed)
	var open []store.Call // what may be there or not
	down := false
	for range 40 {
		c := script.call()
		c.Records[0].Workload = strings.Repeat("x", 20<<10)
		_, err := history.Append(t.Context(), s, c)
		if err != nil && !down {
			history.Down()
			down = true
		}
		if errors.Is(err, store.ErrUnknown) {
			open = append(open, c)
		}
	}
	// A table being written in the background may be what failed.
	for i := 0; fs.hit.Load() != nil && s.Err() == nil && i < 100; i++ {
		time.Sleep(time.Millisecond)
	}
	fs.armed.Store(false)
	say := func(format string, args ...any) {
		t.Errorf("seed %d, %s, operation %d (%v): %s\n%s", seed, f.name, k, fs.hit.Load(), fmt.Sprintf(format, args...), promise.Replay(t, "internal/store/embedded", seed))
	}
	if down && s.Err() == nil {
		say("failed, and Err is nil")
	}
	images := []*disk{newDisk(mem).crash(0, 0), newDisk(mem).crash(50, seed+uint64(k))}
	if err := s.Close(); fs.hit.Load() == nil {
		if err != nil {
			t.Fatal(err)
		}
		return false
	}
	for i, image := range images {
		again, err := embedded.Open(embedded.Options{Dir: dataDir, FS: image.MemFS})
		if err != nil {
			say("image %d: opening after the crash: %v", i, err)
			continue
		}
		after := history.At(history.Now())
		after.Up()
		for _, c := range open { // whoever got no answer asks again
			c.Records = slices.Clone(c.Records)
			for i := range c.Records {
				c.Records[i].ID[1] = 1 // made for each attempt
			}
			if _, err := after.Append(t.Context(), again, c); err != nil {
				say("image %d: a repetition: %v", i, err)
			}
		}
		found, err := after.CheckStore(t.Context(), again)
		if err != nil {
			say("image %d: %v", i, err)
		}
		for _, v := range found {
			say("image %d: %v", i, v)
		}
		tally.Add("images", 1)
		mustClose(t, again)
	}
	return true
}

// failingFS is a file system of which one operation fails.
type failingFS struct {
	vfs.FS
	failure
	at    int64
	armed atomic.Bool
	n     atomic.Int64
	hit   atomic.Value // the file that it struck, when it has
}

// strikes reports whether this operation is to fail.
func (f *failingFS) strikes(op, name string) bool {
	if !f.armed.Load() || f.syncs && op != "sync" || f.short && op != "write" {
		return false
	}
	n := f.n.Add(1) - 1
	if n < f.at || f.once && n > f.at {
		return false
	}
	f.hit.CompareAndSwap(nil, op+" "+name)
	return true
}

func (f *failingFS) file(op, name string, open func() (vfs.File, error)) (vfs.File, error) {
	if f.strikes(op, name) {
		return nil, f.err
	}
	file, err := open()
	if err != nil {
		return nil, err
	}
	return &failingFile{File: file, fs: f, name: name}, nil
}

func (f *failingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.file("create", name, func() (vfs.File, error) { return f.FS.Create(name, c) })
}

func (f *failingFS) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.file("reuse", newname, func() (vfs.File, error) { return f.FS.ReuseForWrite(oldname, newname, c) })
}

func (f *failingFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.file("open", name, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, opts...) })
}

func (f *failingFS) OpenDir(name string) (vfs.File, error) {
	return f.file("open", name, func() (vfs.File, error) { return f.FS.OpenDir(name) })
}

func (f *failingFS) Rename(oldname, newname string) error {
	if f.strikes("rename", oldname) {
		return f.err
	}
	return f.FS.Rename(oldname, newname)
}

// failingFile is a file of it. After a sync that failed it is as Linux has it:
// what was not written by then is dropped, and the next sync reports success.
type failingFile struct {
	vfs.File
	fs      *failingFS
	name    string
	dropped atomic.Bool
}

func (f *failingFile) Write(p []byte) (int, error) {
	if !f.fs.strikes("write", f.name) {
		return f.File.Write(p)
	}
	if !f.fs.short {
		return 0, f.fs.err
	}
	n, err := f.File.Write(p[:len(p)/2])
	return n, errors.Join(f.fs.err, err)
}

func (f *failingFile) sync(sync func() error) error {
	if f.dropped.Load() {
		return nil
	}
	if f.fs.strikes("sync", f.name) {
		f.dropped.Store(true)
		return f.fs.err
	}
	return sync()
}

func (f *failingFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *failingFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *failingFile) SyncTo(length int64) (full bool, err error) {
	err = f.sync(func() (err error) { full, err = f.File.SyncTo(length); return err })
	return full, err
}

func (f *failingFile) Close() error {
	if f.fs.strikes("close", f.name) {
		return errors.Join(f.fs.err, f.File.Close())
	}
	return f.File.Close()
}
