package embedded_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/promise"
)

// Files of a directory are damaged, a thousand times in one way or another, one
// file at a time: a bit turned, an end cut off, a page zeroed, a page in another's
// place, the file as it was some time ago. It is found when the directory is opened
// or when it is read, or nothing is wrong with what is read.
func TestDamagedFiles(t *testing.T) {
	runs := 1000
	if testing.Short() {
		runs = 100
	}
	tally := promise.NewTally(t)
	victims := []*victim{newVictim(t, false), newVictim(t, true)}
	for seed := range tally.Runs(runs) {
		r := rand.New(rand.NewPCG(seed, 3))
		v := victims[r.IntN(len(victims))]
		name, way, text := v.damage(r)
		if text == nil {
			continue // it came out as it was
		}
		verdict := v.try(t, name, text)
		tally.Add(strings.ReplaceAll(way, " ", "_"), 1)
		switch {
		case strings.HasPrefix(verdict, "found"), verdict == "harmless":
			tally.Add(strings.ReplaceAll(verdict, " ", "_"), 1)
		default:
			t.Errorf("seed %d: %s of %s: %s\n%s", seed, way, name, verdict, promise.Replay(t, "internal/store/embedded", seed))
		}
	}
}

// victim is a directory as kill -9 left it, with what was told of it.
type victim struct {
	files, stale map[string][]byte
	names        []string
	history      promise.History
}

// newVictim fills a directory: a part is in tables, the rest in a log. With
// closed, all of it is as a clean stop leaves it.
func newVictim(t *testing.T, closed bool) *victim {
	v := new(victim)
	d := newDisk(vfs.NewCrashableMem())
	script := newScript(4)
	for part := range 3 {
		s, err := embedded.Open(embedded.Options{Dir: dataDir, FS: d.MemFS})
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			if _, err := v.history.Append(t.Context(), s, script.call()); err != nil {
				t.Fatal(err)
			}
		}
		if part == 2 && !closed {
			d = d.crash(100, 0)
			mustClose(t, s)
			break
		}
		mustClose(t, s)
		if part == 1 {
			v.stale = everything(t, d)
		}
	}
	v.files = everything(t, d)
	for _, name := range names(t, d) {
		if name != "LOCK" {
			v.names = append(v.names, name)
		}
	}
	return v
}

func everything(t testing.TB, d *disk) map[string][]byte {
	files := make(map[string][]byte)
	for _, name := range names(t, d) {
		files[name] = contents(t, d, name)
	}
	return files
}

const page = 4096

// damage picks a file and spoils it.
func (v *victim) damage(r *rand.Rand) (name, way string, text []byte) {
	name = v.names[r.IntN(len(v.names))]
	was := v.files[name]
	text = bytes.Clone(was)
	switch r.IntN(5) {
	case 0:
		way = "bit flip"
		if len(text) > 0 {
			text[r.IntN(len(text))] ^= 1 << r.IntN(8)
		}
	case 1:
		way = "truncation"
		text = text[:r.IntN(len(text)+1)]
	case 2:
		way = "zeroed page"
		at := r.IntN(len(text)/page+1) * page
		clear(text[at:min(at+page, len(text))])
	case 3:
		way = "swapped page"
		from := v.files[v.names[r.IntN(len(v.names))]]
		at, source := r.IntN(len(text)/page+1)*page, r.IntN(len(from)/page+1)*page
		copy(text[at:], from[source:min(source+page, len(from))])
	default:
		way = "stale file"
		old, ok := v.stale[name]
		if !ok {
			return name, way, nil
		}
		text = bytes.Clone(old)
	}
	if bytes.Equal(text, was) {
		return name, way, nil
	}
	return name, way, text
}

// try opens the directory with one file spoiled, and reads it all.
func (v *victim) try(t *testing.T, spoiled string, text []byte) string {
	d := newDisk(vfs.NewCrashableMem())
	if err := d.MkdirAll(dataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, whole := range v.files {
		if name == spoiled {
			whole = text
		}
		replace(t, d, name, whole)
	}
	s, err := embedded.Open(embedded.Options{Dir: dataDir, FS: d.MemFS})
	if err != nil {
		return "found when opened"
	}
	defer mustClose(t, s)
	found, err := v.history.CheckStore(t.Context(), s)
	switch {
	case err != nil:
		return "found when read"
	case len(found) > 0:
		return fmt.Sprintf("%d records are not as promised, the first: %v", len(found), found[0])
	}
	return "harmless"
}
