package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/store"
)

// check is one thing that must be so for the server to be sent anything. What it
// says is for anyone to read: causes are for the log.
type check struct {
	name string
	look func() (state string, err error)
}

// checks are what /readyz goes by.
func (s *server) checks() []check {
	return []check{
		{"serving", func() (string, error) {
			if !s.ready.Load() {
				return "", errors.New("starting or stopping")
			}
			return "", nil
		}},
		{"store", func() (string, error) {
			switch err := s.store.Err(); {
			case errors.Is(err, store.ErrNoRoom):
				return "", errors.New("nothing is written: the disk is nearly full")
			case errors.Is(err, store.ErrUnavailable):
				return "", errors.New("the database is out of reach; the log says why")
			case err != nil:
				return "", errors.New("a write failed; the log says why")
			}
			return "", nil
		}},
		{"catalogue", func() (string, error) {
			return fmt.Sprintf("revision %d", s.store.Catalog().Revision()), nil
		}},
		{"clock", func() (string, error) { return clockState(time.Now()) }},
		{"disk", s.diskState},
	}
}

// earliest is when this was written: a machine that shows an earlier time has
// lost it, as some do without power, and would refuse every signature.
var earliest = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func clockState(now time.Time) (string, error) {
	shown := now.UTC().Format(time.RFC3339)
	if now.Before(earliest) {
		return "", fmt.Errorf("the machine's shows %s", shown)
	}
	return shown, nil
}

func (s *server) diskState() (string, error) {
	if s.data == "" {
		return "none of its own", nil
	}
	usage, err := vfs.Default.GetDiskUsage(s.data)
	if err != nil {
		return "", errors.New("the free space is not known")
	}
	free := fmt.Sprintf("%d MiB free", usage.AvailBytes>>20)
	if usage.AvailBytes < s.leastDisk {
		return "", fmt.Errorf("%s, less than %d", free, s.leastDisk>>20)
	}
	return free, nil
}

// unready is why the server should be sent nothing; nil when it should.
func (s *server) unready() error {
	for _, c := range s.checks() {
		if _, err := c.look(); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// verbose says how each check stands.
func (s *server) verbose() (text string, ok bool) {
	ok = true
	var b strings.Builder
	for _, c := range s.checks() {
		state, err := c.look()
		if err != nil {
			ok, state = false, err.Error()
			fmt.Fprintf(&b, "[-] %s: %s\n", c.name, state)
			continue
		}
		fmt.Fprintf(&b, "[+] %s", c.name)
		if state != "" {
			fmt.Fprintf(&b, ": %s", state)
		}
		b.WriteByte('\n')
	}
	return b.String(), ok
}

// health answers the paths of probes: /livez, /readyz, which takes ?verbose, and
// /healthz, which is /readyz by another name. It reports whether it was one.
func (s *server) health(w http.ResponseWriter, r *http.Request) bool {
	text, ok := "", true
	switch r.RequestURI {
	case "/livez": // that it answers is the answer
	case "/readyz", "/healthz":
		if err := s.unready(); err != nil {
			text, ok = err.Error()+"\n", false
		}
	case "/readyz?verbose", "/healthz?verbose":
		text, ok = s.verbose()
	default:
		return false
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if ok {
		text += "ok\n"
	} else {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, text)
	return true
}
