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

// sdks are the three SDKs where one process holds everything, and where calls go
// from node to node. A node alone differs from those in what no client sees.
func (p place) sdks() []string {
	if p.nodes == 1 {
		return []string{"go"}
	}
	return []string{"go", "js", "boto3"}
}

// clients are the SDKs and, where it finds what no SDK does, the slow CLI.
func (p place) clients() []string {
	if p.nodes == 0 {
		return append(p.sdks(), "cli")
	}
	return p.sdks()
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
	t.Run("dev", func(t *testing.T) { test(t, place{}) })
	t.Run("node", func(t *testing.T) {
		pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) { test(t, newPlace(t, 1, c)) })
	})
	t.Run("two nodes", func(t *testing.T) {
		test(t, newPlace(t, 2, pgtest.Shared(t, pgtest.Versions[0])))
	})
}

// everySDKEverywhere runs a test in every place under each of its SDKs.
func everySDKEverywhere(t *testing.T, test func(t *testing.T, p place, name string, c client)) {
	everyPlace(t, func(t *testing.T, p place) {
		for _, name := range p.sdks() {
			t.Run(name, func(t *testing.T) { test(t, p, name, open(t, name)) })
		}
	})
}
