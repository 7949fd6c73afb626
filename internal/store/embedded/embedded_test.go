package embedded_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/storetest"
)

func TestCourt(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Subject { return newDisk(vfs.NewCrashableMem()).subject() })
}

// disk is a file system in memory whose power and whose log's syncs can fail.
type disk struct {
	*vfs.MemFS
	fail atomic.Bool
	mu   sync.Mutex
	gate chan struct{} // not nil: syncs wait until it is closed
}

func newDisk(fs *vfs.MemFS) *disk { return &disk{MemFS: fs} }

var errDisk = errors.New("input/output error")

func (d *disk) files() vfs.FS {
	return errorfs.Wrap(d.MemFS, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		default:
			return nil
		}
		if !strings.HasSuffix(op.Path, ".log") {
			return nil
		}
		d.mu.Lock()
		gate := d.gate
		d.mu.Unlock()
		if gate != nil {
			<-gate
		}
		if d.fail.Load() {
			return errDisk
		}
		return nil
	}))
}

func (d *disk) hold() (release func()) {
	gate := make(chan struct{})
	d.mu.Lock()
	d.gate = gate
	d.mu.Unlock()
	return sync.OnceFunc(func() {
		d.mu.Lock()
		d.gate = nil
		d.mu.Unlock()
		close(gate)
	})
}

func (d *disk) crash(kept int, seed uint64) *disk {
	return newDisk(d.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(seed, 0))}))
}

func (d *disk) open() (*embedded.Store, error) {
	return embedded.Open(embedded.Options{Dir: "/var/lib/meterd", FS: d.files()})
}

func (d *disk) subject() storetest.Subject {
	return storetest.Subject{
		Open: func() (store.Store, error) {
			s, err := d.open()
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		Crash:     func(kept int, seed uint64) storetest.Subject { return d.crash(kept, seed).subject() },
		FailSyncs: func() { d.fail.Store(true) },
		HoldSyncs: d.hold,
	}
}
