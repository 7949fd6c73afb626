// Command soak runs the tests of faults for long, one after the other, and prints
// what they did as a table. Each gets an equal share of the time, or, with -full,
// as long as it takes to do as often what docs/reliability.md says of a full soak.
// A test runs in slices of a process each: a store that has failed is never let go of, so a process that lets
// stores fail grows. Every slice has other seeds. A test that fails ends the soak
// with its output, in which stands the command that replays the failure.
package main

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// soaked is a test, how long one process of it may go on, and what it counts how
// often in a full soak.
type soaked struct {
	pkg, test string
	slice     time.Duration
	what      string
	full      int
}

// module is where the go command runs for a package, and what it is called there.
func (s soaked) module() (dir, pkg string) {
	if s.pkg == "./test/sdk" {
		return s.pkg, "."
	}
	return ".", s.pkg
}

// Those that take a second make one round in a process.
var tests = []soaked{
	{"./internal/store/embedded", "TestSimulation", 30 * time.Second, "runs", 100_000},
	{"./internal/store/embedded", "TestPowerLossAnywhere", 2 * time.Minute, "images", 100_000},
	{"./internal/store/embedded", "TestEveryFileOperationFails", time.Second, "images", 10_000},
	{"./internal/store/embedded", "TestDamagedFiles", 2 * time.Minute, "runs", 20_000},
	{"./internal/store/embedded", "TestDiskFullThenFreed", 30 * time.Second, "times_full", 100},
	{"./internal/awsapi", "TestClocksJump", 2 * time.Minute, "runs", 100_000},
	{"./cmd/meterd", "TestKill", 5 * time.Minute, "kills", 1000},
	{"./cmd/meterd", "TestBackupUnderLoad", 2 * time.Minute, "restores", 100},
	{"./cmd/meterd", "TestRollingUpgrade", 2 * time.Minute, "replaced-nodes", 50},
	{"./test/sdk", "TestSigV4", 10 * time.Minute, "originals", 2_000_000},
	{"./test/sdk", "TestAnswersDropped", 2 * time.Minute, "calls", 50_000},
	{"./internal/store/postgres", "TestServerFaults", 5 * time.Minute, "failovers", 20},
	{"./internal/store/postgres", "TestCuts", 5 * time.Minute, "unanswered-commits", 1000},
	{"./internal/store/postgres", "TestNodesRace", 5 * time.Minute, "keys", 200_000},
}

func main() {
	total := flag.Duration("for", 30*time.Minute, "how long it is to take in all")
	full := flag.Bool("full", false, "instead, until each test has done what a full soak asks of it; takes hours")
	only := flag.String("run", "", "only the tests whose names this expression matches")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := soak(ctx, os.Stdout, *total, *full, *only); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func soak(ctx context.Context, out io.Writer, total time.Duration, full bool, only string) error {
	pick, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	picked := slices.DeleteFunc(slices.Clone(tests), func(s soaked) bool { return !pick.MatchString(s.test) })
	if len(picked) == 0 {
		return fmt.Errorf("no test matches %q", only)
	}
	all := make([]*table, len(picked))
	var failed error
	for i, s := range picked {
		all[i] = &table{counts: make(map[string]int)}
		e := end{share: total / time.Duration(len(picked))}
		if full {
			e = end{what: s.what, n: s.full}
		}
		if failed = s.soak(ctx, out, e, all[i]); failed != nil {
			break
		}
	}
	fmt.Fprintf(out, "\n%-32s %-28s %12s\n", "test", "what", "count")
	for i, s := range picked {
		if all[i] == nil {
			continue
		}
		for _, what := range all[i].order {
			fmt.Fprintf(out, "%-32s %-28s %12d\n", s.test, what, all[i].counts[what])
		}
	}
	return failed
}

// table is what a test has counted, over all its slices.
type table struct {
	order  []string
	counts map[string]int
}

func (t *table) add(what string, n int) {
	if _, known := t.counts[what]; !known {
		t.order = append(t.order, what)
	}
	t.counts[what] += n
}

// end is when a test has gone on for long enough: after its share of the time, or
// when it has done something so often.
type end struct {
	share time.Duration
	what  string
	n     int
}

// left is how much longer a test may go on that has begun then.
func (e end) left(began time.Time, t *table) time.Duration {
	switch {
	case e.what == "":
		return e.share - time.Since(began)
	case t.counts[e.what] < e.n:
		return math.MaxInt64
	}
	return 0
}

// far is how far it is.
func (e end) far(began time.Time, t *table) string {
	if e.what == "" {
		return fmt.Sprintf("%.0f of %.0f s", time.Since(began).Seconds(), e.share.Seconds())
	}
	return fmt.Sprintf("%d of %d %s after %.0f s", t.counts[e.what], e.n, e.what, time.Since(began).Seconds())
}

// soak runs a test in slices until the end.
func (s soaked) soak(ctx context.Context, out io.Writer, e end, t *table) error {
	began := time.Now()
	for n := 1; ; n++ {
		left := e.left(began, t)
		if left <= 0 && n > 1 {
			t.add("seconds", int(time.Since(began).Seconds()))
			return nil
		}
		if err := s.run(ctx, out, max(time.Second, min(s.slice, left)), t); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %s\n", s.test, e.far(began, t))
	}
}

// run runs a slice, shows its progress, and adds its counts up.
func (s soaked) run(ctx context.Context, out io.Writer, slice time.Duration, t *table) error {
	dir, pkg := s.module()
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-timeout=0", "-run", "^"+s.test+"$", pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "METERD_TEST_SOAK="+slice.String())
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	var said strings.Builder
	counted := false
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		fmt.Fprintln(&said, line)
		if strings.HasPrefix(line, s.test+": ") { // progress
			fmt.Fprintln(out, line)
		}
		if _, counts, ok := strings.Cut(line, " counts: "); ok {
			counted = true
			count(counts, t)
		}
	}
	if err := cmd.Wait(); err != nil || !counted {
		return fmt.Errorf("%s: %w\n%s", s.test, cmp.Or(err, context.Cause(ctx), fmt.Errorf("it has counted nothing")), said.String())
	}
	return nil
}

// count reads "what=1 other=2 in 3.4 s".
func count(text string, t *table) {
	for _, word := range strings.Fields(text) {
		what, digits, ok := strings.Cut(word, "=")
		if n, err := strconv.Atoi(digits); ok && err == nil {
			t.add(what, n)
		}
	}
}
