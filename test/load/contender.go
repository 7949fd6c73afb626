package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// contender is a row of the table: a server that is started anew for each round.
type contender struct {
	name  string
	kind  string // of the requests
	world world
	rate  int  // the most requests a second that there will be; 0: they are sent again and again
	keeps bool // it tells repeats from duplicates
	slow  bool // it answers so few that a round is a second at the least
	// beforehand is how many records are to be stored before the first round.
	beforehand []int
	start      func(ctx context.Context, h *harness) (*running, error)
}

// running is a contender that runs.
type running struct {
	servers  []*server
	database int // the process of the database server; 0: there is none
	// stored is how many bytes a stored record takes; nil: nothing is stored.
	stored func(ctx context.Context) (float64, error)
	stops  []func()
}

// stop ends all that was started, the last first.
func (r *running) stop() {
	for i := len(r.stops) - 1; i >= 0; i-- {
		r.stops[i]()
	}
}

func (r *running) add(s *server) {
	r.servers, r.stops = append(r.servers, s), append(r.stops, s.stop)
}

// Names of rows.
const (
	nameHello      = "hello"
	nameNone       = "no store"
	nameNode       = "PostgreSQL, one node"
	nameNodes      = "PostgreSQL, two nodes"
	nameNaive      = "naive PostgreSQL"
	nameMoto       = "moto"
	nameHelloMeter = "hello, MeterUsage"
)

func nameEmbedded(w world, records int) string {
	name := "embedded, " + millions(records) + " M"
	if w.Accounts > 1 {
		name += fmt.Sprintf(", %d accounts", w.Accounts)
	}
	return name
}

// nameUntraced is the embedded store served by a build that writes no events.
func nameUntraced(records int) string { return "embedded, " + millions(records) + " M, without events" }

func nameMeter(records int) string { return "embedded, " + millions(records) + " M, MeterUsage" }

// Sizes of answers, for hello: of 25 results, and of an id.
const (
	batchAnswer = 7100
	meterAnswer = 60
)

// contenders are the rows, in their order, and why others are left out.
func (h *harness) contenders() (all []contender, leftOut []string) {
	w := newWorld(1, h.agreements)
	add := func(c contender) { all = append(all, c) }
	add(contender{name: nameHello, kind: kindBatch, world: w, start: startHello(batchAnswer)})
	add(contender{name: nameNone, kind: kindBatch, world: w, start: startNone(w)})
	for _, n := range h.records {
		add(contender{name: nameEmbedded(w, n), kind: kindBatch, world: w, rate: 25_000, keeps: true, beforehand: []int{n}, start: startEmbedded(w, n)})
	}
	least := h.records[0]
	add(contender{name: nameUntraced(least), kind: kindBatch, world: w, rate: 25_000, keeps: true, beforehand: []int{least}, start: startUntraced(w, least)})
	if h.accounts > 1 {
		many := newWorld(h.accounts, h.agreements)
		for _, n := range h.records {
			add(contender{name: nameEmbedded(many, n), kind: kindBatch, world: many, rate: 25_000, keeps: true, beforehand: []int{n}, start: startEmbedded(many, n)})
		}
	}
	if bin, ok := pgtest.Installed(h.postgres); ok {
		add(contender{name: nameNode, kind: kindBatch, world: w, rate: 12_000, keeps: true, start: startPostgres(w, bin, 1)})
		add(contender{name: nameNodes, kind: kindBatch, world: w, rate: 12_000, keeps: true, start: startPostgres(w, bin, 2)})
		add(contender{name: nameNaive, kind: kindBatch, world: w, rate: 3_000, keeps: true, slow: true, start: startNaive(w, bin)})
	} else {
		leftOut = append(leftOut, fmt.Sprintf("PostgreSQL %d (not installed)", h.postgres))
	}
	if path, err := exec.LookPath("moto_server"); err == nil {
		add(contender{name: nameMoto, kind: kindLegacy, world: w, slow: true, start: startMoto(path)})
	} else {
		leftOut = append(leftOut, "moto (not installed)")
	}
	add(contender{name: nameHelloMeter, kind: kindMeter, world: w, start: startHello(meterAnswer)})
	n := h.reference()
	add(contender{name: nameMeter(n), kind: kindMeter, world: w, rate: 60_000, keeps: true, beforehand: []int{n}, start: startEmbedded(w, n)})
	return all, leftOut
}

func startHello(answer int) func(context.Context, *harness) (*running, error) {
	return func(ctx context.Context, h *harness) (*running, error) {
		return h.alone(ctx, roleHello, fmt.Sprint(answer))
	}
}

func startNone(w world) func(context.Context, *harness) (*running, error) {
	return func(ctx context.Context, h *harness) (*running, error) {
		return h.alone(ctx, roleNone, w.text())
	}
}

// alone is this program as a server, and nothing else.
func (h *harness) alone(ctx context.Context, role string, args ...string) (*running, error) {
	s, err := h.role(ctx, role, args...)
	if err != nil {
		return nil, err
	}
	r := new(running)
	r.add(s)
	return r, nil
}

func (w world) text() string {
	b, err := json.Marshal(w)
	if err != nil {
		panic(err) // three numbers
	}
	return string(b)
}

// startEmbedded serves from a copy of what was stored beforehand.
func startEmbedded(w world, records int) func(context.Context, *harness) (*running, error) {
	return func(ctx context.Context, h *harness) (*running, error) { return h.embedded(ctx, h.meterd, w, records) }
}

func startUntraced(w world, records int) func(context.Context, *harness) (*running, error) {
	return func(ctx context.Context, h *harness) (*running, error) {
		return h.embedded(ctx, h.untraced, w, records)
	}
}

func (h *harness) embedded(ctx context.Context, binary string, w world, records int) (*running, error) {
	from, err := h.preloaded(ctx, w, records)
	if err != nil {
		return nil, err
	}
	dir := h.place("data")
	r := &running{stops: []func(){func() { _ = os.RemoveAll(dir) }}} // the run's folder is removed with it
	if err := link(dir, from); err != nil {
		r.stop()
		return nil, err
	}
	s, err := h.serveBy(ctx, binary, "embedded", h.keyFile(w), "--data", dir)
	if err != nil {
		r.stop()
		return nil, err
	}
	r.add(s)
	r.stored = func(context.Context) (float64, error) {
		bytes, err := size(from)
		return float64(bytes) / float64(records), err
	}
	return r, nil
}

// databaseSettings are of a server that has a machine for itself; all commits are
// synced.
var databaseSettings = map[string]string{"shared_buffers": "1GB", "max_wal_size": "8GB"}

// database starts a new PostgreSQL.
func (h *harness) database(bin pgtest.Binaries) (r *running, url string, err error) {
	cluster, stop, err := pgtest.Run(bin, databaseSettings)
	if err != nil {
		return nil, "", err
	}
	r = &running{stops: []func(){stop}}
	if r.database, err = cluster.PID(); err != nil {
		stop()
		return nil, "", err
	}
	return r, cluster.URL(), nil
}

// startPostgres serves from a new database, with nodes of the product.
func startPostgres(w world, bin pgtest.Binaries, nodes int) func(context.Context, *harness) (*running, error) {
	return func(ctx context.Context, h *harness) (r *running, err error) {
		r, url, err := h.database(bin)
		if err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				r.stop()
			}
		}()
		keyFile := h.place("keys")
		keys, err := readOrMakeKeys(keyFile)
		if err != nil {
			return nil, err
		}
		if err := fill(ctx, w, url, keys); err != nil {
			return nil, err
		}
		for range nodes {
			s, err := h.serve(ctx, "a node over PostgreSQL", keyFile, "--store", url)
			if err != nil {
				return nil, err
			}
			r.add(s)
		}
		r.stored = perRow(url, "record", "event", "refusal")
		return r, nil
	}
}

// fill makes the product's tables, and puts the catalogue into them.
func fill(ctx context.Context, w world, url string, keys *envelope.Keys) error {
	if _, err := postgres.Migrate(ctx, url, nil); err != nil {
		return err
	}
	s, err := postgres.Open(ctx, postgres.Options{URL: url, Keys: keys})
	if err != nil {
		return err
	}
	if _, err := s.Put(ctx, store.Change{By: "load", At: time.Now(), Entries: w.entries()}); err != nil {
		return err
	}
	return s.Close()
}

func startNaive(w world, bin pgtest.Binaries) func(context.Context, *harness) (*running, error) {
	return func(ctx context.Context, h *harness) (*running, error) {
		r, url, err := h.database(bin)
		if err != nil {
			return nil, err
		}
		s, err := h.role(ctx, roleNaive, w.text(), url)
		if err != nil {
			r.stop()
			return nil, err
		}
		r.add(s)
		r.stored = perRow(url, "records")
		return r, nil
	}
}

// startMoto serves from moto, which has neither figures of its own nor a line that
// says that it is ready.
func startMoto(path string) func(context.Context, *harness) (*running, error) {
	return func(ctx context.Context, h *harness) (*running, error) {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		cmd := exec.Command(path, "-H", "127.0.0.1", "-p", fmt.Sprint(port)) //nolint:gosec // it was found on the PATH
		cmd.Dir = filepath.Clean(h.dir)
		s, err := launch("moto", h.place("log"), cmd)
		if err != nil {
			return nil, err
		}
		s.address = fmt.Sprintf("127.0.0.1:%d", port)
		err = s.await(ctx, func() bool {
			_, err := get(ctx, "http://"+s.address+"/moto-api/data.json")
			return err == nil
		})
		if err != nil {
			s.kill()
			return nil, err
		}
		r := new(running)
		r.add(s)
		return r, nil
	}
}
