package embedded_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// filled is a directory that holds a record and a catalogue entry.
func filled(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "b", "data")
	s := mustOpen(t, dir)
	appendOne(t, s, 1)
	if _, err := s.Put(t.Context(), store.Change{Entries: []store.Entry{&store.Product{Code: "p"}}}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	return dir
}

func mustOpen(t *testing.T, dir string) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t *testing.T, s *embedded.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// one is a call with one record of its own.
func one(n int) store.Call {
	r := metering.Record{ID: metering.ID{15: byte(n), 14: byte(n >> 8), 13: byte(n >> 16)}, Quantity: int32(n)}
	r.Key = metering.Key{Kind: metering.KindLegacy, Account: "111111111111", Region: "us-east-1", Product: "p", Party: fmt.Sprint("b", n), Dimension: "d", Hour: 490000}
	r.Timestamp = r.Key.Hour.Time()
	return store.Call{Account: r.Key.Account, Region: r.Key.Region, At: r.Timestamp, Records: []metering.Record{r}}
}

func appendOne(t *testing.T, s *embedded.Store, n int) {
	t.Helper()
	if _, err := s.Append(t.Context(), one(n)); err != nil {
		t.Fatal(err)
	}
}

func TestDirectoryIsForItsOwnerAlone(t *testing.T) {
	info, err := os.Stat(filled(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o700); got != want {
		t.Errorf("mode: got %o, want %o", got, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	write := func(name, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(patterns ...string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			for _, pattern := range patterns {
				names, err := filepath.Glob(filepath.Join(dir, pattern))
				if err != nil || len(names) == 0 {
					t.Fatalf("%s: %v, error %v", pattern, names, err)
				}
				for _, name := range names {
					if err := os.Remove(name); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	// spoil turns bits in the middle of the largest file of a kind.
	spoil := func(pattern string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			names, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, name := range names {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				for i := len(b) / 3; i < len(b)/3+16 && i < len(b); i++ {
					b[i] ^= 0xff
				}
				if err := os.WriteFile(name, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  error
		text  string // the way out
	}{
		{"a newer format", write("FORMAT", "meterd 4\n"), embedded.ErrNewerFormat, "upgrade meterd"},
		{"the format before the first release", write("FORMAT", "meterd 1\n"), embedded.ErrOldFormat, "start with an empty directory"},
		{"a strange format", write("FORMAT", "elephant"), embedded.ErrDamaged, "restore the directory"},
		{"an empty format", write("FORMAT", ""), embedded.ErrDamaged, "restore the directory"},
		{"no format file", remove("FORMAT"), embedded.ErrDamaged, "restore the directory"},
		{"no manifest marker", remove("marker.manifest*"), embedded.ErrDamaged, "restore the directory"},
		{"no manifest", remove("MANIFEST-*"), embedded.ErrDamaged, "restore the directory"},
		{"a damaged manifest", spoil("MANIFEST-*"), embedded.ErrDamaged, "restore the directory"},
		{"nothing but the format", remove("marker.*", "MANIFEST-*", "*.log", "OPTIONS-*"), embedded.ErrDamaged, "restore the directory"},
		{"somebody else's", func(t *testing.T, dir string) {
			remove("*")(t, dir)
			write("thesis.tex", "precious")(t, dir)
		}, nil, "not a data directory of meterd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filled(t)
			tt.spoil(t, dir)
			s, err := embedded.Open(embedded.Options{Dir: dir})
			if err == nil {
				_ = s.Close()
				t.Fatal("opened")
			}
			if tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %q\nwant it to be %v, to name %s and to say %q", err, tt.want, dir, tt.text)
			}
		})
	}
}

// A directory whose making was cut short is made anew: nothing was ever
// acknowledged from it.
func TestInterruptedMaking(t *testing.T) {
	d := newDisk(vfs.NewCrashableMem())
	s, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	if err := d.Remove("/var/lib/meterd/FORMAT"); err != nil {
		t.Fatal(err)
	}
	if s, err = d.open(); err != nil {
		t.Fatalf("after an interrupted making: %v", err)
	}
	appendOne(t, s, 1)
	mustClose(t, s)
}

// The power may fail at any moment of a making, and keep what was not synced or
// lose it: the next making succeeds, and what it then acknowledges is there.
func TestInterruptedMakingAnywhere(t *testing.T) {
	for k := 0; ; k++ {
		var (
			mu   sync.Mutex // Pebble removes files in the background
			n    int
			at   string
			left []*disk
		)
		mem := vfs.NewCrashableMem()
		s, err := embedded.Open(embedded.Options{Dir: "/var/lib/meterd", FS: errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if n++; n == k+1 {
				at = op.Path
				for i, kept := range []int{0, 50, 50, 50, 100} {
					left = append(left, newDisk(mem).crash(kept, uint64(k*10+i)))
				}
			}
			return nil
		}))})
		if err != nil {
			t.Fatal(err)
		}
		mustClose(t, s)
		if n <= k {
			t.Logf("%d operations", k)
			return
		}
		for i, d := range left {
			for n := range 3 {
				s, err := d.open()
				if err != nil {
					t.Fatalf("cut short at operation %d (%s), remains %d: open %d: %v", k, at, i, n, err)
				}
				if found := count(t, s); found != n {
					t.Fatalf("cut short at operation %d (%s), remains %d: %d acknowledged, %d there", k, at, i, n, found)
				}
				appendOne(t, s, n)
				crashed := d.crash(0, 0)
				mustClose(t, s)
				d = crashed
			}
		}
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := filled(t)
	s := mustOpen(t, dir)
	defer s.Close()
	check := func(err error) {
		t.Helper()
		if !errors.Is(err, embedded.ErrLocked) || !strings.Contains(err.Error(), "stop the other meterd") {
			t.Errorf("got %v, want %v and what to do", err, embedded.ErrLocked)
		}
	}
	_, err := embedded.Open(embedded.Options{Dir: dir})
	check(err)
	// Another process, which is what it is about.
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSubprocess$")
	cmd.Env = append(os.Environ(), "EMBEDDED_TEST_OPEN="+dir)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), embedded.ErrLocked.Error()) {
		t.Errorf("another process: error %v, output %s", err, out)
	}
	appendOne(t, s, 2) // the first one is not disturbed
}

// TestSubprocess is what other tests run in a process of its own.
func TestSubprocess(t *testing.T) {
	if dir := os.Getenv("EMBEDDED_TEST_OPEN"); dir != "" {
		if _, err := embedded.Open(embedded.Options{Dir: dir}); err != nil {
			t.Fatal(err)
		}
	}
	if dir := os.Getenv("EMBEDDED_TEST_KILL"); dir != "" {
		s := mustOpen(t, dir)
		for n := 1; ; n++ { // until it is killed
			appendOne(t, s, n)
			fmt.Println("acked", n)
		}
	}
}

// What was acknowledged is there after kill -9, on a real disk.
func TestKill(t *testing.T) {
	for round := range 3 {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSubprocess$")
		cmd.Env = append(os.Environ(), "EMBEDDED_TEST_KILL="+dir)
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acked := 0
		for want := 200 + 77*round; acked < want; {
			if _, err := fmt.Fscanf(pipe, "acked %d\n", &acked); err != nil {
				t.Fatalf("after %d: %v", acked, err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(pipe) // acknowledged before the kill as well
		acked += strings.Count(string(rest), "\n")
		_ = cmd.Wait()

		s := mustOpen(t, dir)
		found := count(t, s)
		if found < acked {
			t.Errorf("%d acknowledged, %d there", acked, found)
		}
		mustClose(t, s)
	}
}

func openDir(dir string) (*embedded.Store, error) {
	return embedded.Open(embedded.Options{Dir: dir})
}
