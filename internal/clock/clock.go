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
	at      time.Time // what it shows, or, while it runs, what it showed at since
	since   time.Time // by the truth
}

// New returns a clock that runs and shows what truth shows.
func New(truth func() time.Time) *Clock {
	c := &Clock{truth: truth, running: true, since: wall(truth())}
	c.at = c.since
	return c
}

// wall is a time in UTC without its monotonic reading: the clock is compared with
// times that were stored, and follows the truth when that is put right.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }

// Now is what the clock shows, in UTC.
func (c *Clock) Now() time.Time {
	now, _ := c.State()
	return now
}

// Truth is the true time, whatever the clock shows: for what sessions and
// signatures are compared with.
func (c *Clock) Truth() time.Time { return wall(c.truth()) }

// State is what the clock shows and whether it runs.
func (c *Clock) State() (now time.Time, running bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.now(), c.running
}

// now goes by how long the clock has run, not by how far ahead of the truth it
// is: a time.Duration does not hold three centuries.
func (c *Clock) now() time.Time {
	if !c.running {
		return c.at
	}
	return c.at.Add(wall(c.truth()).Sub(c.since))
}

// Set stops the clock at an instant.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.at = false, wall(t)
}

// Advance moves the clock, back if d is negative. It runs or stands as before.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Run lets a clock that stands go on from where it stands.
func (c *Clock) Run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running {
		c.since = wall(c.truth())
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
