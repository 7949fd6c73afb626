package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bounds on what a server may take.
const (
	startTime = time.Minute
	stopTime  = 30 * time.Second
)

// server is a process that serves.
type server struct {
	name    string
	cmd     *exec.Cmd
	log     string // the file with all that it says
	ended   chan struct{}
	address string // of the API
	metrics string // where its own figures are; "": it has none
	took    time.Duration
}

// launch starts a process. It goes by the end of the thread that started it for
// its parent's, so that thread is kept until the process has ended.
func launch(name, log string, cmd *exec.Cmd) (*server, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = attributes()
	s := &server{name: name, cmd: cmd, log: log, ended: make(chan struct{})}
	began := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		began <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(s.ended)
		}
	}()
	return s, <-began
}

// start starts a server and waits until it says where it is, as `meterd serve`
// does.
func start(ctx context.Context, name, log string, cmd *exec.Cmd) (*server, error) {
	began := time.Now()
	s, err := launch(name, log, cmd)
	if err != nil {
		return nil, err
	}
	err = s.await(ctx, func() bool {
		url, metrics := said(s.log)
		s.address, s.metrics = strings.TrimPrefix(url, "http://"), metrics
		return url != ""
	})
	s.took = time.Since(began)
	if err != nil {
		s.kill()
		return nil, err
	}
	return s, nil
}

// await asks until it is so.
func (s *server) await(ctx context.Context, so func() bool) error {
	for deadline := time.Now().Add(startTime); !so(); time.Sleep(time.Millisecond) {
		select {
		case <-s.ended:
			return s.failure("ended")
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if time.Now().After(deadline) {
			return s.failure("was not ready in time")
		}
	}
	return nil
}

// said reads in a log where a server is.
func said(log string) (url, metrics string) {
	f, err := os.Open(log)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var entry struct{ Msg, URL, Metrics string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "ready" {
			return entry.URL, entry.Metrics
		}
	}
	return "", ""
}

// failure is what became of a server, with the end of what it said.
func (s *server) failure(what string) error {
	text, _ := os.ReadFile(s.log)
	return fmt.Errorf("%s %s:\n%s", s.name, what, text[max(0, len(text)-3000):])
}

// gone is an error if the server has ended.
func (s *server) gone() error {
	select {
	case <-s.ended:
		return s.failure("ended in the midst of the run")
	default:
		return nil
	}
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// kill ends the server at once.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.ended
}

// stop tells the server to finish what it has begun. One that does not is killed.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.ended:
	case <-time.After(stopTime):
		s.kill()
	}
}

// get reads what a server says over HTTP beside its API.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	err = errors.Join(err, res.Body.Close())
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", url, res.Status, body)
	}
	return body, err
}

// harness is what all that is started has in common.
type harness struct {
	options
	self     string // this program, which is also the generator and some of the servers
	meterd   string // the product
	untraced string // the same, without events
	dir      string // of this run, removed at its end
	cache    string // of what is stored beforehand
	say      io.Writer
	runs     int
	// profiling are the profiles that are being taken.
	profiling *sync.WaitGroup
}

// step says how far it is.
func (h *harness) step(format string, args ...any) {
	fmt.Fprintf(h.say, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05")}, args...)...)
}

// place is a folder or file of this run that nothing has used.
func (h *harness) place(name string) string {
	h.runs++
	return filepath.Join(h.dir, fmt.Sprintf("%03d-%s", h.runs, name))
}

// adminToken opens the operator's door, which nobody comes by.
const adminToken = "token-of-the-operator-0123456789-ABCDEF"

// serve starts the product over a store: --data DIR or --store URL.
func (h *harness) serve(ctx context.Context, name, keys string, where ...string) (*server, error) {
	return h.serveBy(ctx, h.meterd, name, keys, where...)
}

// serveBy starts one of the two that were built.
func (h *harness) serveBy(ctx context.Context, binary, name, keys string, where ...string) (*server, error) {
	args := append([]string{
		"serve", "--key-file", keys, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
		"--behind-proxy", "--throttle", "off", "--drain-delay", "0s",
		"--events-kept", "0", // what is stored beforehand is of long ago
	}, where...)
	cmd := exec.Command(binary, args...) //nolint:gosec // it is what was built
	cmd.Env = append(clean(os.Environ()), "METERD_ADMIN_TOKEN="+adminToken)
	return start(ctx, name, h.place("log"), cmd)
}

// role starts this program as another.
func (h *harness) role(ctx context.Context, name string, args ...string) (*server, error) {
	return start(ctx, name, h.place("log"), exec.Command(h.self, append([]string{name}, args...)...)) //nolint:gosec // it is this program
}

// clean is an environment without settings of the product.
func clean(env []string) []string {
	var rest []string
	for _, v := range env {
		if !strings.HasPrefix(v, "METERD_") {
			rest = append(rest, v)
		}
	}
	return rest
}
