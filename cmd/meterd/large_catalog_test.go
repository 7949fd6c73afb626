package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLargeCatalog applies a large catalogue to a server on disk through the
// command, while calls of BatchMeterUsage go on, and tells how long that took,
// how much memory, and how long the calls took before and meanwhile.
//
// METERD_LARGE_CATALOG=100000 is the size that is promised in 20 s; by default it
// is a size that a common run can wait for.
func TestLargeCatalog(t *testing.T) {
	size, limit := 5_000, 20*time.Second
	if n, err := strconv.Atoi(os.Getenv("METERD_LARGE_CATALOG")); err == nil {
		size = n
	}
	binary, err := exec.LookPath("meterd") // this program, by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	small, large := filepath.Join(dir, "small.yaml"), filepath.Join(dir, "large.yaml")
	if err := errors.Join(os.WriteFile(small, []byte(killCatalog()), 0o600), os.WriteFile(large, largeCatalog(size), 0o600)); err != nil {
		t.Fatal(err)
	}
	server := startDev(t, binary, "--data", filepath.Join(dir, "data"), "--catalog", small, "--throttle", "off", "--clock", "2026-09-15T23:30:00Z", "--log-level", "warn")

	load := startLoad(server)
	time.Sleep(2 * time.Second)
	before := load.take()
	began := time.Now()
	out, err := server.command(binary, "catalog", "apply", large, "--output", "json").Output()
	took := time.Since(began)
	during := load.take()
	load.stop()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var plan struct {
		Applied bool
		Totals  []struct {
			Kind   string
			Create int
		}
	}
	if err := json.Unmarshal(out, &plan); err != nil || !plan.Applied {
		t.Fatalf("%v: %.300s", err, out)
	}
	for _, total := range plan.Totals {
		if total.Kind == "agreement" && total.Create != size {
			t.Errorf("%d agreements were made, want %d", total.Create, size)
		}
	}
	t.Logf("%d agreements and buyers, %d bytes: %s; peak memory of the server %s", size, len(largeCatalog(size)), took, peakMemory(server.process.Process.Pid))
	t.Logf("calls before: %s", before)
	t.Logf("calls during: %s", during)
	if took > limit {
		t.Errorf("it took %s, above %s", took, limit)
	}
	began = time.Now()
	if err := server.command(binary, "backup", filepath.Join(dir, "backup.tar")).Run(); err != nil {
		t.Fatal(err)
	}
	t.Logf("backup: %s", time.Since(began))
	if before.n() == 0 || during.n() == 0 {
		t.Error("there were no calls: the test shows nothing of them")
	}
}

// largeCatalog is so many agreements, each of a buyer of its own.
func largeCatalog(size int) []byte {
	var b bytes.Buffer
	b.WriteString("sellers: [{account: \"333344445555\"}]\nproducts:\n  - {code: large, seller: \"333344445555\", type: saas, dimensions: [{name: scans}]}\nbuyers:\n")
	for i := range size {
		fmt.Fprintf(&b, "  - account: \"%012d\"\n    name: Buyer %d\n", 700_000_000_000+i, i)
	}
	b.WriteString("agreements:\n")
	for i := range size {
		fmt.Fprintf(&b, "  - id: large-%d\n    product: large\n    buyer: \"%012d\"\n    start: 2026-08-01T00:00:00Z\n    entitlements:\n      - {dimension: scans, integer: %d}\n", i, 700_000_000_000+i, i)
	}
	return b.Bytes()
}

// command is one of this program's, for the server.
func (s *devServer) command(binary string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = os.Environ()
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stderr = os.Stderr
	return cmd
}

// peakMemory is the most memory that a process has had, where the system tells.
func peakMemory(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if peak, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(peak)
		}
	}
	return "unknown"
}

// load is one caller that calls all the time, a hundred times a second at most.
type load struct {
	mu    sync.Mutex
	times latencies
	end   chan struct{}
	ended sync.WaitGroup
}

func startLoad(server *devServer) *load {
	l := &load{end: make(chan struct{})}
	l.ended.Go(func() {
		for number := int32(1); ; number++ {
			select {
			case <-l.end:
				return
			case <-time.After(10 * time.Millisecond):
			}
			began := time.Now()
			if _, ok := server.meter(number); !ok {
				return
			}
			l.mu.Lock()
			l.times = append(l.times, time.Since(began))
			l.mu.Unlock()
		}
	})
	return l
}

// take returns the times since the last take.
func (l *load) take() latencies {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := l.times
	l.times = nil
	slices.Sort(times)
	return times
}

func (l *load) stop() {
	close(l.end)
	l.ended.Wait()
}

// latencies are ascending.
type latencies []time.Duration

func (l latencies) n() int { return len(l) }

func (l latencies) String() string {
	if len(l) == 0 {
		return "none"
	}
	at := func(percent int) time.Duration { return l[(len(l)-1)*percent/100] }
	return fmt.Sprintf("%d, p50 %s, p99 %s, max %s", len(l), at(50), at(99), l[len(l)-1])
}
