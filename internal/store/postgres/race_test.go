package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
	"github.com/meterd/meterd/internal/store/promise"
)

// raced is one claim on one key: which record claimed it, and which was said to
// hold it.
type raced struct{ key, claimed, held int }

// TestNodesRace: eight nodes claim the same ten thousand keys at once, each with
// records of its own, in calls of 25 in orders of their own. Every key has one
// winner, everyone is told the same one, and the histories are linearizable: nobody
// was told a holder before it can have been there.
func TestNodesRace(t *testing.T) {
	const nodes, perCall = 8, 25
	keys := 10_000
	if testing.Short() {
		keys = 500
	}
	tally := promise.NewTally(t)
	for range tally.Runs(1) {
		pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) { nodesRace(t, c, nodes, keys, perCall, tally) })
	}
}

func nodesRace(t *testing.T, c *pgtest.Cluster, nodes, keys, perCall int, tally *promise.Tally) {
	url := migrated(t, c)
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		history []porcupine.Operation
		started = make(chan struct{})
		began   = time.Now()
		calls   atomic.Int64
	)
	for node := range nodes {
		s := open(t, url)
		wg.Go(func() {
			<-started
			own := race(t, s, node, keys, perCall, began, &calls)
			mu.Lock()
			defer mu.Unlock()
			history = append(history, own...)
		})
	}
	close(started)
	wg.Wait()
	if t.Failed() {
		return
	}
	winners := make(map[int]int)
	for _, op := range history {
		r := op.Output.(raced)
		if winner, known := winners[r.key]; known && winner != r.held {
			t.Fatalf("key %d: one node was told record %d, another %d", r.key, winner, r.held)
		}
		winners[r.key] = r.held
	}
	won := make(map[int]int)
	for _, record := range winners {
		won[record/keys]++
	}
	if len(winners) != keys || len(history) != nodes*keys {
		t.Fatalf("%d keys with a winner and %d claims, want %d and %d", len(winners), len(history), keys, nodes*keys)
	}
	if n := query[int64](t, url, `SELECT count(*) FROM record`); n != int64(keys) {
		t.Fatalf("%d records, want %d", n, keys)
	}
	if result := porcupine.CheckOperationsTimeout(claims, history, time.Minute); result != porcupine.Ok {
		t.Fatalf("the histories: %s", result)
	}
	t.Logf("%d claims on %d keys in %d calls of %d nodes, %v; wins by node: %v", len(history), keys, calls.Load(), nodes, time.Since(began).Round(time.Millisecond), won)
	tally.Add("keys", keys)
	tally.Add("claims", len(history))
	tally.Add("calls", int(calls.Load()))
}

// race claims every key once, and returns what was told.
func race(t *testing.T, s *postgres.Store, node, keys, perCall int, began time.Time, calls *atomic.Int64) []porcupine.Operation {
	var history []porcupine.Operation
	// All go through the keys in nearly the same order, or they would hardly meet.
	order, dice := make([]int, keys), rand.New(rand.NewPCG(uint64(node), 1))
	for i := range order {
		order[i] = i
	}
	for i := range order {
		j := min(i+dice.IntN(2*perCall), keys-1)
		order[i], order[j] = order[j], order[i]
	}
	for from := 0; from < keys; from += perCall {
		some := order[from:min(from+perCall, keys)]
		records := make([]metering.Record, len(some))
		for i, key := range some {
			records[i] = record(node*keys+key, key, int32(node))
		}
		sent := time.Since(began)
		out, err := s.Append(t.Context(), call(records...))
		answered := time.Since(began)
		calls.Add(1)
		if err != nil {
			t.Errorf("node %d: %v", node, err)
			return nil
		}
		for i, key := range some {
			held := numberOf(out.Holders[i])
			history = append(history, porcupine.Operation{
				ClientId: node, Call: int64(sent), Return: int64(answered),
				Input: raced{key: key, claimed: node*keys + key}, Output: raced{key, node*keys + key, held},
			})
		}
	}
	return history
}

// claims is the model: of all that claim a key the first holds it, and every one
// is told so.
var claims = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[int][]porcupine.Operation)
		for _, op := range history {
			key := op.Input.(raced).key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, ops := range byKey {
			parts = append(parts, ops)
		}
		return parts
	},
	Init: func() any { return free },
	Step: func(state, input, output any) (bool, any) {
		holder := state.(int)
		if holder == free {
			holder = input.(raced).claimed
		}
		return output.(raced).held == holder, holder
	},
	DescribeOperation: func(input, output any) string {
		return fmt.Sprintf("%d claims %d: held by %d", input.(raced).claimed, input.(raced).key, output.(raced).held)
	},
}

// free is the state of a key that nobody has claimed.
const free = -1
