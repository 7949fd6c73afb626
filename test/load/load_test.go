package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the tests' binary be the generator and the servers, as the program
// is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && slices.Contains([]string{roleGenerator, roleHello, roleNone, roleNaive}, os.Args[1]) {
		if err := run(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestQuick runs the servers that need no database for one short round; CI runs all
// of them (.ci/run). That the answers are right is for the program itself to check.
func TestQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary and starts servers")
	}
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("left out: what a process uses is read from Linux's /proc")
	}
	cache, profiles := t.TempDir(), t.TempDir()
	o, err := parse([]string{
		"-quick", "-records", "0.01,0.02", "-agreements", "2048", "-accounts", "150", "-for", "200ms", "-only", "hello|no store|embedded", "-cache", cache, "-profile", profiles,
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, say strings.Builder
	if err := compare(t.Context(), o, self, &out, &say); err != nil {
		t.Fatalf("%v\n%s", err, say.String())
	}
	t.Logf("\n%s", out.String())
	for _, row := range []string{
		"hello", "no store", "embedded, 0.01 M", "embedded, 0.02 M, 150 accounts", "embedded, 0.02 M, MeterUsage",
		"embedded, 0.02 M ÷ no store", "embedded, 0.02 M ÷ embedded, 0.01 M", "embedded, 0.02 M: p99", "memory idle, 0.02 M", "ready after a kill under load, 0.02 M",
	} {
		if !strings.Contains(out.String(), "\n| "+row+" | ") {
			t.Errorf("there is no row %q", row)
		}
	}
	for _, name := range []string{"hello-1", "no-store-1", "embedded-0.02-M-1"} {
		if info, err := os.Stat(filepath.Join(profiles, name+".pprof")); err != nil || info.Size() == 0 {
			t.Errorf("profile %s: %v", name, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(cache, "run-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("the run has left %q, error %v", left, err)
	}
}

// TestBatches: a request's records are of one product; a place is claimed once in an
// hour, but for the repeats, of which half have another quantity.
func TestBatches(t *testing.T) {
	w := newWorld(1000, 16384)
	if w.Products != 1024 || w.buyers() != 16 || w.hour() != 1024*256 {
		t.Fatalf("%+v: %d buyers a product", w, w.buyers())
	}
	b := newBatches(w, 7)
	type place struct{ hour, product, buyer, dim int }
	first := make(map[place]int)
	all, repeats, conflicts := 0, 0, 0
	for range 2 * w.batches() {
		hour, claims := b.next()
		for _, c := range claims {
			if c.product != claims[0].product {
				t.Fatalf("products %d and %d in one request", c.product, claims[0].product)
			}
			all++
			p := place{hour, c.product, c.buyer, c.dim}
			quantity, seen := first[p]
			switch {
			case !seen:
				first[p] = c.quantity
			case quantity == c.quantity:
				repeats++
			default:
				conflicts++
			}
		}
	}
	for what, n := range map[string]int{"repeats": repeats, "conflicts": conflicts} {
		if share := float64(n) / float64(all) * 100; share < 2 || share > 3 {
			t.Errorf("%.2f %% are %s, want about 2.5 %%", share, what)
		}
	}
}

// TestRequestSize: the requests are of the size that the targets were measured with.
func TestRequestSize(t *testing.T) {
	made, err := requests(newWorld(1, 16384), kindBatch, 200, 1)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, r := range made {
		sum += len(r)
	}
	if mean := sum / len(made); mean < 4200 || mean > 5400 {
		t.Errorf("a request has %d bytes", mean)
	}
}

func TestSpread(t *testing.T) {
	if got := spreadOf([]float64{3, 1, 2}); got != (spread{2, 1, 3}) {
		t.Errorf("of three: %+v", got)
	}
	if got := spreadOf([]float64{4, 1, 2, 3}); got != (spread{2.5, 1, 4}) {
		t.Errorf("of four: %+v", got)
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"-quick", "-rounds", "3"}, io.Discard)
	if err != nil || o.rounds != 3 || !slices.Equal(o.records, []int{100_000}) || o.reference() != 100_000 {
		t.Errorf("-quick -rounds 3: %+v, error %v", o, err)
	}
	if o, err = parse(nil, io.Discard); err != nil || o.reference() != 20_000_000 {
		t.Errorf("no flags: %+v, error %v", o, err)
	}
	for args, want := range map[string]string{
		"-records 20,1": "ascend", "-records x": "millions", "-agreements 1000": "power of two", "-rounds 0": "1 at the least", "-for 8s": "8s at the most with -warm", "more": "-h shows",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("%s: error %v, want %s", args, err, want)
		}
	}
}

// TestServerDies: a server that ends in the midst of a round is an error, with what
// it said.
func TestServerDies(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-quick", "-for", "7s"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{options: o, self: self, dir: t.TempDir(), say: io.Discard, profiling: new(sync.WaitGroup)}
	c := contender{name: nameHello, kind: kindMeter, world: newWorld(1, o.agreements)}
	c.start = func(ctx context.Context, h *harness) (*running, error) {
		r, err := startHello(meterAnswer)(ctx, h)
		if err == nil {
			time.AfterFunc(2*time.Second, r.servers[0].kill)
		}
		return r, err
	}
	_, err = h.round(t.Context(), c, 0)
	if err == nil || !strings.Contains(err.Error(), "hello ended in the midst of the run") || !strings.Contains(err.Error(), `"msg":"ready"`) {
		t.Errorf("error %v", err)
	}
}

// TestRefused: one status that is not 200 ends the run, with what the server said.
func TestRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"ThrottlingException"}`)
	}))
	defer server.Close()
	made, err := requests(newWorld(1, 256), kindBatch, 4, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	g := &generator{
		order: order{
			Kind: kindBatch, Addresses: []string{server.Listener.Addr().String()}, Conns: 2, Cycle: true,
			Warm: 10 * time.Second, For: 10 * time.Second,
		},
		requests: made, spent: make(chan struct{}),
	}
	err = g.run(ctx, json.NewEncoder(io.Discard))
	if err == nil || !regexp.MustCompile(`^request \d+: status 400: {"__type":"ThrottlingException"}$`).MatchString(err.Error()) {
		t.Errorf("error %v", err)
	}
}

// TestSlowAnswer: a round in which nothing was answered in time goes on until
// something is, and its rate is of the time that it really took.
func TestSlowAnswer(t *testing.T) {
	const slow = 300 * time.Millisecond
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(slow)
		w.Header().Set("Content-Length", "2")
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	made, err := requests(newWorld(1, 256), kindBatch, 4, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	g := &generator{
		order:    order{Kind: kindBatch, Addresses: []string{server.Listener.Addr().String()}, Conns: 1, Cycle: true, For: time.Millisecond},
		requests: made, spent: make(chan struct{}),
	}
	if err := g.run(ctx, json.NewEncoder(io.Discard)); err != nil {
		t.Fatal(err)
	}
	if r := g.result; r.Requests != 1 || r.Seconds < slow.Seconds()/2 || r.P50 < slow.Seconds()*1000 {
		t.Errorf("%+v", r)
	}
}
