package pgtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// superuser is who everybody is in a cluster of ours.
const superuser = "postgres"

// Cluster is a PostgreSQL server with its data, or a database that DATABASE_URL
// names. Its methods may be called at once, but only on a test's own goroutine.
type Cluster struct {
	bin    Binaries
	owner  *owner
	dir    string // with the folder data and the file log
	port   int
	given  string // DATABASE_URL; the rest is then not set
	shared bool

	mu     sync.Mutex
	server *server // nil while it is stopped
	resume func()  // set while it is paused
}

// server is one run of the postmaster.
type server struct {
	pid  int
	gone chan struct{} // closed when it has ended
}

// Start starts a cluster of the test's own, with settings of postgresql.conf
// beside those that every cluster here has. It is stopped and removed with the
// test.
func Start(tb testing.TB, version int, settings map[string]string) *Cluster {
	tb.Helper()
	l, bin := need(tb, version)
	l.mu.Lock()
	c, err := l.create(bin, settings)
	l.mu.Unlock()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.discard)
	return c
}

// URL is where the cluster is reached, as its superuser.
func (c *Cluster) URL() string {
	if c.given != "" {
		return c.given
	}
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?sslmode=disable", superuser, c.port)
}

// create makes a cluster and starts it. l.mu is held.
func (l *lab) create(bin Binaries, settings map[string]string) (*Cluster, error) {
	template, err := l.template(bin)
	if err != nil {
		return nil, err
	}
	c, err := l.place(bin)
	if err != nil {
		return nil, err
	}
	if err := copyTree(c.data(), template, l.owner, nil); err != nil {
		return nil, err
	}
	if err := c.configure(settings); err != nil {
		return nil, err
	}
	if err := c.start(); err != nil {
		c.discard()
		return nil, err
	}
	return c, nil
}

// place finds a folder and a port for a cluster that is yet to be made.
func (l *lab) place(bin Binaries) (*Cluster, error) {
	dir, err := os.MkdirTemp(l.dir, strconv.Itoa(bin.Version)+"-")
	if err != nil {
		return nil, err
	}
	if err := l.owner.own(dir); err != nil {
		return nil, err
	}
	port, err := freePort()
	return &Cluster{bin: bin, owner: l.owner, dir: dir, port: port}, err
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// configure adds to what initdb has written. Commits are synced as in production,
// because tests measure and break them; all else is small, for several clusters
// run beside one another.
func (c *Cluster) configure(settings map[string]string) error {
	all := map[string]string{
		"max_connections":    "200",
		"shared_buffers":     "32MB",
		"fsync":              "on",
		"full_page_writes":   "on",
		"synchronous_commit": "on",
		"wal_level":          "replica",
		"wal_keep_size":      "256MB", // a standby's copy begins without a slot
		"max_wal_senders":    "10",
		"min_wal_size":       "32MB",
		"logging_collector":  "off",
		"log_min_messages":   "warning",
	}
	maps.Copy(all, settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s = %s\n", name, literal(all[name]))
	}
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text.String())
	return errors.Join(err, f.Close())
}

// literal quotes a string, for SQL and for postgresql.conf.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// freePort returns a port that nobody listens on. It lies below those that
// systems give to outgoing connections: while the server is down, one of those
// could take its port, even a client's that asks for that very port and so
// connects to itself.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := 20000 + rand.IntN(12000)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// startTime is how long a server may take until it answers. Recovery after a
// crash on a busy machine is the slowest.
const startTime = time.Minute

// start runs the postmaster and returns when it takes connections. c.mu is held,
// or nobody else has the cluster yet.
func (c *Cluster) start() error {
	s, err := c.serve()
	if err != nil {
		return err
	}
	c.server = s
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for {
		conn, err := c.connect(ctx)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.gone:
			c.server = nil
			return fmt.Errorf("PostgreSQL %d did not start:\n%s", c.bin.Version, c.logTail())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL %d does not answer: %w\n%s", c.bin.Version, err, c.logTail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// serve runs the postmaster itself rather than pg_ctl, so that it is a child of
// the tests' and ends with them. The kernel takes the end of the thread that
// started a child for the parent's, and Go may end a thread at any time: so that
// thread is kept until the child has ended.
func (c *Cluster) serve() (*server, error) {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := c.bin.command(c.owner, "postgres", "-D", c.data(), "-p", strconv.Itoa(c.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	cmd.Stdout, cmd.Stderr = log, log
	started, s := make(chan error), &server{gone: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(s.gone)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	s.pid = cmd.Process.Pid
	return s, nil
}

// connect opens a session. Its statements are sent as they are, without being
// prepared, so that they may be several at once.
func (c *Cluster) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(c.URL())
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return pgx.ConnectConfig(ctx, config)
}

// logTail is the end of what the server has said.
func (c *Cluster) logTail() string {
	text, err := os.ReadFile(filepath.Join(c.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// discard stops the cluster and removes it.
func (c *Cluster) discard() {
	_ = c.halt(Immediate) // what it held is removed with it
	_ = os.RemoveAll(c.dir)
}

// errStopped is what a cluster that does not run answers.
var errStopped = errors.New("the cluster is stopped")
