package embedded_test

import (
	"bytes"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/meterd/meterd/internal/store/promise"
)

// The simulation is a day of twenty customers of one seller's product of three
// dimensions, through the rules, the decisions and the committer as they are. The
// clock, the ids and the disk are the simulation's, and which calls share a commit,
// too, so that a seed is a day, always the same. What happens in it: records that
// are new, repeated, contradicted or late, month ends, agreements that end, clocks
// that are set, callers that give up, answers that get lost, losses of power in the
// midst of a commit, and syncs that fail.

// TestSimulation lives through many days. One that breaks the promise is told with
// the command that replays it.
func TestSimulation(t *testing.T) {
	days := 2000
	if testing.Short() {
		days = 40
	}
	tally := promise.NewTally(t)
	seeds := make(chan uint64)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range seeds {
				d := newDay(t, seed, nil)
				problems := d.live()
				for what, n := range d.counts {
					tally.Add(what, n)
				}
				if len(problems) == 0 {
					continue
				}
				var trace bytes.Buffer
				newDay(t, seed, &trace).live()
				lines := strings.Split(trace.String(), "\n")
				t.Errorf("seed %d:\n%s\nthe last of %d lines of its trace:\n%s\n%s", seed, strings.Join(problems, "\n"),
					len(lines), strings.Join(lines[max(0, len(lines)-30):], "\n"), promise.Replay(t, "internal/store/embedded", seed))
			}
		})
	}
	for seed := range tally.Runs(days) {
		seeds <- seed
	}
	close(seeds)
	workers.Wait()
}

// TestSimulationReplays: a seed is a day, byte for byte of what everybody was told
// and of what is in the ledger at the end.
func TestSimulationReplays(t *testing.T) {
	var faults int
	for seed := range uint64(40) {
		var first, second bytes.Buffer
		for _, trace := range []*bytes.Buffer{&first, &second} {
			d := newDay(t, seed, trace)
			if problems := d.live(); len(problems) > 0 {
				t.Fatalf("seed %d: %v", seed, problems)
			}
			faults += d.counts["power_losses"] + d.counts["failed_syncs"]
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			a, b := strings.Split(first.String(), "\n"), strings.Split(second.String(), "\n")
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					t.Fatalf("seed %d, line %d:\n%s\n%s", seed, i+1, a[i], b[i])
				}
			}
			t.Fatalf("seed %d: %d lines and then %d", seed, len(a), len(b))
		}
		if first.Len() < 1000 {
			t.Fatalf("seed %d: a trace of %d bytes", seed, first.Len())
		}
	}
	if faults == 0 {
		t.Error("nothing failed in any of the days")
	}
}
