// Package embedded is the store on Pebble, a log-structured merge tree in this
// process: one directory, one process, nothing to administer. Without a
// directory it is the same engine in memory.
//
// # How a call is committed
//
// Append encodes a call in the caller's goroutine and hands it to the committer,
// the one goroutine that writes. The committer takes what waits, decides call
// after call who holds which key, and puts the calls of one group into one
// batch. Pebble applies the batch to its memory and writes it to its log; while
// the log is synced, the committer fills the next group. A second goroutine
// waits for the syncs, in order, and answers. So there is one place where
// records and keys meet, one sync for many calls, and no lock on any key. Most
// keys are free, and a filter says so without Pebble (sections.go).
//
// Everything is decided before anything of a call goes into the batch: a call
// that fails leaves nothing. Every answer, an error or "held already" too, waits
// for the sync of its group and of all groups before, because what it was
// decided from may be no older than that.
//
// A change of the catalogue needs no decision: whoever makes it compares it with
// the catalogue in memory, one change at a time, and hands the committer a batch
// (put.go). A large one goes through a journal, so that calls are not held up
// behind it (journal.go).
//
// # What readers see
//
// A page is returned when all that it was read from is on disk. No reader is
// shown what a crash could take back.
//
// # When the disk fails
//
// A write or a sync that fails ends the store: waiting calls get an error that
// wraps [store.ErrUnknown], later ones a definite error, reads an error, and
// [Store.Err] says why. Nothing is tried again. The process is to end; the
// directory stays locked until it does. A disk that is merely getting full is
// told from one that fails by a reserve (room.go).
package embedded

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
)

// Options say where a store lives.
type Options struct {
	// Dir is the directory, made if there is none; "" is memory, or a place of
	// its own on FS.
	Dir string
	// FS is the file system; nil is the real one, or memory without a directory.
	FS vfs.FS
	// Keys seal the secrets of the catalogue; nil leaves them plain.
	Keys *envelope.Keys
	// Accept, if not nil, may refuse a directory for what its catalogue holds,
	// before anything in it is sealed.
	Accept func(*store.Catalog) error
	// Reserve is the free space, in bytes, that is left alone: with less, nothing
	// is written (Look). 0: the disk may be filled, and then the store fails.
	Reserve uint64
	// Logger hears of errors; nil is none.
	Logger *slog.Logger
}

var (
	// ErrLocked says that another process holds the directory.
	ErrLocked = errors.New("embedded: the data directory is held by another process")
	// ErrDamaged says that what is stored is not what was written.
	ErrDamaged = errors.New("embedded: the data is damaged")
	// ErrOldFormat says that a meterd from before the first release wrote the
	// directory.
	ErrOldFormat = errors.New("embedded: the data directory was written by a meterd from before its first release")
	// ErrNewerFormat says that a later meterd wrote the directory.
	ErrNewerFormat = errors.New("embedded: the data directory was written by a later meterd")
)

// Store is the store on Pebble. It is safe for use by many at once.
type Store struct {
	db      *pebble.DB
	lock    *pebble.Lock
	fence   *fence
	room    room
	copies  bool // it has a place that a checkpoint can be made beside
	catalog *store.Catalog

	keys   *envelope.Keys
	accept func(*store.Catalog) error
	part   int // the most bytes of a change that are written at once
	// puts has the change of the catalogue that is on its way: one at a time.
	puts chan struct{}

	calls     chan *request // unbuffered: what was received was taken
	batches   chan *request // the same, of what is written as it is
	closing   chan struct{}
	done      chan struct{} // closed when committer and syncer have ended
	encodings sync.Pool     // of *encoding
	sealing   sync.Mutex    // who makes a digest or lets go of events
	// latest is the last group that was given to Pebble, durable or not.
	latest atomic.Pointer[group]

	closeOnce sync.Once
	closeErr  error
	reads     sync.RWMutex // held for reading while a read lasts
	closed    bool         // guarded by reads
}

var _ store.Store = (*Store)(nil)

// Catalog is the catalogue in memory.
func (s *Store) Catalog() *store.Catalog { return s.catalog }

// Err is why the store acknowledges nothing any more, or nothing at present.
func (s *Store) Err() error {
	if err := s.fence.err(); err != nil {
		return err
	}
	return s.room.err()
}

// Close waits for what has begun and lets go of the directory. Calls that have
// not begun get [store.ErrClosed]. A store that has failed keeps its directory
// locked until the process ends, since its engine may still be inside a write.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		select {
		case s.puts <- struct{}{}: // no change is on its way, and none will be
		case <-s.fence.failed:
		}
		close(s.closing)
		select {
		case <-s.done:
		case <-s.fence.failed:
			s.closeErr = s.fence.cause
			return
		}
		s.reads.Lock()
		s.closed = true
		s.reads.Unlock()

		ended := make(chan error, 1)
		go func() { ended <- errors.Join(s.db.Close(), s.fence.closeMark(), s.lock.Close()) }()
		select {
		case s.closeErr = <-ended:
		case <-s.fence.failed:
			s.closeErr = s.fence.cause
		}
	})
	return s.closeErr
}

// begin starts a read; end ends it.
func (s *Store) begin() (end func(), err error) {
	if err := s.fence.err(); err != nil {
		return nil, err
	}
	s.reads.RLock()
	if s.closed {
		s.reads.RUnlock()
		return nil, store.ErrClosed
	}
	return s.reads.RUnlock, nil
}

// settle waits until all that a read may have seen is on disk.
func (s *Store) settle(ctx context.Context) error {
	g := s.latest.Load()
	if g == nil {
		return nil
	}
	select {
	case <-g.synced:
		return nil
	case <-s.fence.failed:
		return s.fence.cause
	case <-ctx.Done():
		return ctx.Err()
	}
}
