package clock

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// truth is a true clock that goes when it is told to.
type truth struct{ at time.Time }

func (t *truth) now() time.Time       { return t.at }
func (t *truth) pass(d time.Duration) { t.at = t.at.Add(d) }
func at(clockFace string) time.Time   { return must(time.Parse(time.DateTime, "2026-09-15 "+clockFace)) }

func must(t time.Time, err error) time.Time {
	if err != nil {
		panic(err)
	}
	return t
}

// TestClock: what an operator can do to the clock, in steps, the true time going
// on between them.
func TestClock(t *testing.T) {
	type step struct {
		do      func(*Clock)
		passes  time.Duration // of the true time, after it
		shows   string
		running bool
	}
	var (
		nothing = func(*Clock) {}
		set     = func(s string) func(*Clock) { return func(c *Clock) { c.Set(at(s)) } }
		advance = func(d time.Duration) func(*Clock) { return func(c *Clock) { c.Advance(d) } }
	)
	for _, row := range []struct {
		name  string
		steps []step // the truth begins at 10:00:00
	}{
		{"it runs with the truth", []step{
			{nothing, 0, "10:00:00", true},
			{nothing, time.Minute, "10:01:00", true},
		}},
		{"setting it stops it there", []step{
			{set("15:30:00"), 0, "15:30:00", false},
			{nothing, time.Hour, "15:30:00", false},
			{set("08:00:00"), time.Hour, "08:00:00", false},
		}},
		{"advancing moves it, running", []step{
			{advance(time.Hour), 0, "11:00:00", true},
			{nothing, time.Minute, "11:01:00", true},
			{advance(-2 * time.Hour), time.Minute, "09:02:00", true},
		}},
		{"advancing moves it, stopped", []step{
			{set("15:30:00"), 0, "15:30:00", false},
			{advance(time.Hour), time.Minute, "16:30:00", false},
			{advance(-2 * time.Hour), time.Minute, "14:30:00", false},
		}},
		{"running, it goes on from where it stands", []step{
			{set("15:30:00"), time.Hour, "15:30:00", false},
			{(*Clock).Run, 0, "15:30:00", true},
			{nothing, time.Minute, "15:31:00", true},
			{advance(time.Hour), time.Minute, "16:32:00", true},
		}},
		{"running, when it runs, changes nothing", []step{
			{advance(time.Hour), time.Minute, "11:01:00", true},
			{(*Clock).Run, time.Minute, "11:02:00", true},
		}},
		{"stopping", []step{
			{advance(time.Hour), time.Minute, "11:01:00", true},
			{(*Clock).Stop, time.Minute, "11:01:00", false},
			{(*Clock).Stop, time.Minute, "11:01:00", false},
			{(*Clock).Run, time.Minute, "11:02:00", true},
		}},
		{"the truth stepping back takes a running clock along, not a stopped one", []step{
			{nothing, -time.Hour, "09:00:00", true},
			{set("15:30:00"), -time.Hour, "15:30:00", false},
			{(*Clock).Run, -time.Minute, "15:29:00", true},
		}},
	} {
		world := &truth{at("10:00:00")}
		c := New(world.now)
		for i, s := range row.steps {
			s.do(c)
			before := c.Now()
			world.pass(s.passes)
			now, running := c.State()
			if !now.Equal(at(s.shows)) || running != s.running || !c.Now().Equal(now) {
				t.Errorf("%s, step %d: it shows %s, running: %v; want %s, %v", row.name, i+1, now.Format(time.TimeOnly), running, s.shows, s.running)
			}
			if !running && !before.Equal(now) {
				t.Errorf("%s, step %d: it stood and moved", row.name, i+1)
			}
		}
	}
}

// TestFarAway: a clock can be set to any time that can be written, and goes on
// from there: a time.Duration does not reach that far.
func TestFarAway(t *testing.T) {
	world := &truth{at("10:00:00")}
	for _, far := range []string{"0001-01-01T00:00:00Z", "1500-06-01T12:00:00Z", "2400-02-29T12:00:00Z", "9999-12-31T23:00:00Z"} {
		c := New(world.now)
		there := must(time.Parse(time.RFC3339, far))
		c.Set(there)
		c.Run()
		if got := c.Now(); !got.Equal(there) {
			t.Errorf("set to %s and run, it shows %s", far, got.Format(time.RFC3339))
		}
		world.pass(time.Minute)
		if got := c.Now(); !got.Equal(there.Add(time.Minute)) {
			t.Errorf("a minute later it shows %s", got.Format(time.RFC3339))
		}
		c.Advance(time.Hour)
		c.Stop()
		world.pass(time.Minute)
		if got := c.Now(); !got.Equal(there.Add(time.Minute + time.Hour)) {
			t.Errorf("moved an hour and stopped it shows %s", got.Format(time.RFC3339))
		}
	}
}

// TestShownInUTC, and without a monotonic reading: what the clock shows is stored
// and compared with what was stored.
func TestShownInUTC(t *testing.T) {
	c := New(time.Now)
	check := func(name string) {
		t.Helper()
		now := c.Now()
		if now.Location() != time.UTC || now != now.Round(0) {
			t.Errorf("%s: it shows %#v", name, now)
		}
	}
	check("running")
	c.Stop()
	check("stopped")
	c.Set(time.Now())
	check("set")
	c.Advance(time.Hour)
	check("moved")
	c.Run()
	check("running again")
	zone := time.FixedZone("", 3600)
	c.Set(time.Date(2026, 9, 15, 12, 0, 0, 0, zone))
	check("set in another zone")
	if got := c.Now(); !got.Equal(at("11:00:00")) {
		t.Errorf("set to 12:00+01:00 it shows %s", got)
	}
}

// TestClockLaws: against a clock in its fewest words. While it runs it goes as
// the truth does, and nothing but Set and Advance ever moves it.
func TestClockLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		world := &truth{at("10:00:00")}
		c := New(world.now)
		shows, running := world.at, true
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			d := time.Duration(rapid.Int64Range(int64(-100*24*time.Hour), int64(100*24*time.Hour)).Draw(t, "d"))
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				world.pass(d)
				if running {
					shows = shows.Add(d)
				}
			case 1:
				shows, running = at("10:00:00").Add(d), false
				c.Set(shows)
			case 2:
				shows = shows.Add(d)
				c.Advance(d)
			case 3:
				running = true
				c.Run()
			case 4:
				running = false
				c.Stop()
			}
			if now, runs := c.State(); !now.Equal(shows) || runs != running {
				t.Fatalf("it shows %v, running: %v; want %v, %v", now, runs, shows, running)
			}
		}
	})
}

// TestClockIsShared: for the race detector, and nothing is lost.
func TestClockIsShared(t *testing.T) {
	c := New(time.Now)
	c.Set(at("10:00:00"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				c.Advance(time.Second)
				c.Now()
				c.Run()
				c.Stop()
				c.State()
			}
		})
	}
	wg.Wait()
	if got, least := c.Now(), at("10:00:00").Add(800*time.Second); got.Before(least) {
		t.Errorf("after 800 steps of a second it shows %v, want %v at least", got, least)
	}
}
