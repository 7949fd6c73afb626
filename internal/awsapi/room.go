package awsapi

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/meterd/meterd/internal/caller"
)

// What the bodies take of memory that are being read, wait or are worked on, in
// bytes: those of everybody, and of one address. What comes beyond that is told to
// come again before it is read. A body counts for what it has been given; for
// leastWork at the least, so that the greediest address has some eight thousand
// requests here at once. It cannot keep the others out: its part is less than what
// is worked on at once, and an eighth of what there is.
const (
	maxRoom  = 256 * MaxBody
	maxGuest = 32 * MaxBody
)

var errNoRoom = fmt.Errorf("%w: it has too much to do", errServiceUnavailable)

// room is what bodies take. Its zero value is empty.
type room struct {
	mu     sync.Mutex
	taken  int
	guests map[netip.Prefix]int // that are here
}

// hold is what one request takes of it.
type hold struct {
	room  *room
	from  netip.Prefix // not valid behind a proxy: then only the whole is bounded
	taken int
}

func (r *room) enter(from netip.Addr) *hold {
	h := &hold{room: r}
	if from.IsValid() {
		h.from = caller.Network(from)
	}
	return h
}

// grow takes as much as makes it n in all, or nothing.
func (h *hold) grow(n int) bool {
	more := n - h.taken
	if more <= 0 {
		return true
	}
	h.room.mu.Lock()
	defer h.room.mu.Unlock()
	if h.room.taken+more > maxRoom || h.from.IsValid() && h.room.guests[h.from]+more > maxGuest {
		return false
	}
	h.move(more)
	return true
}

// leave gives back what was taken.
func (h *hold) leave() {
	h.room.mu.Lock()
	defer h.room.mu.Unlock()
	h.move(-h.taken)
}

func (h *hold) move(by int) {
	h.taken += by
	h.room.taken += by
	if !h.from.IsValid() {
		return
	}
	if h.room.guests == nil {
		h.room.guests = make(map[netip.Prefix]int)
	}
	if h.room.guests[h.from] += by; h.room.guests[h.from] == 0 {
		delete(h.room.guests, h.from)
	}
}
