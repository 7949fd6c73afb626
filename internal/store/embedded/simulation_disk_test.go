package embedded_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// simDisk is a disk whose power and whose log's syncs fail when the day says so.
// Nothing about it is left to chance but the seed: Pebble's own crash images keep
// blocks in the order of a Go map, which is another one each time.
type simDisk struct {
	*disk
	rand *rand.Rand
	mu   sync.Mutex
	held chan struct{} // not nil: a sync of the log says here that it was asked for, and waits
	free chan struct{}
}

func newSimDisk(seed uint64) *simDisk {
	return &simDisk{disk: newDisk(vfs.NewCrashableMem()), rand: rand.New(rand.NewPCG(seed, 15))}
}

func (d *simDisk) files() vfs.FS {
	return errorfs.Wrap(d.disk.files(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		default:
			return nil
		}
		if !strings.HasSuffix(op.Path, ".log") {
			return nil
		}
		d.mu.Lock()
		held, free := d.held, d.free
		d.held = nil
		d.mu.Unlock()
		if held != nil {
			close(held)
			<-free
		}
		return nil
	}))
}

// stop holds the next sync of the log up. held is closed when one is asked for,
// with all that it is about written; free lets it go on.
func (d *simDisk) stop() (held <-chan struct{}, free func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held, d.free = make(chan struct{}), make(chan struct{})
	gate := d.free
	return d.held, sync.OnceFunc(func() {
		d.mu.Lock()
		d.held = nil
		d.mu.Unlock()
		close(gate)
	})
}

// image is what a loss of power would leave: of the log what was synced, all that
// was written, or sectors of it.
func (d *simDisk) image(t testing.TB) *disk {
	way := d.rand.IntN(4)
	synced, all := d.crash(0, 0), d.crash(100, 0)
	switch way {
	case 0:
		return synced
	case 1:
		return all
	}
	sector := 512 << (3 * (way - 2)) // 512 or 4096
	for _, name := range names(t, all) {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		was, now := contents(t, synced, name), contents(t, all, name)
		if !bytes.Equal(was, now) {
			replace(t, all, name, tear(d.rand, was, now, sector))
		}
	}
	return all
}

// losePower cuts the power in the midst of a commit: nobody is answered, and the
// day goes on with what was left.
func (d *day) losePower() {
	held, free := d.disk.stop()
	calls, waiting := d.calls(d.messages())
	var image *disk
	d.store.Commit(calls, func(writes bool) {
		if writes {
			<-held
		}
		image = d.disk.image(d.t)
		free()
	})
	free()
	if image == nil { // no call got past the rules
		image = d.disk.image(d.t)
	}
	for _, a := range waiting {
		d.lost = append(d.lost, a.message)
	}
	d.say("power lost, %d without an answer", len(waiting))
	d.counts["power_losses"]++
	if err := d.store.Close(); err != nil {
		d.problem("closing: %v", err)
	}
	d.disk.disk = image
	d.open()
}

// failSync lets the log's next sync fail. The store is done for, and says so; the
// process ends, and the day goes on with what is on the disk.
func (d *day) failSync() {
	d.disk.fail.Store(true)
	d.commit(d.messages())
	if d.store.Err() == nil { // nothing was to be written
		d.disk.fail.Store(false)
		return
	}
	d.history.Down()
	d.commit(d.messages())
	d.say("a sync failed")
	d.counts["failed_syncs"]++
	if err := d.store.Store.Close(); err == nil {
		d.problem("a store that has failed was closed without a word")
	}
	d.disk.disk = d.disk.image(d.t)
	d.history.Up()
	d.open()
}
