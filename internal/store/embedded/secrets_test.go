package embedded_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// canaries are secrets that must not be found: one that is held, one that was
// replaced, one that was removed, a private key, and one of a large change.
var canaries = []string{"canary-held-7bXq2LmZ", "canary-replaced-9pWd4Rk", "canary-removed-Hs83nVcy", "canary-private-Jt5xQz0e", "canary-large-Ue6oGi1a", "canary-session-Vk2wYs8n"}

// tables are the keys and values of a table, the replaced and the deleted ones
// too: on the disk they are compressed.
func tables(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		t.Fatal(err)
	}
	var o pebble.Options
	o.EnsureDefaults()
	r, err := sstable.NewReader(t.Context(), readable, o.MakeReaderOptions())
	if err != nil {
		t.Fatal(err)
	}
	it, err := r.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for kv := it.First(); kv != nil; kv = it.Next() {
		value, _, err := kv.Value(nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, kv.K.UserKey...), value...)
	}
	if err := errors.Join(it.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	return all
}

func keyFile(t *testing.T, lines ...string) *envelope.Keys {
	t.Helper()
	keys, err := envelope.Parse(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// plant puts the canaries.
func plant(t *testing.T, s *embedded.Store) {
	t.Helper()
	credential := func(id, secret string) store.Entry { return &store.Credential{KeyID: id, Secret: store.Secret(secret)} }
	put := func(c store.Change) {
		t.Helper()
		if _, err := s.Put(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	put(store.Change{Entries: []store.Entry{credential("HELD", canaries[1]), credential("REMOVED", canaries[2]), &store.SigningKey{Product: "p", Version: 1, Private: []byte(canaries[3])}, &store.SessionKey{ID: "k", Secret: []byte(canaries[5])}}})
	put(store.Change{Entries: []store.Entry{credential("HELD", canaries[0])}, Remove: []store.Ref{credential("REMOVED", "").Ref()}})
	s.SetPart(400)
	put(store.Change{Entries: []store.Entry{credential("LARGE1", canaries[4]), credential("LARGE2", canaries[4]), credential("LARGE3", canaries[4])}})
	appendOne(t, s, 1)
}

// sightings are the files of a directory in which a canary is found, as it is or
// as the catalogue's JSON has it.
func sightings(t *testing.T, fs vfs.FS, dir string) []string {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, name := range names {
		f, err := fs.Open(fs.PathJoin(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // it has just been let go of
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".sst") {
			text = append(text, tables(t, fs, fs.PathJoin(dir, name))...)
		}
		for _, canary := range canaries {
			// Without the last characters, which depend on what follows.
			coded := base64.StdEncoding.EncodeToString([]byte(canary))
			if bytes.Contains(text, []byte(canary)) || bytes.Contains(text, []byte(coded[:len(coded)-4])) {
				seen = append(seen, name+": "+canary)
			}
		}
	}
	return seen
}

func harvest(t *testing.T, s *embedded.Store) {
	t.Helper()
	cat := s.Catalog()
	if got := cat.Credential("HELD"); got == nil || string(got.Secret) != canaries[0] {
		t.Errorf("the secret that is held is lost")
	}
	if got := cat.SigningKeys("p"); len(got) != 1 || string(got[0].Private) != canaries[3] {
		t.Errorf("the private key is lost")
	}
	if got := cat.SessionKeys(); len(got) != 1 || string(got[0].Secret) != canaries[5] {
		t.Errorf("the session key is lost")
	}
	for _, tt := range []struct {
		id   string
		want []string
	}{{"HELD", []string{canaries[1], canaries[0]}}, {"REMOVED", []string{canaries[2], ""}}} {
		history, err := s.History(t.Context(), store.Ref{Kind: store.KindCredential, Name: tt.id})
		if err != nil || len(history) != len(tt.want) {
			t.Fatalf("%s: %d revisions, error %v", tt.id, len(history), err)
		}
		for i, want := range tt.want {
			got := ""
			if c, ok := history[i].Entry.(*store.Credential); ok {
				got = string(c.Secret)
			}
			if got != want {
				t.Errorf("%s: the secret of revision %d is another", tt.id, i)
			}
		}
	}
}

// Plain secrets are sealed when the store is opened with a key file, in the
// history too, and leave every file, whether the store was closed or killed.
func TestSecretsAreSealed(t *testing.T) {
	for _, how := range []string{"closed", "killed", "closed twice"} {
		t.Run(how, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			s := mustOpen(t, dir)
			plant(t, s)
			if how == "killed" {
				running := dir
				dir = filepath.Join(t.TempDir(), "copy")
				if err := os.CopyFS(dir, os.DirFS(running)); err != nil {
					t.Fatal(err)
				}
			}
			mustClose(t, s)
			if how == "closed twice" { // from the log to tables
				mustClose(t, mustOpen(t, dir))
			}
			if seen := sightings(t, vfs.Default, dir); len(seen) < len(canaries) {
				t.Fatalf("before: seen only in %q; the search is broken", seen)
			}
			first, second := envelope.NewLine(), envelope.NewLine()
			open := func(count string, lines ...string) {
				t.Helper()
				var log bytes.Buffer
				s, err := embedded.Open(embedded.Options{Dir: dir, Keys: keyFile(t, lines...), Logger: slog.New(slog.NewTextHandler(&log, nil))})
				if err != nil {
					t.Fatal(err)
				}
				harvest(t, s)
				if seen := sightings(t, vfs.Default, dir); len(seen) > 0 {
					t.Errorf("while it serves: seen in %q", seen)
				}
				if sealed := strings.Contains(log.String(), "sealed under the current key"); sealed != (count != "") || !strings.Contains(log.String(), count) {
					t.Errorf("logged %q, want %q", log.String(), count)
				}
				mustClose(t, s)
				if seen := sightings(t, vfs.Default, dir); len(seen) > 0 {
					t.Errorf("closed: seen in %q", seen)
				}
			}
			// HELD, LARGE1 to 3 and the private key as they are; two revisions of
			// HELD and one of each of the others.
			open("count=14", first)
			open("", first)
			open("count=14", second, first)
			open("", second)
			for what, keys := range map[string]*envelope.Keys{"no key": nil, "another key": keyFile(t, envelope.NewLine()), "an old key": keyFile(t, first)} {
				s, err := embedded.Open(embedded.Options{Dir: dir, Keys: keys})
				if err == nil {
					_ = s.Close()
					t.Fatalf("%s: opened", what)
				}
				if text := err.Error(); !errors.Is(err, envelope.ErrKey) || errors.Is(err, embedded.ErrDamaged) || !strings.Contains(text, "start with the key file") || !strings.Contains(text, dir) || strings.Contains(text, "canary") {
					t.Errorf("%s: got %q, want %v and the way out", what, err, envelope.ErrKey)
				}
			}
		})
	}
}

// What is put under a key is never plain on the disk, a large change included.
func TestSecretsAreNeverPlain(t *testing.T) {
	dir := t.TempDir()
	s, err := embedded.Open(embedded.Options{Dir: dir, Keys: keyFile(t, envelope.NewLine())})
	if err != nil {
		t.Fatal(err)
	}
	plant(t, s)
	harvest(t, s)
	before := s.Catalog().Revision()
	same := &store.Credential{KeyID: "HELD", Secret: store.Secret(canaries[0])}
	if n, err := s.Put(t.Context(), store.Change{Entries: []store.Entry{same}}); err != nil || n != before {
		t.Errorf("an equal secret: revision %d, error %v, want %d", n, err, before)
	}
	if seen := sightings(t, vfs.Default, dir); len(seen) > 0 {
		t.Errorf("seen in %q", seen)
	}
	mustClose(t, s)
}

// The power may fail at any moment of the sealing, or of a change in plain before
// it: the next opening ends it, and no plain secret remains.
func TestInterruptedSealingAnywhere(t *testing.T) {
	i := &images{mem: vfs.NewCrashableMem()}
	s := openOn(t, i.files(), nil)
	changing := i.during(func() { plant(t, s) })
	mustClose(t, s)
	mustClose(t, openOn(t, i.files(), nil)) // from the log to tables
	if seen := sightings(t, i.mem, dataDir); len(seen) < len(canaries) {
		t.Fatalf("before: seen only in %q; the search is broken", seen)
	}
	keys := keyFile(t, envelope.NewLine())
	sealing := i.during(func() { mustClose(t, openOn(t, i.files(), keys)) })
	t.Logf("%d images of the change, %d of the sealing", len(changing), len(sealing))
	for n, d := range append(changing, sealing...) {
		again := openOn(t, d.files(), keys)
		if seen := sightings(t, d.MemFS, dataDir); len(seen) > 0 {
			t.Errorf("image %d: seen in %q", n, seen)
		}
		if n >= len(changing) {
			harvest(t, again)
		}
		mustClose(t, again)
	}
}

// A first change that was cut short leaves no row with a secret, and must leave
// none in what is left of its journal.
func TestInterruptedFirstChangeAnywhere(t *testing.T) {
	i := &images{mem: vfs.NewCrashableMem()}
	s := openOn(t, i.files(), nil)
	s.SetPart(100)
	change := store.Change{}
	for n, canary := range canaries {
		change.Entries = append(change.Entries, &store.Credential{KeyID: string(rune('A' + n)), Secret: store.Secret(canary)})
	}
	changing := i.during(func() {
		if _, err := s.Put(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	})
	mustClose(t, s)
	keys := keyFile(t, envelope.NewLine())
	planted := 0
	for n, d := range changing {
		if len(sightings(t, d.MemFS, dataDir)) > 0 {
			planted++
		}
		again := openOn(t, d.files(), keys)
		if seen := sightings(t, d.MemFS, dataDir); len(seen) > 0 {
			t.Errorf("image %d: seen in %q", n, seen)
		}
		mustClose(t, again)
	}
	if planted == 0 {
		t.Error("no image held a secret: the search is broken")
	}
}
