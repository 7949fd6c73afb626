package embedded

import (
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence stands between Pebble and the disk. When a write or a sync fails, it
// declares the store failed and holds the goroutine that asked, and from then
// on every other that wants to write, for ever.
//
// Pebble 2.1 offers no better way to stop: it ends the process on a failed
// commit (db.go, "fatal commit error"), and where the log is rotated it panics
// with a mutex unlocked that a deferred call unlocks again (rotateWAL), which no
// recover can stop. A sync that failed must not be tried again either: the
// kernel may have dropped what it could not write and report success. So the
// engine is left standing where it is, its callers are told that the outcome is
// unknown, and the process is expected to end and open the store anew.
//
// While the store is being opened, errors pass: there they have a caller. So do
// those of other directories, which a checkpoint is made in.
type fence struct {
	vfs.FS
	dir    string // the store's, clean
	log    *slog.Logger
	armed  atomic.Bool
	once   sync.Once
	failed chan struct{} // closed when the store has failed
	cause  error         // set before failed is closed
	fatal  atomic.Pointer[error]
	mark   mark
}

func newFence(fs vfs.FS, dir string, log *slog.Logger) *fence {
	return &fence{FS: fs, dir: cleanDir(fs, dir), log: log, failed: make(chan struct{})}
}

func cleanDir(fs vfs.FS, dir string) string { return fs.PathDir(fs.PathJoin(dir, "x")) }

// inside reports whether a file is the store's. It has no folders.
func (f *fence) inside(name string) bool { return f.PathDir(name) == f.dir }

// err is why the store failed; nil while it has not.
func (f *fence) err() error {
	select {
	case <-f.failed:
		return f.cause
	default:
		return nil
	}
}

// fail declares the store failed. Only the first cause is kept.
func (f *fence) fail(cause error) {
	f.once.Do(func() {
		f.cause = fmt.Errorf("embedded: the store has failed and must be opened again: %w", cause)
		f.log.Error("the store has failed; nothing is acknowledged until it is opened again", "error", cause)
		close(f.failed)
	})
}

// report logs what nobody can act on.
func (f *fence) report(err error) {
	if err != nil {
		f.log.Error("storage engine", "error", err)
	}
}

// enter holds whoever wants to write to a store that has failed.
func (f *fence) enter() {
	select {
	case <-f.failed:
		f.hold()
	default:
	}
}

// hold never returns.
func (f *fence) hold() { select {} }

// check passes err on while the store is being opened. Afterwards an error ends
// the store.
func (f *fence) check(op, name string, err error) error {
	if err != nil && f.armed.Load() {
		f.fail(fmt.Errorf("%s %s: %w", op, name, err))
		f.hold()
	}
	return err
}

// Create makes a file whose writes are watched. A marker says in its name which
// manifest to read. Pebble syncs the directory only when it has both, and a power
// failure before that may keep the marker alone: so the names that are there
// already go to disk first.
func (f *fence) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if !f.inside(name) {
		return f.FS.Create(name, c)
	}
	f.enter()
	if strings.HasPrefix(f.PathBase(name), "marker.") {
		if err := f.check("sync", f.PathDir(name), syncDir(f.FS, f.PathDir(name))); err != nil {
			return nil, err
		}
	}
	file, err := f.FS.Create(name, c)
	return f.watch("create", name, file, err)
}

// OpenReadWrite opens a file whose writes are watched.
func (f *fence) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if !f.inside(name) {
		return f.FS.OpenReadWrite(name, c, opts...)
	}
	f.enter()
	file, err := f.FS.OpenReadWrite(name, c, opts...)
	return f.watch("open", name, file, err)
}

// ReuseForWrite takes an old file for a new one whose writes are watched.
func (f *fence) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.enter()
	file, err := f.FS.ReuseForWrite(oldname, newname, c)
	return f.watch("reuse", newname, file, err)
}

// OpenDir opens a directory whose syncs are watched.
func (f *fence) OpenDir(name string) (vfs.File, error) {
	if cleanDir(f.FS, name) != f.dir {
		return f.FS.OpenDir(name)
	}
	f.enter()
	file, err := f.FS.OpenDir(name)
	return f.watch("open", name, file, err)
}

// Rename renames a file.
func (f *fence) Rename(oldname, newname string) error {
	if !f.inside(newname) {
		return f.FS.Rename(oldname, newname)
	}
	f.enter()
	return f.check("rename", oldname, f.FS.Rename(oldname, newname))
}

// MkdirAll makes directories for their owner alone: they hold what was metered.
// Pebble would let others look into a checkpoint.
func (f *fence) MkdirAll(dir string, perm fs.FileMode) error {
	return f.FS.MkdirAll(dir, perm&0o700)
}

// Unwrap is for vfs.Root.
func (f *fence) Unwrap() vfs.FS { return f.FS }

func (f *fence) watch(op, name string, file vfs.File, err error) (vfs.File, error) {
	if err := f.check(op, name, err); err != nil {
		return nil, err
	}
	watched := &fencedFile{File: file, fence: f, name: name}
	watched.kind, watched.number, watched.isJournal = journalOf(name)
	return watched, nil
}

// fencedFile is a file whose failed writes end the store. Reads, hints and
// preallocation may fail: Pebble lives with that.
type fencedFile struct {
	vfs.File
	fence *fence
	name  string

	isJournal bool // and then which (mark.go), and how much was written, from its start
	kind      int
	number    uint64
	written   atomic.Int64
}

func (f *fencedFile) Write(p []byte) (int, error) {
	f.fence.enter()
	n, err := f.File.Write(p)
	f.written.Add(int64(n))
	return n, f.fence.check("write", f.name, err)
}

func (f *fencedFile) WriteAt(p []byte, off int64) (int, error) {
	f.fence.enter()
	n, err := f.File.WriteAt(p, off)
	return n, f.fence.check("write", f.name, err)
}

func (f *fencedFile) Sync() error {
	f.fence.enter()
	return f.sync(f.File.Sync)
}

func (f *fencedFile) SyncData() error {
	f.fence.enter()
	return f.sync(f.File.SyncData)
}

// sync syncs, and marks how far a journal is on disk.
func (f *fencedFile) sync(sync func() error) error {
	length := f.written.Load()
	if err := f.fence.check("sync", f.name, sync()); err != nil {
		return err
	}
	if f.isJournal {
		f.fence.synced(f.kind, synced{f.number, length})
	}
	return nil
}

func (f *fencedFile) SyncTo(length int64) (bool, error) {
	f.fence.enter()
	full, err := f.File.SyncTo(length)
	return full, f.fence.check("sync", f.name, err)
}

func (f *fencedFile) Close() error {
	return f.fence.check("close", f.name, f.File.Close())
}

// logger is where Pebble speaks. Its news are for debugging; its errors are
// ours to hear; what it calls fatal ends the store and not the process.
type logger struct{ fence *fence }

var _ pebble.Logger = logger{}

// Infof drops what Pebble tells about its flushes and compactions.
func (logger) Infof(string, ...any) {}

// Errorf logs what Pebble could not do.
func (l logger) Errorf(format string, args ...any) {
	l.fence.log.Error("storage engine", "error", fmt.Sprintf(format, args...))
}

// Fatalf ends the store. While it is being opened, Pebble returns the error too,
// and Open looks here for one that it did not.
func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if !l.fence.armed.Load() {
		l.fence.fatal.CompareAndSwap(nil, &err)
		return
	}
	l.fence.fail(err)
	l.fence.hold()
}
