package embedded_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/promise"
)

// The power may fail before any write, sync, create or rename of a run of two
// hundred calls. Whatever then becomes of what was not synced, the promise holds.
func TestPowerLossAnywhere(t *testing.T) {
	tally := promise.NewTally(t)
	for seed := range tally.Runs(1) {
		p := &power{t: t, mem: vfs.NewCrashableMem(), seed: seed, tally: tally, rand: rand.New(rand.NewPCG(seed, 1)), step: 1}
		if testing.Short() {
			p.step = 9
		}
		p.run(200)
		if p.boundaries < 200 {
			t.Errorf("%d boundaries: the run is not what it was", p.boundaries)
		}
	}
}

// power is a run whose every boundary is looked at.
type power struct {
	t       *testing.T
	mem     *vfs.MemFS
	seed    uint64
	tally   *promise.Tally
	history promise.History

	mu         sync.Mutex // Pebble writes tables in the background
	armed      bool
	boundaries int
	step       int // one in so many boundaries is looked at
	rand       *rand.Rand
}

func (p *power) run(calls int) {
	s, err := embedded.Open(embedded.Options{Dir: dataDir, FS: errorfs.Wrap(p.mem, errorfs.InjectorFunc(p.before))})
	if err != nil {
		p.t.Fatal(err)
	}
	p.arm(true)
	script := newScript(p.seed)
	for range calls {
		if _, err := p.history.Append(p.t.Context(), s, script.call()); err != nil {
			p.t.Fatal(err)
		}
	}
	p.arm(false)
	p.look("the end")
	mustClose(p.t, s)
}

func (p *power) arm(armed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = armed
}

// before is called before each operation.
func (p *power) before(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || p.mem.PathBase(op.Path) == markName {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.armed {
		return nil
	}
	if p.boundaries++; p.boundaries%p.step == 0 {
		p.tally.Add("boundaries", 1)
		p.look(fmt.Sprintf("boundary %d, before operation %d of %s", p.boundaries, op.Kind, op.Path))
	}
	return nil
}

// look opens what a loss of power would leave now, in each of the ways, and holds
// it against what was told so far.
func (p *power) look(where string) {
	from := p.history.Now()
	synced, all := newDisk(p.mem).crash(0, 0), newDisk(p.mem).crash(100, 0)
	then := p.history.Between(from, p.history.Now())
	ways := map[string]*disk{"dropped": synced}
	if !alike(p.t, synced, all) {
		ways["half"] = newDisk(p.mem).crash(50, p.rand.Uint64())
		ways["torn at 512"] = p.torn(synced, all, 512)
		ways["torn at 4096"] = p.torn(synced, all, 4096)
		ways["kept"] = all
	}
	for way, d := range ways {
		p.tally.Add("images", 1)
		for _, problem := range judge(p.t, d, then) {
			p.t.Errorf("seed %d, %s, %s: %s\n%s", p.seed, where, way, problem, promise.Replay(p.t, "internal/store/embedded", p.seed))
		}
	}
}

// judge opens an image and says what was broken.
func judge(t *testing.T, d *disk, h *promise.History) (problems []string) {
	s, err := embedded.Open(embedded.Options{Dir: dataDir, FS: d.MemFS})
	if err != nil {
		return []string{err.Error()}
	}
	found, err := h.CheckStore(t.Context(), s)
	if err != nil {
		problems = append(problems, err.Error())
	}
	for _, v := range found {
		problems = append(problems, v.String())
	}
	if err := s.Close(); err != nil {
		problems = append(problems, err.Error())
	}
	return problems
}

// torn is an image in which all names are kept, and of what was not synced in a
// file some sectors.
func (p *power) torn(synced, all *disk, sector int) *disk {
	torn := newDisk(all.CrashClone(vfs.CrashCloneCfg{}))
	for _, name := range names(p.t, all) {
		was, now := contents(p.t, synced, name), contents(p.t, all, name)
		if !bytes.Equal(was, now) {
			replace(p.t, torn, name, tear(p.rand, was, now, sector))
		}
	}
	return torn
}

// tear is a file that was being written: from the first sector that differs to
// some place all is written, and of the rest each sector is or is not.
func tear(r *rand.Rand, was, now []byte, sector int) []byte {
	first := 0
	for first < min(len(was), len(now)) && was[first] == now[first] {
		first++
	}
	first -= first % sector
	made := bytes.Clone(now)
	end := first + r.IntN(len(now)-first+1)/sector*sector
	for at := end; at < len(made); at += sector {
		if r.IntN(2) == 0 {
			part := made[at:min(at+sector, len(made))]
			clear(part)
			if at < len(was) {
				copy(part, was[at:])
			}
		}
	}
	return made
}

func names(t testing.TB, d *disk) []string {
	list, err := d.List(dataDir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list) // a map keeps them
	return list
}

// contents are a file's; nil if it is not there.
func contents(t testing.TB, d *disk, name string) []byte {
	f, err := d.Open(d.PathJoin(dataDir, name))
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(f)
	if err != nil {
		t.Error(err)
	}
	_ = f.Close()
	return text
}

func replace(t testing.TB, d *disk, name string, text []byte) {
	f, err := d.Create(d.PathJoin(dataDir, name), vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(bytes.Clone(text)) // under the race detector Pebble spoils what it was given
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		t.Error(err)
		return
	}
	_ = f.Close()
}

// markName is the mark of what is on disk. It is never synced, and by itself makes
// no image another one.
const markName = "SYNCED"

// alike reports whether two disks hold the same, but for the mark.
func alike(t testing.TB, a, b *disk) bool {
	files := names(t, a)
	more := names(t, b)
	isMark := func(name string) bool { return name == markName }
	files, more = slices.DeleteFunc(files, isMark), slices.DeleteFunc(more, isMark)
	if len(files) != len(more) {
		return false
	}
	for _, name := range files {
		if !bytes.Equal(contents(t, a, name), contents(t, b, name)) {
			return false
		}
	}
	return true
}

// script makes calls that repeat and contradict one another, some with a token,
// and some so large that logs are rotated and tables written.
type script struct {
	rand *rand.Rand
	n    int
}

func newScript(seed uint64) *script { return &script{rand: rand.New(rand.NewPCG(seed, 2))} }

func (s *script) call() store.Call {
	c := one(0)
	c.Records = nil
	for range 1 + s.rand.IntN(3) {
		s.n++
		place := s.n
		if s.rand.IntN(3) == 0 {
			place = 1 + s.rand.IntN(s.n)
		}
		r := one(place).Records[0]
		r.ID = metering.ID{0: 1, 14: byte(s.n >> 8), 15: byte(s.n)} // made for each attempt
		if s.rand.IntN(5) == 0 {
			r.Quantity++
		}
		if s.rand.IntN(8) == 0 {
			r.Workload = strings.Repeat("x", 1+s.rand.IntN(16<<10))
		}
		c.Records = append(c.Records, r)
	}
	if s.rand.IntN(4) == 0 {
		c.Token = &store.Token{Value: fmt.Sprint("t", s.n)}
		c.After = func(out store.Outcome) (store.Rest, error) {
			if out.Answer != nil {
				return store.Rest{}, nil
			}
			return store.Rest{Bind: &out.Holders[0].ID}, nil
		}
	}
	return c
}
