package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
	"github.com/meterd/meterd/internal/store/promise"
)

// TestServerFaults: under load on two nodes, the primary is killed, stopped
// without a checkpoint, frozen, and failed over to its synchronous standby, and that
// is frozen, in an order that the seed says. Writing is back within 30 s each time, nothing is
// acknowledged meanwhile, and what the last primary holds is what was promised.
func TestServerFaults(t *testing.T) {
	t.Parallel()
	versions := pgtest.Tried()
	tally := promise.NewTally(t)
	for seed := range tally.Runs(len(versions)) {
		version := versions[seed%uint64(len(versions))]
		// A part of its own, so that the clusters of a run go with it.
		t.Run(fmt.Sprintf("postgres%d", version), func(t *testing.T) { serverFaults(t, version, seed, tally) })
	}
}

// served is a primary with its synchronous standby, and the way that nodes reach
// whoever is the primary.
type served struct {
	t                *testing.T
	primary, standby *pgtest.Cluster
	proxy            *pgtest.Proxy
	load             *load
	dice             *rand.Rand
	slow             bool // in a soak: as long as it takes where nothing is hurried
}

func serverFaults(t *testing.T, version int, seed uint64, tally *promise.Tally) {
	s := &served{t: t, dice: rand.New(rand.NewPCG(seed, 100)), slow: seed/2%4 == 3}
	settings := map[string]string{"wal_retrieve_retry_interval": "100ms"}
	if s.slow {
		settings = nil // a standby looks for its primary every five seconds, and writing is back no sooner
	}
	s.primary = pgtest.Start(t, version, settings)
	url := migrated(t, s.primary)
	s.standby = s.primary.Standby(t, "s1")
	s.primary.Set(t, standbyNames, "ANY 1 (s1)")
	s.proxy = pgtest.NewProxy(t, s.primary)
	var nodes []*postgres.Store
	for range 2 {
		node, err := postgres.Open(t.Context(), postgres.Options{URL: s.proxy.URL(t, url), Standbys: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { node.Close() })
		nodes = append(nodes, node)
	}
	s.load = newLoad(t, tally, seed, nodes...)
	faults := []struct {
		name string
		do   func(*served)
	}{
		{"kills", (*served).kill},
		{"stops", (*served).stop},
		{"freezes", (*served).freeze},
		{"standby-freezes", (*served).freezeStandby},
		{"failovers", (*served).failOver},
	}
	s.dice.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	for _, fault := range faults {
		time.Sleep(time.Duration(200+s.dice.IntN(300)) * time.Millisecond)
		began := time.Now()
		fault.do(s)
		s.load.back(fault.name, began)
		tally.Add(fault.name, 1)
		if t.Failed() {
			return
		}
	}
	s.load.ends(nodes[0], seed)
}

// kill kills the primary and starts it again.
func (s *served) kill() {
	s.primary.Kill(s.t)
	s.load.history.Down()
	s.pause(time.Second)
	s.load.history.Up()
	s.primary.Start(s.t)
}

// stop stops it as an operator does who is in a hurry.
func (s *served) stop() {
	s.primary.Stop(s.t, pgtest.Immediate)
	s.load.history.Down()
	s.pause(time.Second)
	s.load.history.Up()
	s.primary.Start(s.t)
}

// freeze stops it where it is, connections and all; in a soak now and then for
// longer than a node waits for COMMIT.
func (s *served) freeze() {
	s.primary.Pause(s.t)
	s.load.history.Down()
	if s.slow {
		s.pause(14 * time.Second)
	} else {
		s.pause(3 * time.Second)
	}
	s.load.history.Up()
	s.primary.Resume(s.t)
}

// freezeStandby stops the standby, so that commits wait.
func (s *served) freezeStandby() {
	s.standby.Pause(s.t)
	s.load.history.Down()
	s.pause(2 * time.Second)
	s.load.history.Up()
	s.standby.Resume(s.t)
}

// failOver kills the primary, promotes its standby and lets the nodes reach that.
// They acknowledge nothing over it before it waits for a standby of its own, which
// is there before the setting is made, or after. In half of the cases commits wait
// for the standby when the primary dies, and are not all on it.
func (s *served) failOver() {
	if s.dice.IntN(2) == 0 {
		s.standby.Pause(s.t)
		s.load.history.Down()
		s.pause(time.Second)
		s.primary.Kill(s.t)
		s.standby.Resume(s.t)
	} else {
		s.primary.Kill(s.t)
		s.load.history.Down()
	}
	s.primary = s.standby
	s.primary.Promote(s.t)
	s.proxy.Point(s.t, s.primary)
	s.pause(time.Second) // in which a node may take what it was given
	follow := func() { s.standby = s.primary.Standby(s.t, "s1") }
	wait := func() { s.primary.Set(s.t, standbyNames, "ANY 1 (s1)") }
	first, second := follow, wait
	if s.dice.IntN(2) == 0 {
		first, second = wait, follow
	}
	first()
	s.pause(time.Second) // in which a commit would not be acknowledged, or a node not be content
	s.load.history.Up()
	second()
}

// pause waits up to some time.
func (s *served) pause(most time.Duration) {
	time.Sleep(most/2 + time.Duration(s.dice.Int64N(int64(most/2))))
}
