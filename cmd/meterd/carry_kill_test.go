package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// carriedStore makes a data directory of a product and n records of it, of each
// one a part of the time: some with allocations, each with an event.
func carriedStore(t *testing.T, dir string, n int) {
	t.Helper()
	db, err := embedded.Open(embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 14, 12, 0, 0, 42, time.UTC)
	part := []store.Item{{Revision: &store.CarriedRevision{
		Ref:      store.Ref{Kind: store.KindProduct, Name: "p"},
		Revision: store.Revision{Number: 1, At: at, Entry: &store.Product{Code: "p", Dimensions: []metering.Dimension{{Name: "d"}}}},
	}}}
	for i := range n {
		r := metering.Record{
			ID:        metering.ID{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i), 1, 0, 0x70},
			Key:       metering.Key{Kind: metering.KindLicense, Account: "210987654321", Region: "us-east-1", Product: "p", Party: "111122223333/arn:aws:license-manager::294406891311:license:l-0a", Dimension: "d", Hour: metering.HourOf(at) - metering.Hour(i)},
			Timestamp: at.Add(-time.Duration(i) * time.Hour), Received: at, Quantity: int32(i % 7),
		}
		part = append(part, store.Item{Record: &r}, store.Item{Event: &store.Event{
			ID: r.ID, Time: r.Timestamp, Account: r.Key.Account, Operation: metering.BatchMeterUsage, RequestID: r.ID, Region: r.Key.Region, Records: []store.EventRecord{{ID: r.ID}},
		}})
		if len(part) > store.MaxPage || i == n-1 {
			if err := db.Import(t.Context(), part, "making it"); err != nil {
				t.Fatal(err)
			}
			part = nil
		}
	}
	if err := errors.Join(db.Import(t.Context(), nil, ""), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// cutShort runs a command again and again, and ends it with SIGKILL a little later
// each time, until it has come to its end, and returns how often it was killed. It
// may be killed when all is done and nothing said: then the next one is refused with
// what done says, and there is no output.
func cutShort(t *testing.T, first time.Duration, done, name string, args ...string) (kills int, out []byte) {
	t.Helper()
	for after := first; ; after += first {
		var b bytes.Buffer
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Stdout, cmd.Stderr = &b, &b
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		switch {
		case err == nil:
			return kills, b.Bytes()
		case kills > 0 && strings.Contains(b.String(), done):
			return kills, nil
		case !strings.Contains(err.Error(), "killed"):
			t.Fatalf("meterd %s: %v\n%s", strings.Join(args, " "), err, b.Bytes())
		}
		kills++
	}
}

// TestKilledCarry ends an export and an import with SIGKILL, again and again, and
// goes on, until all has been carried; a second export finds that it was.
func TestKilledCarry(t *testing.T) {
	if testing.Short() {
		t.Skip("carries tens of thousands of records")
	}
	const records = 40_000
	binary, err := exec.LookPath("meterd") // this program, by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	from, to, file, second := filepath.Join(dir, "from"), filepath.Join(dir, "to"), filepath.Join(dir, "file"), filepath.Join(dir, "second")
	carriedStore(t, from, records)
	exports, out := cutShort(t, 50*time.Millisecond, "it is there already", binary, "export", file, "--data", from, "--resume")
	if out != nil && !strings.Contains(string(out), ": 40000 records, 1 revisions of the catalogue, ") {
		t.Errorf("export says %s", out)
	}
	imports, out := cutShort(t, 50*time.Millisecond, "no import into it is under way", binary, "import", file, "--data", to)
	if out != nil && (!strings.Contains(string(out), ": 40000 records, ") || !strings.Contains(string(out), "the books balance.")) {
		t.Errorf("import says %s", out)
	}
	if exports == 0 || imports == 0 {
		t.Errorf("%d exports and %d imports were killed: the test shows nothing", exports, imports)
	}
	t.Logf("%d exports and %d imports were killed", exports, imports)
	if out, err := exec.CommandContext(t.Context(), binary, "export", second, "--data", to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !bytes.Equal(itemsOf(t, second), itemsOf(t, file)) {
		t.Error("what was imported is not what was exported")
	}
}

// itemsOf are a file's lines that are items.
func itemsOf(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var items []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(`{"mark"`)) && !bytes.HasPrefix(line, []byte(`{"meterd_export"`)) && !bytes.HasPrefix(line, []byte(`{"end"`)) {
			items = append(items, line...)
		}
	}
	return items
}

// Books that do not balance are no export, unless it is asked for as it is; then
// they come in as they are, and are told again.
func TestCarryUnbalanced(t *testing.T) {
	dir := t.TempDir()
	from, to, file := filepath.Join(dir, "from"), filepath.Join(dir, "to"), filepath.Join(dir, "file")
	carriedStore(t, from, 1)
	db, err := embedded.Open(embedded.Options{Dir: from})
	if err != nil {
		t.Fatal(err)
	}
	change := store.Change{Remove: []store.Ref{{Kind: store.KindProduct, Name: "p"}}}
	if _, err := db.Put(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		root := newRoot()
		var out strings.Builder
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(args)
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	const problem = `the books do not balance: 1 problems, such as: record 00000000-0100-7000-0000-000000000000: product "p" is not in the catalogue`
	_, err = run("export", file, "--data", from)
	if exitCode(err) != exitFailure || !strings.Contains(err.Error(), problem) || !strings.Contains(err.Error(), "--resume --no-check takes it as it is") {
		t.Errorf("export: got %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file has its name: %v", err)
	}
	if _, err := run("export", file, "--data", from, "--resume", "--no-check"); err != nil {
		t.Fatal(err)
	}
	out, err := run("import", file, "--data", to)
	if exitCode(err) != exitFailure || !strings.Contains(err.Error(), "the books do not balance: 1 problems, as in the store that was exported") || !strings.Contains(out, `product "p" is not in the catalogue`) {
		t.Errorf("import: got %v\n%s", err, out)
	}
	p := location{data: to}
	audit, err := p.check(t.Context(), os.Stderr)
	if err != nil || audit.Records != 1 || len(audit.Problems) != 1 {
		t.Errorf("what was imported: %+v, error %v", audit, err)
	}
}
