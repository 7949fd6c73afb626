package postgres_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
	"github.com/meterd/meterd/internal/store/promise"
)

// TestCuts: under load on two nodes, connections to the database are cut, half of
// them between COMMIT and its answer, half after any byte that the server has said.
// Callers repeat what is unknown; nothing is lost, doubled or changed.
func TestCuts(t *testing.T) {
	t.Parallel()
	tally := promise.NewTally(t)
	for seed := range tally.Runs(1) {
		pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) { cuts(t, c, seed, tally) })
	}
}

// cutsOfNode is how many times a node's connections are cut in a run.
const cutsOfNode = 26

func cuts(t *testing.T, c *pgtest.Cluster, seed uint64, tally *promise.Tally) {
	url := migrated(t, c)
	var nodes []*postgres.Store
	var proxies []*pgtest.Proxy
	for range 2 {
		d := newDatabase(t, c, url)
		nodes, proxies = append(nodes, d.mustOpen(t)), append(proxies, d.proxy)
	}
	l := newLoad(t, tally, seed, nodes...)
	var cutters sync.WaitGroup
	for n, p := range proxies {
		dice := rand.New(rand.NewPCG(seed, 200+uint64(n)))
		cutters.Go(func() {
			for i := range cutsOfNode {
				// The node is back first, or it would know little but cuts.
				for l.send(nodes[n], l.next(dice)) != nil {
					time.Sleep(5 * time.Millisecond)
				}
				if i%5 == 0 { // a digest may fail, too
					_, _, _ = nodes[n].Seal(t.Context(), time.Now())
				}
				if i%2 == 0 {
					p.LoseAnswers(1)
					p.AwaitLost(1)
					tally.Add("unanswered-commits", 1)
					continue
				}
				// Few bytes cut a connection while it is opened, more in the midst of
				// answers. It ends with the first that is cut, or none would last.
				p.CutAfter(func() int { return 1 + dice.IntN(2000) })
				p.AwaitEnded(1)
				p.CutAfter(nil)
				tally.Add("cuts-at-a-byte", 1)
			}
		})
	}
	cutters.Wait()
	l.ends(open(t, url), seed)
}
