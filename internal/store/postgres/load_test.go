package postgres_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/promise"
)

// load is callers that report records to several nodes while something is done to
// what lies beneath. They take their records from the same few places, so that
// they repeat and contradict one another, and send again, to any of the nodes, what
// got no answer or was refused for the time being.
type load struct {
	t       *testing.T
	tally   *promise.Tally
	history promise.History
	nodes   []*postgres.Store

	number atomic.Int64 // of places
	ids    atomic.Int64
	mu     sync.Mutex
	again  []store.Call // what is to be sent again

	working sync.WaitGroup
	stop    context.CancelFunc
}

const callers = 8

// newLoad starts callers.
func newLoad(t *testing.T, tally *promise.Tally, seed uint64, nodes ...*postgres.Store) *load {
	l := &load{t: t, tally: tally, nodes: nodes}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	t.Cleanup(func() { stop(); l.working.Wait() }) // before the nodes are closed
	for n := range uint64(callers) {
		l.working.Go(func() { l.work(ctx, rand.New(rand.NewPCG(seed, n))) })
	}
	return l
}

func (l *load) work(ctx context.Context, dice *rand.Rand) {
	for ctx.Err() == nil {
		c := l.next(dice)
		if l.send(l.nodes[dice.IntN(len(l.nodes))], c) == nil {
			continue
		}
		l.mu.Lock()
		l.again = append(l.again, c)
		l.mu.Unlock()
		select { // what was refused for the time being is not to be worth a busy loop
		case <-ctx.Done():
		case <-time.After(time.Duration(5+dice.IntN(20)) * time.Millisecond):
		}
	}
}

// send sends a call, under ids of its own as every attempt has them. Its error is
// one of those that a caller tries again after; any other fails the test.
func (l *load) send(s *postgres.Store, c store.Call) error {
	c.Records = append([]metering.Record(nil), c.Records...)
	for i := range c.Records {
		c.Records[i].Received = c.At
		binary.BigEndian.PutUint64(c.Records[i].ID[8:], uint64(l.ids.Add(1)))
	}
	var event metering.ID
	event[0] = 1
	binary.BigEndian.PutUint64(event[8:], uint64(l.ids.Add(1)))
	c.After = func(out store.Outcome) (store.Rest, error) {
		return store.Rest{Event: promise.EventOf(&c, out, event)}, nil
	}
	_, err := l.history.Append(context.Background(), s, c)
	if err != nil && !errors.Is(err, store.ErrUnknown) && !errors.Is(err, store.ErrUnavailable) {
		l.t.Errorf("a call was answered %v", err)
	}
	return err
}

// next is a call that is to be sent again, or a new one.
func (l *load) next(dice *rand.Rand) store.Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.again); n > 0 {
		c := l.again[0]
		l.again = l.again[1:]
		return c
	}
	var records []metering.Record
	for range 1 + dice.IntN(4) {
		n := int(l.number.Add(1))
		place := n
		if dice.IntN(4) == 0 {
			place = max(1, n-dice.IntN(40))
		}
		quantity := int32(place)
		if place != n && dice.IntN(2) == 0 {
			quantity++
		}
		records = append(records, record(0, place, quantity))
	}
	return call(records...)
}

// back waits until every node has acknowledged a record that it was sent after
// now, and says how long it took since something began.
func (l *load) back(what string, began time.Time) {
	l.t.Helper()
	dice := rand.New(rand.NewPCG(uint64(began.UnixNano()), 0))
	for _, s := range l.nodes {
		for l.send(s, l.next(dice)) != nil {
			if took := time.Since(began); took > 30*time.Second {
				l.t.Fatalf("%s: writing is not back after %s: %v", what, took, s.Err())
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	l.t.Logf("%s: writing is back after %.1f s", what, time.Since(began).Seconds())
}

// ends stops the callers and holds what a store shows against the promise. The
// failures name the command that makes the run again.
func (l *load) ends(s *postgres.Store, seed uint64) {
	l.t.Helper()
	l.stop()
	l.working.Wait()
	found, err := l.history.CheckStore(context.Background(), s)
	if err != nil {
		l.t.Fatal(err)
	}
	report, err := audit.Verify(context.Background(), s, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range report.Findings {
		found = append(found, promise.Violation{Invariant: "I5", Text: f.Text})
	}
	for _, v := range found {
		l.t.Errorf("seed %d: %v\n%s", seed, v, promise.Replay(l.t, "internal/store/postgres", seed))
	}
	counts := l.history.Counts()
	l.tally.Add("attempts", counts.Attempts)
	l.tally.Add("accepted", counts.Accepted)
	l.tally.Add("duplicates", counts.Duplicate)
	l.tally.Add("refused", counts.Refused)
	l.tally.Add("unknown", counts.Unknown)
	if counts.Accepted < 50 || counts.Duplicate == 0 || counts.Unknown == 0 {
		l.t.Errorf("%+v: the test shows nothing", counts)
	}
}
