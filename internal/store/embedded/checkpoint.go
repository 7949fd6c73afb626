package embedded

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Checkpoint copies the store, as it is at one moment, to a directory that [Open]
// opens, while the store goes on. The directory must not exist. All that was
// acknowledged before is in it, and of what comes meanwhile nothing is in it
// half. Where the file system can, tables are linked and take no space of their
// own until one of the two is done with them.
//
// The copy is told from one that was cut short by its FORMAT file, which comes
// last. An error leaves the store as it was.
func (s *Store) Checkpoint(dir string) error {
	if !s.copies {
		return errors.New("embedded: a store in memory has no checkpoints")
	}
	end, err := s.begin()
	if err != nil {
		return err
	}
	defer end()
	made := make(chan error, 1)
	go func() { made <- s.checkpoint(dir) }()
	select {
	case err = <-made:
	case <-s.fence.failed: // what it waits for will never come
		err = s.fence.cause
	}
	if err != nil {
		return fmt.Errorf("embedded: a checkpoint in %s: %w", dir, err)
	}
	return nil
}

func (s *Store) checkpoint(dir string) (err error) {
	// Pebble panics when the new directory cannot be synced (atomicfs/marker.go),
	// at a moment at which it holds no lock; what it has taken, deferred calls
	// give back.
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(fmt.Errorf("%v", p), s.fence.RemoveAll(dir))
		}
	}()
	if err := s.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return err
	}
	if err := writeFormat(s.fence, dir); err != nil {
		return errors.Join(err, s.fence.RemoveAll(dir))
	}
	return nil
}
