// Package clock is the service's clock: the time of windows, agreements, tokens
// and records. It can be set, moved and stopped, which is how a day's wait is
// tried in a second. What keeps strangers out, signatures, throttles, timeouts,
// never goes by it but by the true time.
package clock

import (
	"sync"
	"time"
)

// Clock is a clock that runs with the true time until it is told otherwise. It
// is safe for use by many at once.
type Clock struct {
	truth func() time.Time

	mu      sync.RWMutex
	running bool
	at      time.Time     // while it stands
	ahead   time.Duration // of the truth, while it runs
}

// New returns a clock that runs and shows what truth shows.
func New(truth func() time.Time) *Clock { return &Clock{truth: truth, running: true} }

// Now is what the clock shows, in UTC.
func (c *Clock) Now() time.Time {
	now, _ := c.State()
	return now
}

// State is what the clock shows and whether it runs.
func (c *Clock) State() (now time.Time, running bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.now(), c.running
}

func (c *Clock) now() time.Time {
	if !c.running {
		return c.at
	}
	return c.truth().Add(c.ahead).Round(0).UTC() // Round drops the monotonic reading: this time is compared with stored ones
}

// Set stops the clock at an instant.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.at = false, t.UTC()
}

// Advance moves the clock, back if d is negative. It runs or stands as before.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		c.ahead += d
	} else {
		c.at = c.at.Add(d)
	}
}

// Run lets a clock that stands go on from where it stands.
func (c *Clock) Run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		c.ahead = c.at.Sub(c.truth())
		c.running = true
	}
}

// Stop stops a clock that runs.
func (c *Clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.now()
	c.running = false
}
