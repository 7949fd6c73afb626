package promise

import (
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The variables that say how long the tests of faults go on. Each test has a
// number of runs that it makes with every change; SoakVariable makes it more: a
// duration ("10m") is how long each test goes on, a number how many times as many
// runs it makes. SeedVariable names one run, and that one alone is made: it is
// how a failure is replayed.
const (
	SoakVariable = "METERD_TEST_SOAK"
	SeedVariable = "METERD_TEST_SEED"
)

// between is the time between two lines of progress.
const between = 10 * time.Second

// Tally counts what a test of faults did.
type Tally struct {
	t      testing.TB
	mu     sync.Mutex
	counts map[string]int
	began  time.Time
	spoken time.Time
}

// NewTally makes a tally, whose counts are shown when the test is over, in a line
// that begins with "counts:".
func NewTally(t testing.TB) *Tally {
	now := time.Now()
	y := &Tally{t: t, counts: make(map[string]int), began: now, spoken: now}
	t.Cleanup(func() { t.Logf("counts: %s in %.1f s", y, time.Since(y.began).Seconds()) })
	return y
}

// Add counts.
func (y *Tally) Add(what string, n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.counts[what] += n
}

func (y *Tally) String() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(y.counts)) {
		parts = append(parts, fmt.Sprintf("%s=%d", what, y.counts[what]))
	}
	return strings.Join(parts, " ")
}

// Runs are the seeds of the runs that a test is to make: 0 to n-1 with every
// change, more in a soak, and from another place on, so that two soaks do not
// show the same. A long one says every ten seconds how far it is.
func (y *Tally) Runs(n int) iter.Seq[uint64] {
	y.t.Helper()
	if text := os.Getenv(SeedVariable); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			y.t.Fatalf("%s: %v", SeedVariable, err)
		}
		return func(yield func(uint64) bool) { yield(seed) }
	}
	more := func(i int) bool { return i < n }
	first := uint64(0)
	if text := os.Getenv(SoakVariable); text != "" {
		first = uint64(y.began.Unix()) * 1_000_000
		if times, err := strconv.Atoi(text); err == nil {
			more = func(i int) bool { return i < n*times }
		} else if d, err := time.ParseDuration(text); err == nil {
			more = func(i int) bool { return i < 1 || time.Since(y.began) < d }
		} else {
			y.t.Fatalf("%s=%q: want a duration, as in 10m, or a number", SoakVariable, text)
		}
	}
	return func(yield func(uint64) bool) {
		for i := 0; more(i) && !y.t.Failed(); i++ {
			y.progress()
			y.Add("runs", 1)
			if !yield(first + uint64(i)) {
				return
			}
		}
	}
}

// progress says how far a long run is, past the testing package, which would hold
// it back until the end.
func (y *Tally) progress() {
	now := time.Now()
	y.mu.Lock()
	due := now.Sub(y.spoken) >= between
	if due {
		y.spoken = now
	}
	y.mu.Unlock()
	if due {
		fmt.Fprintf(os.Stderr, "%s: %s after %.0f s\n", y.t.Name(), y, now.Sub(y.began).Seconds())
	}
}

// Replay is the command that makes one run again.
func Replay(t testing.TB, pkg string, seed uint64) string {
	test, _, _ := strings.Cut(t.Name(), "/")
	return fmt.Sprintf("%s=%d go test -count=1 -run '^%s$' ./%s", SeedVariable, seed, test, pkg)
}
