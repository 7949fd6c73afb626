package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// production is what nodes are started with, made once for all tests: a binary
// whose clock moves, and a file of keys.
type production struct{ binary, keyFile string }

// newProduction builds the binary from the sources beside this module, whatever
// METERD_BINARY names: nobody ships one whose clock moves.
func newProduction(dir string) (p production, err error) {
	p.binary, p.keyFile = filepath.Join(dir, "meterd-movable-clock"), filepath.Join(dir, "keys")
	if err := goBuild(p.binary, "-tags", movableClock); err != nil {
		return p, err
	}
	if text, err := exec.Command(p.binary, "keyfile", "create", p.keyFile).CombinedOutput(); err != nil {
		return p, fmt.Errorf("meterd keyfile create: %w\n%s", err, text)
	}
	return p, nil
}

// movableClock is the build tag of cmd/meterd/clock_movable.go.
const movableClock = "meterd_movable_clock"

// nodesToken is the operator's. Production takes none that is weaker.
const nodesToken = "token-of-the-operator-0123456789-ABCDEF"

// newPlace is so many nodes over one cluster. "meterd migrate" makes the tables
// once, each start copies them: that takes a tenth of the time.
func newPlace(t *testing.T, nodes int, c *pgtest.Cluster) place {
	t.Helper()
	p := place{nodes, c, c.Schema(t)}
	theProduction(t).run(t, nil, "migrate", "--store", p.tables)
	return p
}

// TestClockOfProduction: only the binary that is built for these tests has in it
// what moves the clock, and says so. That the other answers 404 to who would, a
// script of cmd/meterd shows.
func TestClockOfProduction(t *testing.T) {
	for file, want := range map[string]bool{binary: false, theProduction(t).binary: true} {
		if got := bytes.Contains(readFile(t, file), []byte("with the tag "+movableClock)); got != want {
			t.Errorf("%s moves its clock: %t, want %t", filepath.Base(file), got, want)
		}
	}
}

// startNodes runs the place's nodes over a database of the test's own, with the
// catalogue and their clocks at T. Clients reach one at its own address, several
// through a proxy that gives each request to the next.
func startNodes(t *testing.T, p place, catalog []byte, flags []string) *server {
	t.Helper()
	made := theProduction(t)
	url := p.cluster.CopySchema(t, p.tables)
	s := &server{token: nodesToken}
	for range p.nodes {
		node := made.serve(t, url, flags)
		s.nodes = append(s.nodes, node)
		s.setClock(t, clockT)
		if len(s.nodes) == 1 { // those that come later read it as they start
			made.run(t, []string{"METERD_URL=" + node, "METERD_ADMIN_TOKEN=" + s.token},
				"catalog", "apply", writeFile(t, "catalog.yaml", catalog))
		}
	}
	s.settle(t)
	s.url = s.nodes[0]
	if len(s.nodes) > 1 {
		s.url = takeTurns(t, s.nodes)
	}
	return s
}

// theProduction is what all tests share.
func theProduction(t *testing.T) production {
	t.Helper()
	made, err := makeProduction()
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// run runs a command that must succeed.
func (p production) run(t *testing.T, env []string, args ...string) {
	t.Helper()
	cmd := exec.Command(p.binary, args...)
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("meterd %s: %v\n%s", strings.Join(args, " "), err, text)
	}
}

// serve runs a node and returns its URL. What housekeeping lets go of it judges,
// as it starts, by the true time, to which all that a test makes may be long ago:
// so everything is kept.
func (p production) serve(t *testing.T, database string, flags []string) (url string) {
	t.Helper()
	const ever = "876000h"
	d := launch(t, p.binary, append([]string{
		"serve", "--store", database, "--key-file", p.keyFile, "--listen", "127.0.0.1:0", "--metrics-listen", "",
		"--behind-proxy", "--throttle", "off", "--refusals-kept", ever, "--tokens-kept", ever,
	}, flags...), "METERD_ADMIN_TOKEN="+nodesToken)
	d.await(t, func() bool {
		url = d.readyURL()
		return url != "" && ready(url)
	})
	return url
}

// readyURL is the address that a node logs once it serves, or "".
func (d *daemon) readyURL() string {
	for line := range strings.Lines(d.log.String()) {
		var entry struct{ Msg, URL string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "ready" {
			return entry.URL
		}
	}
	return ""
}

// settleTime is how long a node may go on without what another has changed: past
// it, it no longer decides anything.
const settleTime = 5 * time.Second

// settle returns when every node has the catalogue of the first, where changes are
// made.
func (s *server) settle(t *testing.T) {
	t.Helper()
	if len(s.nodes) == 1 {
		return
	}
	want := revision(t, s.nodes[0])
	for _, node := range s.nodes[1:] {
		began := time.Now()
		for revision(t, node) != want {
			if time.Since(began) > settleTime {
				t.Fatalf("after %s a node does not have the catalogue's revision %s", settleTime, want)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

var revisionLine = regexp.MustCompile(`(?m)^\[\+\] catalogue: revision (\d+)$`)

// revision is the catalogue's, as a node has it.
func revision(t *testing.T, node string) string {
	t.Helper()
	resp, err := http.Get(node + "/readyz?verbose")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := revisionLine.FindSubmatch(text)
	if m == nil {
		t.Fatalf("a node does not say which catalogue it has:\n%s", text)
	}
	return string(m[1])
}
