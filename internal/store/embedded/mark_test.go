package embedded

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterd/meterd/internal/store"
)

// A mark says no more than is on disk, and all of it, when the store was closed and
// when it was not; a mark that is torn says nothing.
func TestMark(t *testing.T) {
	const dir = "/d"
	disk := vfs.NewMem()
	s, err := Open(Options{Dir: dir, FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), store.Call{Account: "1", Admission: &store.Admission{Account: "1", Workload: "w", Product: "p"}}); err != nil {
		t.Fatal(err)
	}
	held := func(when string) {
		t.Helper()
		for kind, says := range s.fence.mark.says {
			if says.length == 0 {
				t.Errorf("%s: nothing is said of kind %d", when, kind)
			}
			name := disk.PathJoin(dir, journals[kind].prefix+fmt.Sprintf("%06d", says.number)+journals[kind].suffix)
			f, err := disk.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			end, why := readable(f, says.number)
			_ = f.Close()
			if end > says.length || end <= says.length-journals[kind].header {
				t.Errorf("%s: %s can be read up to %d (%v), and the mark says %d", when, name, end, why, says.length)
			}
		}
		if err := checkMark(disk, dir); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	held("open")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	held("closed")
	for _, torn := range []string{"", "x", string(make([]byte, 36)), string(make([]byte, 100))} {
		f, err := disk.Create(disk.PathJoin(dir, markFile), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(torn)); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		if err := checkMark(disk, dir); err != nil {
			t.Errorf("a mark of %d bytes: %v", len(torn), err)
		}
	}
}
