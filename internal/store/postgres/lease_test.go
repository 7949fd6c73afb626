package postgres_test

import (
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// TestNodesAreCounted: nodes that serve from a database count one another; one that
// is closed is counted no more at once, one that dies when its lease has run out,
// and a command beside them never was.
func TestNodesAreCounted(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		d := newDatabase(t, c, url)
		dying := d.mustOpen(t)
		if n := dying.Nodes(); n != 1 {
			t.Errorf("the first counts %d nodes", n)
		}
		closing, staying := open(t, url), open(t, url)
		if n := staying.Nodes(); n != 3 {
			t.Errorf("the third counts %d nodes from the beginning, want 3", n)
		}
		beside, err := postgres.Open(t.Context(), postgres.Options{URL: url, Name: "meterd-check"})
		if err != nil {
			t.Fatal(err)
		}
		defer beside.Close()
		sees := func(s *postgres.Store, want int) func() bool { return func() bool { return s.Nodes() == want } }
		eventually(t, "the first sees the others", sees(dying, 3))
		if err := closing.Close(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		eventually(t, "the closed one is counted no more", sees(staying, 2))
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("a node that was closed kept its part for %v", took)
		}
		if beside.Nodes() != 1 {
			t.Errorf("a command counts %d nodes", beside.Nodes())
		}
		d.proxy.Freeze(true) // it lives, and cannot say so any more
		began = time.Now()
		eventually(t, "the dead one is counted no more", sees(staying, 1))
		if took := time.Since(began); took < 2*time.Second {
			t.Errorf("a node that is silent for %v has lost its part", took)
		}
		d.proxy.Freeze(false)
		eventually(t, "it lives again", sees(staying, 2))
	})
}

// TestLeaseWaitsForNoStandby: nodes count one another while commits hang for a
// standby that is gone; no lease is one of those that hang.
func TestLeaseWaitsForNoStandby(t *testing.T) {
	t.Parallel()
	own(t, nil, func(t *testing.T, c *pgtest.Cluster, url string) {
		first := open(t, url)
		c.Set(t, standbyNames, "ANY 1 (s1)")
		second := open(t, url)
		eventually(t, "they count one another", func() bool { return first.Nodes() == 2 && second.Nodes() == 2 })
		time.Sleep(3 * time.Second) // as long as a renewal takes to come round
		if n := query[int64](t, url, `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`); n > 0 {
			t.Errorf("%d wait for the standby, and nothing was committed but leases", n)
		}
		c.Set(t, standbyNames, "")
	})
}

// TestOldLeasesGo: what nodes have left that died goes with the next that is closed.
func TestOldLeasesGo(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		query[string](t, url, `WITH made AS (INSERT INTO lease (node, expires) VALUES ('old', now() - interval '2 minutes'), ('late', now() - interval '1 second') RETURNING node) SELECT max(node) FROM made`)
		s := open(t, url)
		if n := s.Nodes(); n != 1 {
			t.Errorf("%d nodes, with two whose leases have run out", n)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if left := query[string](t, url, `SELECT string_agg(node, ' ') FROM lease`); left != "late" {
			t.Errorf("left: %s", left)
		}
	})
}
