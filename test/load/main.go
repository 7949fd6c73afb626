// Command load measures servers from end to end on one machine: a process that
// sends signed requests over real connections, and one server at a time that
// answers them. It prints the table and the ratios that docs/bench/end-to-end.md
// explains, as Markdown; how far it is goes to standard error.
//
// Rounds alternate between the servers. Each server is started anew for each
// round, over a copy of what was stored beforehand, and stopped after it. All that
// is started listens on loopback. It runs in the root of the repository, on Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// roleGenerator is this program as the process that sends.
const roleGenerator = "generator"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run is the program in the role that its first argument names.
func run(args []string) error {
	if len(args) > 1 {
		switch args[0] {
		case roleGenerator:
			endWithInput()
			return generate(os.Stdout, args[1])
		case roleHello, roleNone, roleNaive:
			return serveRole(os.Stdout, args[0], args[1:])
		}
	}
	o, err := parse(args, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	err = compare(ctx, o, self, os.Stdout, os.Stderr)
	if ctx.Err() != nil {
		return errors.New("it was told to stop")
	}
	return err
}

// longest is how long a round with its warm-up may be: six hours' keys last for
// so long at the rates that were seen.
const longest = 8 * time.Second

// options are what the flags say.
type options struct {
	rounds     int
	span, warm time.Duration
	conns      int
	records    []int
	accounts   int
	agreements int
	postgres   int
	only       *regexp.Regexp
	cache      string
	profiles   string
	quick      bool
}

func parse(args []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.rounds, "rounds", 5, "how often each server is measured")
	flags.DurationVar(&o.span, "for", 2*time.Second, "how long a round is")
	flags.DurationVar(&o.warm, "warm", time.Second, "how long it is warmed up before; no part of the round")
	flags.IntVar(&o.conns, "conns", 64, "connections, with one request in flight each")
	records := flags.String("records", "1,20,50", "millions of records that the embedded store has beforehand: numbers, in ascending order")
	flags.IntVar(&o.accounts, "accounts", 0, "measure the embedded store with so many calling accounts, too; 0: only with one")
	flags.IntVar(&o.agreements, "agreements", 16384, "agreements in the catalogue, a power of two")
	flags.IntVar(&o.postgres, "postgres", 15, "major version of PostgreSQL")
	only := flags.String("only", "", "only the servers whose names this expression matches")
	flags.StringVar(&o.cache, "cache", defaultCache(), "folder that keeps what is stored beforehand from one run to the next; what it needs for 50 million records is some 20 GB while they are stored")
	flags.StringVar(&o.profiles, "profile", "", "folder to write a profile of each of our servers to, of the first round; meterd is then built with the tag meterd_profile")
	flags.BoolVar(&o.quick, "quick", false, "one short round with 100,000 records, to see that all of it works; a flag that is given goes before")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q? -h shows the flags", flags.Arg(0))
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	o.standards(given, records)
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, err
	}
	for word := range strings.SplitSeq(*records, ",") {
		n, err := strconv.ParseFloat(word, 64)
		if err != nil || n <= 0 || n > 1000 {
			return o, fmt.Errorf("-records: %q is no number of millions", word)
		}
		o.records = append(o.records, int(n*1e6))
	}
	switch {
	case !slices.IsSorted(o.records):
		return o, errors.New("-records: the numbers are to ascend")
	case o.rounds < 1 || o.conns < 1 || o.accounts < 0 || o.span < 100*time.Millisecond || o.warm < 0 || o.warm+o.span > longest:
		return o, fmt.Errorf("-rounds and -conns are 1 at the least, -for is 100ms at the least, and %s at the most with -warm", longest)
	case o.agreements < 256 || o.agreements&(o.agreements-1) != 0:
		return o, errors.New("-agreements is a power of two, 256 at the least")
	}
	return o, nil
}

// standards are what -quick has for flags that are not given.
func (o *options) standards(given map[string]bool, records *string) {
	if !o.quick {
		return
	}
	if !given["rounds"] {
		o.rounds = 1
	}
	if !given["for"] {
		o.span = 400 * time.Millisecond
	}
	if !given["warm"] {
		o.warm = 100 * time.Millisecond
	}
	if !given["agreements"] {
		o.agreements = 4096
	}
	if !given["records"] {
		*records = "0.1"
	}
}

func defaultCache() string {
	if dir := os.Getenv("METERD_BENCH_CACHE"); dir != "" {
		return dir
	}
	return filepath.Join(os.TempDir(), "meterd-bench")
}

// reference is the number of records that the targets are for: 20 million, if the
// store is measured with that, or else the largest.
func (o *options) reference() int {
	const records = 20_000_000
	if slices.Contains(o.records, records) {
		return records
	}
	return o.records[len(o.records)-1]
}

// compare runs all rounds and prints what they came to.
func compare(ctx context.Context, o options, self string, out, say io.Writer) (err error) {
	h := &harness{options: o, self: self, cache: o.cache, say: say, profiling: new(sync.WaitGroup)}
	if err := os.MkdirAll(o.cache, 0o700); err != nil {
		return err
	}
	// One run at a time: another would measure this one.
	lock, err := vfs.Default.Lock(filepath.Join(o.cache, "LOCK"))
	if err != nil {
		return fmt.Errorf("another run has %s: %w", o.cache, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := removeAll(filepath.Join(o.cache, "run-*")); err != nil { // of runs that were killed
		return err
	}
	// In the cache, since links do not reach another file system.
	if h.dir, err = os.MkdirTemp(o.cache, "run-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(h.dir)) }()
	if h.cache, err = filepath.Abs(h.cache); err != nil {
		return err
	}
	if h.dir, err = filepath.Abs(h.dir); err != nil {
		return err
	}
	if err := h.buildBoth(ctx); err != nil {
		return err
	}
	all, leftOut := h.contenders()
	all = slices.DeleteFunc(all, func(c contender) bool { return !o.only.MatchString(c.name) })
	if len(all) == 0 {
		return fmt.Errorf("no server's name matches %q", o.only)
	}
	t := &table{options: o, rows: all, leftOut: leftOut, rounds: make(map[string][]round)}
	t.began, t.busy = time.Now(), load()
	if err := h.rounds(ctx, t); err != nil {
		return err
	}
	t.print(out)
	return nil
}

func (h *harness) rounds(ctx context.Context, t *table) error {
	for _, c := range t.rows { // all that is to be stored is stored first
		for _, n := range c.beforehand {
			if _, err := h.preloaded(ctx, c.world, n); err != nil {
				return err
			}
		}
	}
	served := slices.ContainsFunc(t.rows, func(c contender) bool {
		return c.world.Accounts == 1 && slices.Contains(c.beforehand, h.reference())
	})
	for n := range h.options.rounds {
		for _, c := range t.rows {
			m, err := h.round(ctx, c, n)
			if err != nil {
				return err
			}
			t.rounds[c.name] = append(t.rounds[c.name], m)
			h.step("round %d of %d: %s: %.0f records/s, p50 %.1f ms, p99 %.1f ms", n+1, h.options.rounds, c.name, m.records, m.p50, m.p99)
		}
		if !served { // nothing is stored that readiness could be measured with
			continue
		}
		r, err := h.readiness(ctx, n)
		if err != nil {
			return fmt.Errorf("readiness: %w", err)
		}
		t.readiness = append(t.readiness, r)
		h.step("round %d of %d: ready after %.2f s, after a kill %.2f s", n+1, h.options.rounds, r.clean.Seconds(), r.killed.Seconds())
	}
	return nil
}

func removeAll(pattern string) (err error) {
	names, err := filepath.Glob(pattern)
	for _, name := range names {
		err = errors.Join(err, os.RemoveAll(name))
	}
	return err
}

// buildBoth builds the product, and the same without events.
func (h *harness) buildBoth(ctx context.Context) error {
	h.meterd, h.untraced = filepath.Join(h.dir, "meterd"), filepath.Join(h.dir, "meterd-without-events")
	tags := "meterd_movable_clock" // for its keys that stand for AgentCore runtimes
	if h.profiles != "" {
		if err := os.MkdirAll(h.profiles, 0o700); err != nil {
			return err
		}
		tags += ",meterd_profile"
	}
	h.step("building meterd")
	return errors.Join(build(ctx, h.meterd, tags), build(ctx, h.untraced, tags+",meterd_untraced"))
}

func build(ctx context.Context, path, tags string) error {
	text, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "-tags", tags, "github.com/meterd/meterd/cmd/meterd").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	return nil
}
