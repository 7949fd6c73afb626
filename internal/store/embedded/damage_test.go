package embedded_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// block is the unit that Pebble writes its log in.
const block = 32 << 10

func count(t *testing.T, s *embedded.Store) int {
	t.Helper()
	found := 0
	for cursor := ""; ; {
		p, err := s.Records(t.Context(), store.RecordQuery{Product: "p", To: 500000, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		found += len(p.Items)
		if cursor = p.Next; cursor == "" {
			return found
		}
	}
}

// killed is what kill -9 leaves of a store that has acknowledged so many calls,
// one by one, over some blocks of its log.
func killed(t *testing.T, reopened bool, calls int) (dir string) {
	t.Helper()
	running := t.TempDir()
	s := mustOpen(t, running)
	if reopened {
		mustClose(t, s)
		s = mustOpen(t, running)
	}
	for n := range calls {
		c := one(n)
		c.Records[0].Workload = strings.Repeat("x", 1000)
		if _, err := s.Append(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	dir = filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(running)); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	return dir
}

// lastLog reads the log that was served from. Its end is where the zeros of the
// space that was taken in advance begin.
func lastLog(t *testing.T, dir string) (name string, text []byte, end int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(names) == 0 {
		t.Fatalf("logs %v, error %v", names, err)
	}
	name = names[len(names)-1]
	if text, err = os.ReadFile(name); err != nil {
		t.Fatal(err)
	}
	return name, text, len(bytes.TrimRight(text, "\x00"))
}

// turn writes a file with eight bytes of it turned.
func turn(t *testing.T, name string, text []byte, at int) {
	t.Helper()
	text = bytes.Clone(text)
	for i := range text[at : at+8] {
		text[at+i] ^= 0xff
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A log that was damaged before its last block is refused, in the first run of a
// directory too: what follows the damage was acknowledged.
func TestDamagedLog(t *testing.T) {
	const calls = 200
	for _, reopened := range []bool{false, true} {
		t.Run(fmt.Sprintf("reopened=%v", reopened), func(t *testing.T) {
			dir := killed(t, reopened, calls)
			name, text, end := lastLog(t, dir)
			last := end / block * block
			if last < 5*block {
				t.Fatalf("%s ends at %d: too short to tell", name, end)
			}
			var places []int
			for at := 0; at < last; at += block {
				places = append(places, at, at+7, at+block/2)
			}
			// A call that reaches into the last block does not say of itself that
			// it was synced.
			places = append(places, last-4096)
			for _, at := range places {
				turn(t, name, text, at)
				s, err := openDir(dir)
				if err == nil {
					found := count(t, s)
					mustClose(t, s)
					t.Fatalf("bytes at %d of %d: opened with %d of %d records", at, end, found, calls)
				}
				refusal(t, err, dir)
			}
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, dir)
			defer s.Close()
			if found := count(t, s); found != calls {
				t.Errorf("undamaged: %d acknowledged, %d there", calls, found)
			}
		})
	}
}

// A log that was damaged in its last block is refused, although there is nothing in
// it that says it had been synced: the mark does. Without the mark that is the
// limit of what can be told: it looks like the end that a crash tore off, and what
// follows in the block is lost without a word. All before it is there.
func TestDamagedTail(t *testing.T) {
	const calls = 200
	dir := killed(t, false, calls)
	name, text, end := lastLog(t, dir)
	at := end/block*block + end%block/2
	turn(t, name, text, at)
	_, err := openDir(dir)
	if err == nil {
		t.Fatal("opened")
	}
	refusal(t, err, dir)
	if err := os.Remove(filepath.Join(dir, "SYNCED")); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir)
	defer s.Close()
	// Calls are of nearly one size.
	if found, want := count(t, s), calls*at/end; found < want-2 || found > want+2 {
		t.Errorf("bytes at %d of %d: %d of %d records, want about %d", at, end, found, calls, want)
	}
}

// refusal says what is wrong with the data, once and in one line, and what to do.
func refusal(t *testing.T, err error, dir string) {
	t.Helper()
	text := err.Error()
	if !errors.Is(err, embedded.ErrDamaged) || !strings.Contains(text, dir) || !strings.Contains(text, "restore the directory from a backup, or start with an empty one") {
		t.Errorf("got %q\nwant %v, %s and the way out", text, embedded.ErrDamaged, dir)
	}
	for _, once := range []string{embedded.ErrDamaged.Error(), "invalid chunk", "checksum mismatch"} {
		if strings.Count(text, once) > 1 {
			t.Errorf("got %q\nwhich says %q more than once", text, once)
		}
	}
	if strings.ContainsAny(text, "\n\r") || strings.Contains(text, "carrier") {
		t.Errorf("got %q\nwant one line for people", text)
	}
}

func TestDamagedTable(t *testing.T) {
	dir := filled(t)
	mustClose(t, mustOpen(t, dir)) // from the log to a table
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(names) == 0 {
		t.Fatalf("tables %v, error %v", names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		turn(t, name, text, 16)
	}
	var log bytes.Buffer
	s, err := embedded.Open(embedded.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err == nil {
		_ = s.Close()
		t.Fatal("opened")
	}
	refusal(t, err, dir)
	if !strings.Contains(err.Error(), "checksum mismatch") {
		t.Errorf("got %q, want the reason", err)
	}
	heard := 0
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "damaged data") && strings.Contains(line, "path="+names[0]) && strings.Contains(line, "checksum mismatch") {
			heard++
		}
		if strings.Contains(line, `\n`) || strings.Contains(line, ".go:") || strings.Contains(line, "carrier") {
			t.Errorf("logged %q\nwant one line for people", line)
		}
	}
	if heard == 0 {
		t.Errorf("logged %q\nwant the damaged file and the reason", log.String())
	}
}
