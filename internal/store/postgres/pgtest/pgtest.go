// Package pgtest gives tests a real PostgreSQL: its server programs, found or
// installed; clusters of a test's own, which can be killed, stopped, paused and
// given a standby; one cluster that all tests of a process share; schemas in it;
// and a [Proxy] that stands between a client and a cluster and breaks what lies
// between them at a chosen moment. [Tables] checks that SQL keeps to what
// distributed databases understand.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// Two variables steer it:
//
//	METERD_TEST_POSTGRES  required makes it a failure when a PostgreSQL is not to
//	                      be had, off leaves its tests out; otherwise they are
//	                      skipped when it is not to be had
//	DATABASE_URL          a database to use in place of the shared clusters; tests
//	                      that control a server start their own all the same
package pgtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// Versions are the major versions that the tests run on: the oldest that is
// supported and the newest.
var Versions = []int{15, 18}

// process is what the tests of this process share: the one variable that has to
// be global, because a test function is handed nothing but its T. Main sets it
// before any test runs.
var process *lab

// lab is a directory with all that is started here, and what was made in it once
// for everybody.
type lab struct {
	dir   string
	owner *owner // whose the servers are; nil if they are the process's own

	mu        sync.Mutex // held while one of these is made
	found     map[int]outcome[Binaries]
	templates map[int]outcome[string]
	shared    map[int]outcome[*Cluster]
}

// outcome is what came of something that is tried once: a second try would only
// take as long again.
type outcome[T any] struct {
	value T
	err   error
}

// once returns what made came to, and calls it if nobody has.
func once[K comparable, T any](kept map[K]outcome[T], key K, made func() (T, error)) (T, error) {
	o, ok := kept[key]
	if !ok {
		o.value, o.err = made()
		kept[key] = o
	}
	return o.value, o.err
}

// Main runs the tests of a package and then stops and removes what they shared.
// It returns the code to exit with.
func Main(m *testing.M) int {
	l, err := newLab()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	process = l
	defer l.close()
	return m.Run()
}

func newLab() (*lab, error) {
	o, err := serverOwner()
	if err != nil {
		return nil, err
	}
	// Not a test's own directory: nobody but the test's user may enter that.
	dir, err := os.MkdirTemp("", "meterd-pgtest-")
	if err != nil {
		return nil, err
	}
	return &lab{
		dir: dir, owner: o,
		found: map[int]outcome[Binaries]{}, templates: map[int]outcome[string]{}, shared: map[int]outcome[*Cluster]{},
	}, o.own(dir)
}

func (l *lab) close() {
	for _, o := range l.shared {
		if o.err == nil {
			_ = o.value.halt(Immediate) // what it held is removed with it
		}
	}
	_ = os.RemoveAll(l.dir)
}

// Shared returns the cluster of a version that all tests of this process use,
// each in a [Cluster.Schema] of its own. It is started at first use. If
// DATABASE_URL is set, that is what is returned, whatever its version.
func Shared(tb testing.TB, version int) *Cluster {
	tb.Helper()
	if url := given(); url != "" {
		return &Cluster{given: url}
	}
	l, bin := need(tb, version)
	l.mu.Lock()
	defer l.mu.Unlock()
	c, err := once(l.shared, version, func() (*Cluster, error) {
		c, err := l.create(bin, nil)
		if err == nil {
			c.shared = true
		}
		return c, err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Tried are the versions that a run tries: the newest alone, if it is a short one.
func Tried() []int {
	if testing.Short() {
		return Versions[len(Versions)-1:]
	}
	return Versions
}

// Each runs a test on the shared cluster of every version that is tried, or once on
// DATABASE_URL if that is set.
func Each(t *testing.T, test func(t *testing.T, c *Cluster)) {
	t.Helper()
	if given() != "" {
		t.Run("DATABASE_URL", func(t *testing.T) { test(t, Shared(t, 0)) })
		return
	}
	for _, version := range Tried() {
		t.Run("postgres"+strconv.Itoa(version), func(t *testing.T) { test(t, Shared(t, version)) })
	}
}

// given is the database that stands in for the shared clusters.
func given() string {
	if os.Getenv("METERD_TEST_POSTGRES") == "off" {
		return ""
	}
	return os.Getenv("DATABASE_URL")
}

// need returns the programs of a version. Where they are not to be had the test
// is skipped, or fails if they are required.
func need(tb testing.TB, version int) (*lab, Binaries) {
	tb.Helper()
	mode := os.Getenv("METERD_TEST_POSTGRES")
	switch {
	case mode == "off":
		tb.Skip("left out: METERD_TEST_POSTGRES is off")
	case mode != "" && mode != "required":
		tb.Fatalf("METERD_TEST_POSTGRES is %q; it may be required or off", mode)
	case process == nil:
		tb.Fatal("the package's TestMain does not call pgtest.Main")
	}
	process.mu.Lock()
	defer process.mu.Unlock()
	bin, err := once(process.found, version, func() (Binaries, error) { return Find(version) })
	switch {
	case err == nil:
	case mode == "required":
		tb.Fatal(err)
	default:
		tb.Skip("left out: " + err.Error())
	}
	return process, bin
}

// template returns a data directory of a version that no server runs on: making
// one takes a second, copying it a tenth of that. l.mu is held.
func (l *lab) template(bin Binaries) (string, error) {
	return once(l.templates, bin.Version, func() (string, error) {
		dir := filepath.Join(l.dir, fmt.Sprintf("template%d", bin.Version))
		// The cluster only has to survive killed processes, so nothing is synced.
		cmd := bin.command(l.owner, "initdb", "-D", dir, "-U", superuser, "--auth=trust",
			"--encoding=UTF8", "--locale=C", "--data-checksums", "--no-sync", "--no-instructions")
		runtime.LockOSThread() // see serve
		defer runtime.UnlockOSThread()
		if text, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("initdb of PostgreSQL %d: %w\n%s", bin.Version, err, text)
		}
		return dir, nil
	})
}

// errNotOwn is what controlling a cluster comes to that other tests stand on.
var errNotOwn = errors.New("this cluster is shared with other tests, so it can be neither stopped nor set: pgtest.Start gives one of your own")
