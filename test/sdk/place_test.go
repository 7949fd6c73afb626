package sdk

import (
	"testing"

	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// A place is where the same tests run: "meterd dev", which is its zero value, or
// so many nodes of "meterd serve" over a schema of one PostgreSQL.
type place struct {
	nodes   int
	cluster *pgtest.Cluster
	tables  string // the URL of the schema that each start copies
}

// clients are those that run the vectors: all of them where one process holds
// everything, the SDKs where calls go from node to node. A node alone differs from
// those in what no client sees; and the CLI is slow.
func (p place) clients() []string {
	return [][]string{{"go", "js", "boto3", "cli"}, {"go"}, {"go", "js", "boto3"}}[p.nodes]
}

// start runs a server with our catalogue, its clock stopped at T, until the test
// ends. Flags given override ours. Container products are left out: the key that
// is made for one takes twenty times as long as all the rest of a start.
func (p place) start(t *testing.T, flags ...string) *server {
	t.Helper()
	return p.serve(t, withoutContainers(readFile(t, catalogFile)), flags)
}

// startWithContainers is start with all of the catalogue.
func (p place) startWithContainers(t *testing.T, flags ...string) *server {
	t.Helper()
	return p.serve(t, readFile(t, catalogFile), flags)
}

func (p place) serve(t *testing.T, catalog []byte, flags []string) *server {
	t.Helper()
	if p.nodes == 0 {
		return startCatalog(t, catalog, flags)
	}
	return startNodes(t, p, catalog, flags)
}

// everyPlace runs a test on "meterd dev", on one node over PostgreSQL, and on two
// over one database.
func everyPlace(t *testing.T, test func(t *testing.T, p place)) {
	oneOrTwo(t, test)
	t.Run("node", func(t *testing.T) {
		pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) { test(t, newPlace(t, 1, c)) })
	})
}

// oneOrTwo runs a test on "meterd dev" and on two nodes, which between them have
// all that one node has: it is for what is not worth the time of every place.
func oneOrTwo(t *testing.T, test func(t *testing.T, p place)) {
	t.Run("dev", func(t *testing.T) { test(t, place{}) })
	t.Run("two nodes", func(t *testing.T) {
		test(t, newPlace(t, 2, pgtest.Shared(t, pgtest.Versions[0])))
	})
}

// everySDKOnOneOrTwo is oneOrTwo under each of the three SDKs.
func everySDKOnOneOrTwo(t *testing.T, test func(t *testing.T, p place, name string, c client)) {
	oneOrTwo(t, func(t *testing.T, p place) {
		everySDK(t, func(t *testing.T, name string, c client) { test(t, p, name, c) })
	})
}
