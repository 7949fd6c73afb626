package embedded

import (
	"fmt"
	"sync/atomic"

	"github.com/meterd/meterd/internal/store"
)

// lookEvery is how much is written before the committer itself looks at the free
// space: far less than a reserve should be.
const lookEvery = 4 << 20

// room is what is known of the free space. A disk that is full ends the store,
// since a write fails (fence.go), and what is in memory then cannot be brought to
// the disk. So nothing is taken any more while there is still a reserve for it.
type room struct {
	reserve uint64
	full    atomic.Pointer[error]
	unseen  int // bytes that were written since the committer looked; its own
}

// err is why nothing is written at present; nil while it is.
func (r *room) err() error {
	if why := r.full.Load(); why != nil {
		return *why
	}
	return nil
}

// Look looks at the free space. With less than the reserve, calls and changes are
// refused with [store.ErrNoRoom], until a later look finds more; reading and
// expiring go on. Whoever serves looks once a second or so; the committer does
// after every few megabytes. A file system that does not tell has room.
func (s *Store) Look() {
	if s.room.reserve == 0 {
		return
	}
	usage, err := s.fence.GetDiskUsage(s.fence.dir)
	if err != nil {
		return
	}
	was := s.room.err()
	switch full := usage.AvailBytes < s.room.reserve; {
	case full && was == nil:
		err := fmt.Errorf("%w: %d MiB are free where %s lies, and %d MiB are kept in reserve", store.ErrNoRoom, usage.AvailBytes>>20, s.fence.dir, s.room.reserve>>20)
		if s.room.full.CompareAndSwap(nil, &err) {
			s.fence.log.Error("nothing is written until there is room", "error", err)
		}
	case !full && was != nil:
		if s.room.full.Swap(nil) != nil {
			s.fence.log.Info("there is room again: calls are taken", "free_mib", usage.AvailBytes>>20)
		}
	}
}

// wrote tells the committer's room of what it has written.
func (s *Store) wrote(bytes int) {
	if s.room.unseen += bytes; s.room.unseen >= lookEvery {
		s.room.unseen = 0
		s.Look()
	}
}
