package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
	"github.com/meterd/meterd/internal/store/promise"
)

// TestRollingUpgrade replaces two nodes over one database under load, one after the
// other: each is told to stop, finishes what it has begun, and a new process takes
// its place. Clients come by a load balancer that looks at /readyz. Nothing is lost
// or doubled, and there are no five seconds in which they only hear of errors.
func TestRollingUpgrade(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	binary := filepath.Join(t.TempDir(), "meterd")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	tally := promise.NewTally(t)
	cluster := pgtest.Shared(t, pgtest.Versions[len(pgtest.Versions)-1])
	for seed := range tally.Runs(1) {
		upgraded(t, binary, cluster, seed, tally)
	}
}

func upgraded(t *testing.T, binary string, cluster *pgtest.Cluster, seed uint64, tally *promise.Tally) {
	const callers = 8
	u := &upgrade{t: t, binary: binary, keys: filepath.Join(t.TempDir(), "keys"), database: cluster.Schema(t)}
	if err := os.WriteFile(u.keys, []byte(envelope.NewLine()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Migrate(t.Context(), u.database, nil); err != nil {
		t.Fatal(err)
	}
	front := newBalancer(t)
	nodes := []*upgradedNode{u.start(), u.start()}
	u.apply(nodes[0].url)
	for i, n := range nodes {
		front.put(i, n.url)
	}
	through := httptest.NewServer(front)
	defer through.Close()
	client := &devServer{env: map[string]string{urlVariable: through.URL, tokenVariable: upgradeToken}, signer: [2]string{upgradeKey, upgradeSecret}}
	var history promise.History
	u.await(client, &history)

	var (
		number atomic.Int64
		stop   = make(chan struct{})
		done   sync.WaitGroup
		now    = time.Now().UTC().Truncate(time.Hour)
	)
	for n := range uint64(callers) {
		dice := rand.New(rand.NewPCG(seed, n))
		done.Go(func() {
			var claims []killClaim
			for {
				select {
				case <-stop:
					return
				default:
				}
				if claims == nil {
					for range 1 + dice.IntN(4) {
						claims = append(claims, newUpgradeClaim(now, number.Add(1), dice))
					}
				}
				if client.send(&history, claims) {
					claims = nil
				}
			}
		})
	}
	for i := range nodes {
		time.Sleep(300 * time.Millisecond)
		nodes[i].stop(t)
		nodes[i] = u.start()
		front.put(i, nodes[i].url)
		front.awaitReady(t, i)
		tally.Add("replaced-nodes", 1)
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	done.Wait()
	tally.Add("upgrades", 1)
	found, err := history.Check(t.Context(), &adminLedger{client.operator(), "kill"})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range append(found, provenBy(t, client.operator())...) {
		t.Errorf("seed %d: %v\n%s", seed, v, promise.Replay(t, "cmd/meterd", seed))
	}
	for _, n := range nodes {
		n.stop(t)
	}
	counts := history.Counts()
	tally.Add("attempts", counts.Attempts)
	tally.Add("accepted", counts.Accepted)
	tally.Add("duplicates", counts.Duplicate)
	tally.Add("unknown", counts.Unknown)
	errors, longest := front.errors()
	tally.Add("errors", errors)
	t.Logf("%d of the answers were errors; for %s at the longest there were no others", errors, longest.Round(time.Millisecond))
	if longest > 5*time.Second {
		t.Errorf("for %s all answers were errors; 5 s at the most", longest)
	}
	if counts.Accepted < 500 || counts.Duplicate == 0 {
		t.Errorf("%+v: the test shows nothing", counts)
	}
}

// newUpgradeClaim is as newKillClaim, of one of the last four hours.
func newUpgradeClaim(now time.Time, number int64, dice *rand.Rand) killClaim {
	place := number
	if dice.IntN(4) == 0 {
		place = max(1, number-dice.Int64N(40))
	}
	c := killClaim{at: now.Add(-time.Duration(place%4) * time.Hour), dimension: fmt.Sprint("d", place/4%killDimensions), quantity: int32(place)}
	if place != number && dice.IntN(2) == 0 {
		c.quantity++
	}
	return c
}

// Production takes nothing that everyone can read, nor anything that is short.
const (
	upgradeToken  = "token-of-the-operator-0123456789-ABCDEF"
	upgradeKey    = "AKIAUPGRADESELLER001"
	upgradeSecret = "secret-of-the-seller-0123456789-ABCDEF"
)

// upgrade is what the nodes have in common.
type upgrade struct {
	t                      *testing.T
	binary, keys, database string
}

// upgradedNode is one process of `meterd serve`.
type upgradedNode struct {
	process *exec.Cmd
	url     string
	log     string
}

// start starts a node and returns when it says where it is.
func (u *upgrade) start() *upgradedNode {
	u.t.Helper()
	log, err := os.CreateTemp(u.t.TempDir(), "log")
	if err != nil {
		u.t.Fatal(err)
	}
	defer log.Close()
	n := &upgradedNode{log: log.Name(), process: exec.Command(u.binary, "serve", "--store", u.database, "--key-file", u.keys, //nolint:gosec // it is what was built
		"--listen", "127.0.0.1:0", "--metrics-listen", "", "--behind-proxy", "--throttle", "off", "--drain-delay", "500ms")}
	n.process.Env = append(os.Environ(), tokenVariable+"="+upgradeToken)
	n.process.Stdout, n.process.Stderr = log, log
	if err := n.process.Start(); err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() {
		_ = n.process.Process.Kill()
		_ = n.process.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if n.url = readyURL(n.log); n.url != "" {
			return n
		}
	}
	text, _ := os.ReadFile(n.log)
	u.t.Fatalf("a node was not ready in time:\n%s", text)
	return nil
}

// readyURL is the address that a node's log says it serves at, or "".
func readyURL(log string) string {
	f, err := os.Open(log)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var entry struct{ Msg, URL string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "ready" {
			return entry.URL
		}
	}
	return ""
}

// stop tells a node to stop, as whoever upgrades it does, and waits until it has
// finished what it had begun.
func (n *upgradedNode) stop(t *testing.T) {
	t.Helper()
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := n.process.Wait(); err != nil {
		text, _ := os.ReadFile(n.log)
		t.Fatalf("a node that was told to stop: %v\n%s", err, text)
	}
}

// apply gives the nodes their catalogue.
func (u *upgrade) apply(url string) {
	u.t.Helper()
	catalog := filepath.Join(u.t.TempDir(), "catalog.yaml")
	text := strings.NewReplacer("start: 2026-08-01", "start: 2020-08-01",
		"AKIAMETERDSELLER0001", upgradeKey, "example-secret", upgradeSecret).Replace(killCatalog())
	if err := os.WriteFile(catalog, []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
	cmd := exec.CommandContext(u.t.Context(), u.binary, "catalog", "apply", catalog) //nolint:gosec // it is what was built
	cmd.Env = append(os.Environ(), urlVariable+"="+url, tokenVariable+"="+upgradeToken)
	if out, err := cmd.CombinedOutput(); err != nil {
		u.t.Fatalf("meterd catalog apply: %v\n%s", err, out)
	}
}

// await waits until both nodes have the catalogue: a claim is taken often enough
// in a row for the turn to have been everyone's.
func (u *upgrade) await(client *devServer, h *promise.History) {
	u.t.Helper()
	c := killClaim{at: time.Now().UTC().Truncate(time.Hour).Add(-5 * time.Hour), dimension: "d0", quantity: 1}
	deadline := time.Now().Add(20 * time.Second)
	for inRow := 0; inRow < 4; {
		inRow++
		before := h.Counts().Accepted
		if !client.send(h, []killClaim{c}) || h.Counts().Accepted == before {
			inRow = 0
			time.Sleep(50 * time.Millisecond)
		}
		if time.Now().After(deadline) {
			u.t.Fatal(fmt.Errorf("the nodes do not take a record: %+v", h.Counts()))
		}
	}
}
