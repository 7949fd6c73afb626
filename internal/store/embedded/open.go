package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/store"
)

// inMemory is the directory's name on a file system of the store's own.
const inMemory = "/meterd"

// Open opens the store of a directory, and makes it if there is none. Its errors
// wrap [ErrLocked], [ErrDamaged], [ErrOldFormat], [ErrNewerFormat] or [envelope.ErrKey]
// where one fits.
func Open(o Options) (*Store, error) {
	s, c, err := prepare(o)
	if err != nil {
		return nil, err
	}
	s.Look()
	go c.run()
	return s, nil
}

// prepare opens a store up to its committer, which is still to be run.
func prepare(o Options) (*Store, *committer, error) {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	disk, dir := o.FS, o.Dir
	switch {
	case disk == nil && dir == "":
		disk = vfs.NewMem()
	case disk == nil:
		disk = vfs.Default
	}
	if dir == "" {
		dir = inMemory
	}
	s := &Store{
		copies:  o.Dir != "" || o.FS != nil,
		fence:   newFence(disk, dir, log),
		room:    room{reserve: o.Reserve},
		catalog: store.NewCatalog(),
		keys:    o.Keys,
		accept:  o.Accept,
		part:    partSize,
		puts:    make(chan struct{}, 1),
		calls:   make(chan *request),
		batches: make(chan *request),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	c, err := s.open(dir)
	if err != nil {
		return nil, nil, err
	}
	return s, c, nil
}

// open returns the committer, which is still to be run.
func (s *Store) open(dir string) (c *committer, err error) {
	if err := makeDir(s.fence, dir); err != nil {
		return nil, fmt.Errorf("embedded: making %s: %w", dir, err)
	}
	fresh, err := readFormat(s.fence, dir)
	if err != nil {
		return nil, err
	}
	if s.lock, err = lock(s.fence, dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if fresh {
		err = s.makeDatabase(dir)
	} else {
		err = checkMark(s.fence, dir)
	}
	if err != nil {
		return nil, openError(dir, err)
	}
	if s.db, err = pebble.Open(dir, s.options(false)); err != nil {
		return nil, openError(dir, err)
	}
	if fresh {
		if err := writeFormat(s.fence, dir); err != nil {
			return nil, fmt.Errorf("embedded: making %s: %w", dir, err)
		}
	}
	found, err := s.repair(dir)
	if err != nil {
		return nil, openError(dir, err)
	}
	if c, err = s.load(); err != nil {
		return nil, openError(dir, err)
	}
	if s.accept != nil {
		if err := s.accept(s.catalog); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	if err := s.sealSecrets(dir, found); err != nil {
		return nil, openError(dir, err)
	}
	if fatal := s.fence.fatal.Load(); fatal != nil {
		return nil, fmt.Errorf("embedded: opening %s: %w", dir, *fatal)
	}
	s.fence.armed.Store(true)
	if fatal := s.fence.fatal.Load(); fatal != nil { // between the two
		s.fence.fail(*fatal)
	}
	return c, nil
}

// repair ends what a crash has cut short, if there is such a thing.
func (s *Store) repair(dir string) (found bool, err error) {
	found, err = s.resume()
	if err == nil && found { // its log may hold secrets in plain
		err = s.reopen(dir)
	}
	return found, err
}

// makeDatabase makes a database and closes it. Its first log is not one to serve
// from: Pebble opens it in its oldest format, before it raises the database to
// the newest. Only the logs after it say how far they were synced, and without
// that Pebble takes damage in the middle for the end that a crash tore off, and
// drops all that follows.
func (s *Store) makeDatabase(dir string) error {
	db, err := pebble.Open(dir, s.options(true))
	if err != nil {
		return err
	}
	return db.Close()
}

// release lets go of what open took before it failed.
func (s *Store) release() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	return errors.Join(err, s.fence.closeMark(), s.lock.Close())
}

func lock(disk vfs.FS, dir string) (*pebble.Lock, error) {
	l, err := pebble.LockDirectory(dir, disk)
	var path *fs.PathError
	switch {
	case err == nil:
		return l, nil
	case errors.As(err, &path): // the lock file itself could not be made
		return nil, fmt.Errorf("embedded: opening %s: %w", dir, err)
	}
	return nil, fmt.Errorf("%w: %s: one process at a time can use it; stop the other meterd, or give this one another directory (%w)", ErrLocked, dir, err)
}

// options are Pebble's. Sizes are for a server that shares its machine: memory
// grows with what is written and read, and none is taken in advance (the first
// memtable has 256 KiB and each is twice the one before).
func (s *Store) options(fresh bool) *pebble.Options {
	o := &pebble.Options{
		FS:                 s.fence,
		Lock:               s.lock,
		Logger:             logger{s.fence},
		FormatMajorVersion: pebble.FormatNewest,
		ErrorIfNotExists:   !fresh,
		ErrorIfNotPristine: fresh,
		// Half a memtable is the largest batch that takes the common path; a
		// group is far below.
		MemTableSize:                32 << 20,
		MemTableStopWritesThreshold: 4,
		CacheSize:                   128 << 20,
		// Reads look at each file of L0 that spans a key: few of them.
		L0CompactionThreshold: 4,
		L0StopWritesThreshold: 24,
		// Spread the write-back of tables, so that a log sync does not queue
		// behind 64 MiB of it. The log itself is synced with every group.
		BytesPerSync: 1 << 20,
		// Half of the processors are for calls: with two compactions at once on
		// two, p99 of calls was a quarter longer.
		CompactionConcurrencyRange: func() (int, int) { return 1, max(1, runtime.GOMAXPROCS(0)/2) },
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				s.fence.log.Error("storage engine, in the background", "error", brief{err})
			},
			// A damaged block is an error to whoever reads it, and no reason to
			// end the store for all others.
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				s.fence.log.Error("storage engine: damaged data", "path", info.Path, "error", brief{info.Details})
			},
		},
	}
	for i := range o.Levels {
		// One key in a hundred that is not there costs a read. Most keys that an
		// append asks for are not there.
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}
