package pgtest

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// Mode is a way to stop a server.
type Mode int

// The ways to stop: Fast ends all sessions and writes a checkpoint, Immediate
// leaves that to recovery.
const (
	Fast Mode = iota
	Immediate
)

// controlTime is how long a server may take to do what it is told.
const controlTime = time.Minute

// Kill kills the server and all its processes at once, as a crash of the machine
// would, except that what the kernel was given to write is not lost. It may be
// paused.
func (c *Cluster) Kill(tb testing.TB) {
	tb.Helper()
	c.control(tb, func() error {
		if c.server == nil {
			return errStopped
		}
		slay(c.server.pid)
		<-c.server.gone
		c.thaw()
		c.server = nil
		return nil
	})
}

// Stop stops the server and waits until it has ended.
func (c *Cluster) Stop(tb testing.TB, mode Mode) {
	tb.Helper()
	c.control(tb, func() error { return c.stop(mode) })
}

// Start starts a server that was stopped or killed, on the same data and port,
// and returns when it takes connections.
func (c *Cluster) Start(tb testing.TB) {
	tb.Helper()
	c.control(tb, func() error {
		if c.server != nil {
			return errors.New("the cluster runs already")
		}
		return c.start()
	})
}

// Restart stops the server, fast, and starts it again.
func (c *Cluster) Restart(tb testing.TB) {
	tb.Helper()
	c.Stop(tb, Fast)
	c.Start(tb)
}

// Pause stops all processes of the server where they are, connections and all,
// until Resume.
func (c *Cluster) Pause(tb testing.TB) {
	tb.Helper()
	c.control(tb, func() (err error) {
		switch {
		case c.server == nil:
			return errStopped
		case c.resume != nil:
			return errors.New("the cluster is paused already")
		}
		c.resume, err = freeze(c.server.pid)
		return err
	})
}

// Resume lets the server go on after Pause.
func (c *Cluster) Resume(tb testing.TB) {
	tb.Helper()
	c.control(tb, func() error {
		if c.resume == nil {
			return errors.New("the cluster is not paused")
		}
		c.thaw()
		return nil
	})
}

// Exec runs a statement, or several, as the superuser.
func (c *Cluster) Exec(tb testing.TB, sql string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), controlTime)
	defer cancel()
	if err := c.exec(ctx, sql); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// Set changes a setting and returns when every process of the server has it, or
// has it as soon as it looks at its next statement. One that only a restart
// changes has to be followed by that.
func (c *Cluster) Set(tb testing.TB, name, value string) {
	tb.Helper()
	c.control(tb, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), controlTime)
		defer cancel()
		before, err := c.loaded(ctx)
		if err != nil {
			return err
		}
		if err := c.exec(ctx, fmt.Sprintf("ALTER SYSTEM SET %s = %s", name, literal(value))); err != nil {
			return err
		}
		if err := c.exec(ctx, "SELECT pg_reload_conf()"); err != nil {
			return err
		}
		// A new session has what the postmaster has read.
		for {
			now, err := c.loaded(ctx)
			if err != nil {
				return err
			}
			if now.After(before) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		// Whether commits wait for standbys is for the checkpointer to say, and it
		// reads its settings before it does what it is asked.
		return c.exec(ctx, "CHECKPOINT")
	})
}

// loaded is when the server has last read its settings.
func (c *Cluster) loaded(ctx context.Context) (at time.Time, err error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return at, err
	}
	defer conn.Close(ctx)
	return at, conn.QueryRow(ctx, "SELECT pg_conf_load_time()").Scan(&at)
}

func (c *Cluster) exec(ctx context.Context, sql string) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

// control does something to a server that is the test's own.
func (c *Cluster) control(tb testing.TB, do func() error) {
	tb.Helper()
	if c.shared || c.given != "" {
		tb.Fatal(errNotOwn)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := do(); err != nil {
		tb.Fatal(err)
	}
}

// halt stops the server if it runs.
func (c *Cluster) halt(mode Mode) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return nil
	}
	return c.stop(mode)
}

// stop tells the postmaster to shut down. c.mu is held.
func (c *Cluster) stop(mode Mode) error {
	if c.server == nil {
		return errStopped
	}
	c.thaw()
	s := syscall.SIGINT
	if mode == Immediate {
		s = syscall.SIGQUIT
	}
	if err := tell(c.server.pid, s); err != nil {
		return err
	}
	select {
	case <-c.server.gone:
	case <-time.After(controlTime):
		slay(c.server.pid)
		<-c.server.gone
		c.server = nil
		return fmt.Errorf("the cluster did not stop within %s and was killed:\n%s", controlTime, c.logTail())
	}
	c.server = nil
	return nil
}

// thaw ends a pause, if there is one. c.mu is held.
func (c *Cluster) thaw() {
	if c.resume != nil {
		c.resume()
		c.resume = nil
	}
}
