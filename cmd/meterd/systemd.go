package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
)

// supervisor is systemd, if it started us and wants to know how we are: see
// sd_notify(3) and Type=notify.
type supervisor struct {
	socket   string        // "": nobody
	watchdog time.Duration // how often it expects to hear; 0: it does not
	log      *slog.Logger
}

func newSupervisor(log *slog.Logger) supervisor {
	s := supervisor{socket: os.Getenv("NOTIFY_SOCKET"), log: log}
	pid := os.Getenv("WATCHDOG_PID")
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err == nil && usec > 0 && usec < int64(24*time.Hour/time.Microsecond) && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		s.watchdog = time.Duration(usec) * time.Microsecond
	}
	return s
}

// tellTimeout bounds the wait for a systemd that does not listen.
const tellTimeout = time.Second

// tell sends one message. Its failure is worth a line, and no more: systemd will
// find out.
func (s supervisor) tell(state string) {
	if s.socket == "" {
		return
	}
	// A name that begins with @ is an abstract one, to Go too.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err == nil {
		_ = conn.SetWriteDeadline(time.Now().Add(tellTimeout)) // it blocks while nobody reads what was sent before
		_, err = conn.Write([]byte(state))
		_ = conn.Close()
	}
	if err != nil {
		s.log.Warn("systemd was not told", "state", state, "error", err)
	}
}

// watch tells the watchdog twice in each of its times that we are well, while we
// are, until the context is done.
func (s supervisor) watch(ctx context.Context, well func() bool) {
	if s.socket == "" || s.watchdog == 0 {
		return
	}
	tick := time.NewTicker(s.watchdog / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if well() {
				s.tell("WATCHDOG=1")
			}
		}
	}
}
