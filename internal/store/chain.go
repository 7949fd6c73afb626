package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// # The trail
//
// Events form chains, one for each committer and start of a process. An event has
// its number in its chain, from 1 on without a gap, and the hash of the event
// before: so none can be changed, taken out, put in or moved without a break in
// what comes after. The first of a chain has the hash of a digest, which lists the
// head of every other chain. Digests form a chain of their own. What comes after
// the last digest of a chain can be cut off without a break: so digests are made
// often, and are published.

// Link is an event's place in the trail.
type Link struct {
	Chain  metering.ID
	Number int64    // from 1
	Prev   [32]byte // the hash of the event before; of the first, of a digest, or zeros if there was none
}

// Chain links events. Its zero value links nothing; NewChain makes one. A copy is
// a way to take steps back.
type Chain struct {
	id     metering.ID
	number int64
	hash   [32]byte
}

// NewChain begins a chain after a digest of this hash.
func NewChain(after [32]byte) Chain {
	c := Chain{hash: after}
	rand.Read(c.id[:])            // never fails, by its contract
	c.id[6] = c.id[6]&0x0f | 0x40 // a UUID of version 4: it has no time in it, a store has no clock
	c.id[8] = c.id[8]&0x3f | 0x80
	return c
}

// ID names the chain.
func (c *Chain) ID() metering.ID { return c.id }

// Head is the place of the last event that was linked.
func (c *Chain) Head() Place { return Place{c.number, c.hash} }

// Link gives the event the next place. fields is what AppendEvent makes of it.
func (c *Chain) Link(ev *Event, fields []byte) {
	c.number++
	ev.Link = Link{c.id, c.number, c.hash}
	c.hash = ev.hash(fields)
}

// Hash is what the next event of the chain has as Prev: SHA-256 over all that the
// event says, its link included.
func (ev *Event) Hash() [32]byte { return ev.hash(AppendEvent(nil, ev)) }

func (ev *Event) hash(fields []byte) [32]byte {
	var room [256]byte
	b := append(room[:0], "meterd event 1\n"...)
	b = AppendLink(b, &ev.Link)
	b = appendText(b, string(ev.Account))
	b = appendTime(b, ev.Time)
	b = append(b, ev.ID[:]...)
	h := sha256.New()
	h.Write(b)
	h.Write(fields)
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// String names an event by its place.
func (l Link) String() string { return fmt.Sprintf("event %d of chain %s", l.Number, l.Chain) }

// AppendLink appends a link; UnpackLink reads it.
func AppendLink(b []byte, l *Link) []byte {
	b = append(b, l.Chain[:]...)
	b = binary.AppendVarint(b, l.Number)
	return append(b, l.Prev[:]...)
}

// UnpackLink reads what AppendLink has written.
func UnpackLink(u *Unpacker) Link {
	l := Link{Chain: u.ID(), Number: u.Int()}
	copy(l.Prev[:], u.Take(uint64(len(l.Prev))))
	return l
}

// Extent is what a store has of a chain: its events after Floor, up to which they
// were kept long enough, to Head.
type Extent struct {
	Chain       metering.ID
	Floor, Head Place
}

// Place is a place in a chain: an event's number and hash.
type Place struct {
	Number int64
	Hash   [32]byte
}

// TrailDigest lists how far every chain goes.
type TrailDigest struct {
	Number  int64    // from 1
	Prev    [32]byte // the hash of the digest before; zeros of the first
	At      time.Time
	Extents []Extent // by chain; those that have no events any more are listed once as such
}

// NextDigest is the digest that follows last, nil for none, of chains as they are
// now. ok is false if it would say nothing new.
func NextDigest(last *TrailDigest, now []Extent, at time.Time) (next TrailDigest, ok bool) {
	next = TrailDigest{Number: 1, At: Instant(at)}
	said := make(map[metering.ID]Extent)
	if last != nil {
		next.Number, next.Prev = last.Number+1, last.Hash()
		for _, e := range last.Extents {
			said[e.Chain] = e
		}
	}
	for _, e := range now {
		was, known := said[e.Chain]
		if e.Floor == e.Head && (was == e || !known) {
			continue // all of it is gone, and that was said
		}
		ok = ok || was != e
		next.Extents = append(next.Extents, e)
	}
	slices.SortFunc(next.Extents, func(a, b Extent) int { return bytes.Compare(a.Chain[:], b.Chain[:]) })
	return next, ok
}

// Hash is SHA-256 over all that the digest says.
func (d *TrailDigest) Hash() [32]byte {
	return sha256.Sum256(append([]byte("meterd digest 1\n"), AppendDigest(nil, d)...))
}

// AppendDigest appends a digest; UnpackDigest reads it.
func AppendDigest(b []byte, d *TrailDigest) []byte {
	b = binary.AppendVarint(b, d.Number)
	b = append(b, d.Prev[:]...)
	b = appendTime(b, d.At)
	b = binary.AppendUvarint(b, uint64(len(d.Extents)))
	for i := range d.Extents {
		e := &d.Extents[i]
		b = AppendPlace(AppendPlace(append(b, e.Chain[:]...), &e.Floor), &e.Head)
	}
	return b
}

// UnpackDigest reads what AppendDigest has written.
func UnpackDigest(fields string) (TrailDigest, error) {
	u := Unpacker{Rest: fields}
	d := TrailDigest{Number: u.Int()}
	copy(d.Prev[:], u.Take(uint64(len(d.Prev))))
	d.At = u.Time()
	if n := u.Count(); n > 0 {
		d.Extents = make([]Extent, n)
	}
	for i := range d.Extents {
		d.Extents[i] = Extent{u.ID(), UnpackPlace(&u), UnpackPlace(&u)}
	}
	return d, u.End()
}

// AppendPlace appends a place; UnpackPlace reads it.
func AppendPlace(b []byte, p *Place) []byte {
	return append(binary.AppendVarint(b, p.Number), p.Hash[:]...)
}

// UnpackPlace reads what AppendPlace has written.
func UnpackPlace(u *Unpacker) Place {
	p := Place{Number: u.Int()}
	copy(p.Hash[:], u.Take(uint64(len(p.Hash))))
	return p
}

// TrailQuery picks a chain's events after a number.
type TrailQuery struct {
	Chain  metering.ID
	After  int64
	Limit  int
	Cursor string
}

// DigestQuery picks the digests after a number.
type DigestQuery struct {
	After  int64
	Limit  int
	Cursor string
}

// expired is no chain of events: its floor says since when events are kept. The
// number is that time, in nanoseconds since 1970.
var expired = metering.ID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// KeptSince takes out of the extents of a store since when all events are kept, by
// the service's clock: what came before may be gone, of one chain and not of another.
// The zero time says that nothing is gone.
func KeptSince(all []Extent) (chains []Extent, since time.Time) {
	for _, e := range all {
		if e.Chain == expired {
			since = time.Unix(0, e.Floor.Number).UTC()
		} else {
			chains = append(chains, e)
		}
	}
	return chains, since
}

// ExpireTrail takes the events before a time off each chain, up to the first that
// is to be kept or that is damaged, which is an error in the end. drop lets go of
// some and moves the chain's floor up to the last of them, all of it or nothing; it
// is first told, with no event, since when they are kept: so that is known however
// far it comes.
func ExpireTrail(ctx context.Context, t Chains, before time.Time, drop func(ctx context.Context, old []Event, floor CarriedFloor) error) error {
	extents, err := t.Extents(ctx)
	if err != nil {
		return err
	}
	var damage error // of the first chain that has some
	noted := false
	for _, e := range extents {
		q := TrailQuery{Chain: e.Chain, After: e.Floor.Number}
		for more := q.After < e.Head.Number; more; {
			page, err := t.Trail(ctx, q)
			if errors.As(err, new(*DamageError)) {
				damage = cmp.Or(damage, err)
				break
			}
			if err != nil {
				return err
			}
			old := slices.IndexFunc(page.Items, func(ev Event) bool { return !ev.Time.Before(before) })
			if more = old < 0 && page.Next != ""; old < 0 {
				old = len(page.Items)
			}
			if old == 0 {
				break
			}
			if !noted {
				if err := drop(ctx, nil, CarriedFloor{expired, Place{Number: before.UnixNano()}}); err != nil {
					return err
				}
				noted = true
			}
			last := &page.Items[old-1]
			if err := drop(ctx, page.Items[:old], CarriedFloor{e.Chain, Place{last.Number, last.Hash()}}); err != nil {
				return err
			}
			q.Cursor = page.Next
		}
	}
	return damage
}

// Chains is the trail by its chains.
type Chains interface {
	// Extents lists the chains and how far each goes.
	Extents(ctx context.Context) ([]Extent, error)
	// Trail lists a chain's events, in their order.
	Trail(ctx context.Context, q TrailQuery) (Page[Event], error)
}
