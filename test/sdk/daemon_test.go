package sdk

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// daemon is a process of meterd that serves until its test ends.
type daemon struct {
	gone chan struct{} // closed when it has ended
	log  journal
}

// journal is what a process has written so far.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// neverServed holds once a server did not come up: then no other will, and one
// log says it better than a hundred.
var neverServed atomic.Bool

// launch starts a process, with variables beyond our own.
func launch(t *testing.T, binary string, args []string, env ...string) *daemon {
	t.Helper()
	if neverServed.Load() {
		t.Fatal("meterd did not serve an earlier test either")
	}
	if err := neverCached(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	cmd.SysProcAttr = dieWithParent()
	cmd.Env = append(os.Environ(), env...)
	d := &daemon{gone: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &d.log, &d.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { cmd.Wait(); close(d.gone) }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-d.gone
		if t.Failed() {
			t.Logf("meterd %s\n%s", strings.Join(args, " "), &d.log)
		}
	})
	return d
}

// await returns once the process serves.
func (d *daemon) await(t *testing.T, serves func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-d.gone:
			neverServed.Store(true)
			t.Fatal("meterd ended instead of serving")
		case <-time.After(5 * time.Millisecond):
		}
		if serves() {
			return
		}
	}
	neverServed.Store(true)
	t.Fatal("meterd is not ready after 30 s")
}
