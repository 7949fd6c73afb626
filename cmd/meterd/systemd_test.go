package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store/embedded"
)

// newTestServer is a server as serve makes it, over a store in memory.
func newTestServer(t *testing.T) *server {
	t.Helper()
	db, err := embedded.Open(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	s := newServer(db, slog.New(slog.DiscardHandler), "", nil)
	s.drainTimeout = 5 * time.Second
	return s
}

func loopback(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

// TestSupervisor: systemd is told when we are ready, that we are well, and that
// we stop, over a socket with a path and over an abstract one. Meanwhile the
// server is unready at once and still serves.
func TestSupervisor(t *testing.T) {
	for _, socket := range []string{filepath.Join(shortDir(t), "n"), fmt.Sprintf("@meterd-test-%d", os.Getpid())} {
		t.Run(socket[:1], func(t *testing.T) {
			l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			t.Setenv("NOTIFY_SOCKET", socket)
			t.Setenv("WATCHDOG_USEC", "40000")
			t.Setenv("WATCHDOG_PID", "")
			s := newTestServer(t)
			s.drainDelay = 1500 * time.Millisecond
			s.supervisor = newSupervisor(s.log)
			if s.supervisor.watchdog != 40*time.Millisecond {
				t.Fatalf("the watchdog's time is %s", s.supervisor.watchdog)
			}
			listener := loopback(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- s.serve(ctx, listener, func() {}) }()

			hear := func() string {
				t.Helper()
				b := make([]byte, 100)
				_ = l.SetReadDeadline(time.Now().Add(5 * time.Second))
				n, err := l.Read(b)
				if err != nil {
					t.Fatal(err)
				}
				return string(b[:n])
			}
			for _, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1"} {
				if got := hear(); got != want {
					t.Fatalf("systemd was told %q, want %q", got, want)
				}
			}
			url := "http://" + listener.Addr().String()
			if code, _ := getText(t, url+"/readyz"); code != http.StatusOK {
				t.Errorf("ready: %d", code)
			}
			stop()
			for got := ""; got != "STOPPING=1"; {
				if got = hear(); got != "STOPPING=1" && got != "WATCHDOG=1" {
					t.Fatalf("systemd was told %q", got)
				}
			}
			if code, text := getText(t, url+"/readyz"); code != http.StatusServiceUnavailable || text != "serving: starting or stopping\n" {
				t.Errorf("while it stops: %d %s", code, text)
			}
			if code, _ := getText(t, url+"/livez"); code != http.StatusOK {
				t.Errorf("while it stops, it is not alive: %d", code)
			}
			if got := hear(); got != "WATCHDOG=1" {
				t.Errorf("while it stops, systemd is told %q", got)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// shortDir is a folder whose sockets have short enough names.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "m")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func getText(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestWatchdogIsOurs: it is kept only if it was meant for this process, and only
// while all is well.
func TestWatchdogIsOurs(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for usec, want := range map[string]time.Duration{"": 0, "0": 0, "-5": 0, "soon": 0, "30000000": 30 * time.Second, "9223372036854775807": 0} {
		t.Setenv("WATCHDOG_USEC", usec)
		for pid, mine := range map[string]bool{"": true, fmt.Sprint(os.Getpid()): true, "1": false} {
			t.Setenv("WATCHDOG_PID", pid)
			expected := want
			if !mine {
				expected = 0
			}
			if got := newSupervisor(log).watchdog; got != expected {
				t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %s, want %s", usec, pid, got, expected)
			}
		}
	}
	path := filepath.Join(shortDir(t), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s := supervisor{socket: path, watchdog: 4 * time.Millisecond, log: log}
	s.watch(ctx, func() bool { return false })
	_ = l.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, err := l.Read(make([]byte, 100)); err == nil {
		t.Errorf("while it was not well, %d bytes came", n)
	}
}

// TestSupervisorIsDeaf: a systemd that does not read holds nobody up for long.
func TestSupervisorIsDeaf(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "n")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	log := new(syncBuffer)
	s := supervisor{socket: path, log: slog.New(slog.NewJSONHandler(log, nil))}
	began := time.Now()
	const patience = 30 * time.Second
	for !strings.Contains(log.String(), "systemd was not told") && time.Since(began) < patience {
		s.tell("READY=1")
	}
	if time.Since(began) > patience/2 {
		t.Errorf("it took %s", time.Since(began))
	}
}

// TestHealth: the checks, one line each, and which of them makes it unready.
func TestHealth(t *testing.T) {
	s := newTestServer(t)
	s.ready.Store(true)
	text, ok := s.verbose()
	for i, want := range []string{"[+] serving", "[+] store", "[+] catalogue: revision 0", "[+] clock: 2", "[+] disk: none of its own"} {
		if lines := strings.Split(text, "\n"); !ok || !strings.HasPrefix(lines[i], want) {
			t.Errorf("%q, want %q", lines[i], want)
		}
	}
	s.data, s.leastDisk = t.TempDir(), 1<<62
	if err := s.unready(); err == nil || !strings.Contains(err.Error(), "disk: ") || !strings.Contains(err.Error(), "MiB free, less than") {
		t.Errorf("with a full disk: %v", err)
	}
	s.data, s.leastDisk = t.TempDir()+"/gone", 0
	if text, ok := s.verbose(); ok || !strings.Contains(text, "[-] disk: the free space is not known\n") {
		t.Errorf("without a directory: %v %s", ok, text)
	}
	if _, err := clockState(time.Unix(0, 0)); err == nil || !strings.Contains(err.Error(), "1970-01-01T00:00:00Z") {
		t.Errorf("a machine that has lost the time: %v", err)
	}
	names := []string{}
	for _, c := range s.checks() {
		names = append(names, c.name)
	}
	if !slices.Equal(names, []string{"serving", "store", "catalogue", "clock", "disk"}) {
		t.Error(names)
	}
}
