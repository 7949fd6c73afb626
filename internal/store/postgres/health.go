package postgres

import (
	"fmt"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/store"
)

// freshness is how old the last good reading of the catalogue's revision may be
// for the node to decide anything (wall.md).
const freshness = 5 * time.Second

// health is whether a node may decide: when it last read the catalogue's revision
// from the primary, and what has gone wrong since.
type health struct {
	mu    sync.Mutex
	read  time.Time // when the last good reading began
	last  error     // of the last reading that failed
	doubt doubt
}

// doubt is why the database has to be asked again before anything is answered.
type doubt struct {
	cause error // nil: there is none
	// outcome says that a commit was not acknowledged: it takes one that is to
	// end the doubt. A reading would succeed although every commit hangs, for the
	// standby that it waits for.
	outcome bool
	number  int // of the doubts there were
}

// good says that a reading has succeeded that began at a time.
func (h *health) good(began time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read, h.last = began, nil
}

// bad says that a reading has failed.
func (h *health) bad(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = err
}

// lose says that a connection was lost, or an outcome.
func (h *health) lose(err error, outcome bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doubt = doubt{err, outcome || h.doubt.outcome, h.doubt.number + 1}
}

// doubted is what is in doubt now.
func (h *health) doubted() doubt {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doubt
}

// settled ends a doubt, unless another has come since.
func (h *health) settled(d doubt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.doubt.number == d.number {
		h.doubt = doubt{number: d.number}
	}
}

// err is why nothing may be answered.
func (h *health) err(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.doubt.outcome:
		return fmt.Errorf("%w: the database has not acknowledged a commit: %w", store.ErrUnavailable, h.doubt.cause)
	case h.doubt.cause != nil:
		return fmt.Errorf("%w: the connection to the database was lost: %w", store.ErrUnavailable, h.doubt.cause)
	}
	// A machine that was suspended wakes with a monotonic clock that has stood still.
	age := max(now.Sub(h.read), now.Round(0).Sub(h.read.Round(0)))
	switch {
	case age < freshness:
		return nil
	case h.last != nil:
		return fmt.Errorf("%w: the catalogue was last seen %s ago: %w", store.ErrUnavailable, age.Round(time.Second), h.last)
	}
	return fmt.Errorf("%w: the catalogue was last seen %s ago", store.ErrUnavailable, age.Round(time.Second))
}
