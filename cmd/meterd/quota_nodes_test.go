package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// TestNodesShareAQuota: a quota that is set on one node holds on all within five
// seconds, and two and three nodes over one database let through as much together
// as one alone does, by the true time; what a node that is gone let through the
// others do.
func TestNodesShareAQuota(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := c.Schema(t)
		if _, err := postgres.Migrate(t.Context(), url, nil); err != nil {
			t.Fatal(err)
		}
		var nodes []*server
		var stores []*postgres.Store
		join := func() {
			db, err := postgres.Open(t.Context(), postgres.Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			nodes, stores = append(nodes, newServer(db, slog.New(slog.DiscardHandler), "", caller.AWSLimits())), append(stores, db)
		}
		const account, op, quota, span = metering.AccountID("111122223333"), metering.BatchMeterUsage, 60.0, 3 * time.Second
		let := func() (n int) {
			for _, s := range nodes {
				for s.api.Throttle.Allow(account, "us-east-1", op) {
					n++
				}
			}
			return n
		}
		measure := func(step string) {
			t.Helper()
			settled := func() bool {
				for _, db := range stores {
					if db.Nodes() != len(stores) {
						return false
					}
				}
				return true
			}
			for end := time.Now().Add(20 * time.Second); !settled(); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s: the nodes have not counted one another", step)
				}
			}
			let() // what the buckets hold
			began, n := time.Now(), 0
			for time.Since(began) < span {
				time.Sleep(5 * time.Millisecond)
				n += let()
			}
			want := quota * time.Since(began).Seconds()
			if got := float64(n); got < 0.9*want || got > 1.1*want {
				t.Errorf("%s: %v calls, want %.0f", step, got, want)
			}
		}
		join()
		join()
		if _, err := nodes[0].admin.PutQuota(t.Context(), admin.Quota{Account: "every", Operation: op, PerSecond: quota}); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(5 * time.Second); stores[1].Catalog().Quota(account, op) == nil; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("after five seconds the other node has not seen the quota")
			}
		}
		measure("two nodes")
		join()
		measure("three nodes")
		if err := stores[1].Close(); err != nil {
			t.Fatal(err)
		}
		nodes, stores = append(nodes[:1], nodes[2]), append(stores[:1], stores[2])
		measure("one is gone")
	})
}
