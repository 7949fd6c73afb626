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
	doubt error     // why the database has to be asked again before anything is answered
	last  error     // of the last reading that failed
}

// good says that a reading has succeeded that began at a time. What went wrong
// after it began is still in doubt.
func (h *health) good(began time.Time, doubted error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read, h.last = began, nil
	if h.doubt == doubted { //nolint:errorlint // whether it is the very one that was there when the reading began
		h.doubt = nil
	}
}

// bad says that a reading has failed.
func (h *health) bad(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = err
}

// lose says that a connection was lost, or an outcome.
func (h *health) lose(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doubt = err
}

// doubted is what is in doubt now.
func (h *health) doubted() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doubt
}

// err is why nothing may be answered.
func (h *health) err(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.doubt != nil {
		return fmt.Errorf("%w: the connection to the database was lost: %w", store.ErrUnavailable, h.doubt)
	}
	age := now.Sub(h.read)
	switch {
	case age < freshness:
		return nil
	case h.last != nil:
		return fmt.Errorf("%w: the catalogue was last seen %s ago: %w", store.ErrUnavailable, age.Round(time.Second), h.last)
	}
	return fmt.Errorf("%w: the catalogue was last seen %s ago", store.ErrUnavailable, age.Round(time.Second))
}
