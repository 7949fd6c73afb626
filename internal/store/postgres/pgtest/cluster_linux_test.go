package pgtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// versions runs a test for each version, on servers of its own.
func versions(t *testing.T, test func(t *testing.T, version int)) {
	for _, v := range Versions {
		t.Run(strconv.Itoa(v), func(t *testing.T) { test(t, v) })
	}
}

// TestKill: what was committed is there after a crash, what was not is not.
func TestKill(t *testing.T) {
	versions(t, func(t *testing.T, version int) {
		c := Start(t, version, map[string]string{"max_connections": "20"})
		url := c.Schema(t)
		conn := open(t, url)
		if got := one[string](t, conn, "SHOW max_connections"); got != "20" {
			t.Errorf("max_connections is %s, want what Start was given", got)
		}
		table(t, conn)
		if err := insert(conn, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO t VALUES ('a', 2)"); err != nil {
			t.Fatal(err)
		}
		c.Kill(t)
		if _, err := pgx.Connect(t.Context(), url); err == nil {
			t.Fatal("a killed server takes connections")
		}
		c.Start(t)
		if got := count(t, open(t, url)); got != 1 {
			t.Errorf("%d rows after the crash, want 1", got)
		}
	})
}

// TestStop: each way to stop, and data and address after it.
func TestStop(t *testing.T) {
	versions(t, func(t *testing.T, version int) {
		c := Start(t, version, nil)
		url := c.Schema(t)
		table(t, open(t, url))
		for n, stop := range []func(){
			func() { c.Stop(t, Fast); c.Start(t) },
			func() { c.Stop(t, Immediate); c.Start(t) },
			func() { c.Restart(t) },
			func() { c.Pause(t); c.Stop(t, Fast); c.Start(t) },
			func() { c.Pause(t); c.Kill(t); c.Start(t) },
		} {
			if err := insert(open(t, url), n); err != nil {
				t.Fatal(err)
			}
			stop()
			if got := count(t, open(t, url)); got != n+1 {
				t.Errorf("%d rows after stop %d, want %d", got, n, n+1)
			}
		}
	})
}

// TestPause: a paused server answers nothing, and what it was asked when it goes
// on.
func TestPause(t *testing.T) {
	versions(t, func(t *testing.T, version int) {
		c := Start(t, version, nil)
		conn := open(t, c.Schema(t))
		table(t, conn)
		c.Pause(t)
		done := make(chan error, 1)
		go func() { done <- insert(conn, 1) }()
		select {
		case err := <-done:
			t.Fatalf("a paused server answered: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		c.Resume(t)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := count(t, conn); got != 1 {
			t.Errorf("%d rows, want 1", got)
		}
	})
}

// TestSet: sessions that are open have the setting too.
func TestSet(t *testing.T) {
	c := Start(t, Versions[0], nil)
	conn := open(t, c.URL())
	c.Set(t, "work_mem", "1234kB")
	if got := one[string](t, conn, "SHOW work_mem"); got != "1234kB" {
		t.Errorf("work_mem is %s, want what was set", got)
	}
}

// TestStandby: commits wait for the standby that they are told to wait for, and
// what it has is there once it is promoted.
func TestStandby(t *testing.T) {
	versions(t, func(t *testing.T, version int) {
		primary := Start(t, version, nil)
		url := primary.Schema(t)
		conn := open(t, url)
		table(t, conn)
		if err := insert(conn, 1); err != nil {
			t.Fatal(err)
		}
		standby := primary.Standby(t, "s1")
		primary.Set(t, "synchronous_standby_names", "ANY 1 (s1)")
		if err := insert(conn, 2); err != nil {
			t.Fatal(err)
		}

		standby.Pause(t)
		done := make(chan error, 1)
		go func() { done <- insert(conn, 3) }()
		select {
		case err := <-done:
			t.Fatalf("a commit did not wait for its standby: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		standby.Resume(t)
		if err := <-done; err != nil {
			t.Fatal(err)
		}

		primary.Kill(t)
		standby.Promote(t)
		promoted := open(t, strings.Replace(url, strconv.Itoa(primary.port), strconv.Itoa(standby.port), 1))
		if got := count(t, promoted); got != 3 {
			t.Errorf("%d rows after the promotion, want 3", got)
		}
		if err := insert(promoted, 4); err != nil {
			t.Error(err)
		}
	})
}

// orphan is set for the process that TestOrphan starts and kills.
const orphan = "PGTEST_ORPHAN"

// TestOrphan: a server does not outlive its tests when they are killed, not even
// while it is paused.
func TestOrphan(t *testing.T) {
	if how := os.Getenv(orphan); how != "" {
		beKilled(t, how)
	}
	for _, how := range []string{"running", "paused"} {
		t.Run(how, func(t *testing.T) {
			need(t, Versions[0])
			cmd := exec.Command(os.Args[0], "-test.run=^TestOrphan$", "-test.v")
			// It leaves its files in our folder.
			cmd.Env = append(os.Environ(), orphan+"="+how, "TMPDIR="+process.dir)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var port, pid int
			for lines := bufio.NewScanner(out); port == 0 && lines.Scan(); {
				_, _ = fmt.Sscanf(lines.Text(), "port %d pid %d", &port, &pid)
			}
			if port == 0 {
				t.Fatal("the process did not start a server")
			}
			pids := append(children(pid), pid)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed
			awaitGone(pids)
			for _, pid := range pids {
				if _, running := status(pid); running {
					t.Errorf("process %d of %v still runs", pid, pids)
				}
			}
			if _, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				t.Error("the server still takes connections")
			}
		})
	}
}

// beKilled starts a server, says so and waits for the end.
func beKilled(t *testing.T, how string) {
	c := Start(t, Versions[0], nil)
	if how == "paused" {
		c.Pause(t)
	}
	fmt.Printf("port %d pid %d\n", c.port, c.server.pid)
	<-context.Background().Done()
}
