package postgres_test

import (
	"context"
	"flag"
	"os"
	"testing"

	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
	"github.com/meterd/meterd/internal/store/storetest"
)

func TestMain(m *testing.M) {
	// Each step of the court's model is a transaction with a real disk: a tenth of
	// the runs that rapid has by default, on each of two versions. What the command
	// line says goes before.
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	os.Exit(pgtest.Main(m))
}

func TestCourt(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		storetest.Run(t, func(t *testing.T) storetest.Subject {
			return newDatabase(t, c, migrated(t, c)).subject()
		})
	})
}

// migrated is a database of the test's own, with its tables.
func migrated(tb testing.TB, c *pgtest.Cluster) (url string) {
	tb.Helper()
	url = c.Schema(tb)
	if _, err := postgres.Migrate(tb.Context(), url, nil); err != nil {
		tb.Fatal(err)
	}
	return url
}

// database is a schema behind a proxy that can hold COMMIT up, or keep it from
// the server.
type database struct {
	tb      testing.TB
	cluster *pgtest.Cluster
	url     string
	proxy   *pgtest.Proxy
}

func newDatabase(tb testing.TB, c *pgtest.Cluster, url string) *database {
	return &database{tb, c, url, pgtest.NewProxy(tb, c)}
}

func (d *database) open() (*postgres.Store, error) {
	return postgres.Open(context.Background(), postgres.Options{URL: d.proxy.URL(d.tb, d.url)})
}

func (d *database) subject() storetest.Subject {
	return storetest.Subject{
		Open: func() (store.Store, error) {
			s, err := d.open()
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		// What a loss of power leaves is what was committed: no more is ever
		// visible, and the log of it is on disk before it is. Whether the server
		// keeps that promise is shown by killing one, elsewhere.
		Crash: func(int, uint64) storetest.Subject {
			return newDatabase(d.tb, d.cluster, d.cluster.CopySchema(d.tb, d.url)).subject()
		},
		Tails:     []int{0},
		FailSyncs: d.proxy.FailCommits,
		HoldSyncs: d.proxy.HoldCommits,
	}
}

// open opens a store that lasts as long as the test.
func open(tb testing.TB, url string) *postgres.Store {
	tb.Helper()
	s, err := postgres.Open(tb.Context(), postgres.Options{URL: url})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func BenchmarkAppend(b *testing.B) {
	c := pgtest.Shared(b, pgtest.Versions[0])
	storetest.BenchmarkAppend(b, func(b *testing.B) store.Store { return open(b, migrated(b, c)) })
}

func (d *database) mustOpen(tb testing.TB) *postgres.Store {
	tb.Helper()
	s, err := d.open()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}
