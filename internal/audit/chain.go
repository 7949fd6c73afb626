package audit

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// chain is what is known of a chain.
type chain struct {
	id            metering.ID
	found         bool // in the store
	extent        store.Extent
	heads, floors []mark // what digests say, ascending

	there, listed, byOperation bitmap // events: in the chain, and in the lists
	told                       bitmap // events that were told as changed
}

// skew is how far the clocks of nodes, and of who made an event and who then made a
// digest, may be apart, with the time that a call takes. Signatures are as wide.
const skew = 5 * time.Minute

// unseen is how long a node may not have seen the first digest of all: they look for
// digests when they make one, which is every hour.
const unseen = 2 * time.Hour

// walk goes through a chain.
func (v *verifier) walk(ctx context.Context, c *chain) error {
	if !c.found {
		if n := len(c.heads); n > 0 && v.digests.listed[c.id].Floor != c.heads[n-1].Place {
			v.report.ofPlace(CutOff, c.id, c.heads[n-1].Number, "digest %d lists it, and all of its chain is gone", c.heads[n-1].digest)
		}
		return nil
	}
	v.compareFloor(c)
	s := steps{v: v, c: c, at: c.extent.Floor}
	for ev, err := range v.chained(ctx, c.id, c.extent.Floor.Number, func(err error) { s.torn = true; v.damaged(err) }) {
		if err != nil {
			return err
		}
		if ev.Number > c.extent.Head.Number {
			break // it came while others were read
		}
		s.step(ev)
		v.report.Events++
		v.ledger.made(ev)
	}
	s.settle()
	if s.torn {
		return nil
	}
	for _, m := range c.heads {
		if m.Number > s.at.Number {
			v.report.ofPlace(CutOff, c.id, m.Number, "digest %d lists it, and its chain ends with event %d", m.digest, s.at.Number)
			break
		}
	}
	return nil
}

// compareFloor holds where a chain begins against what digests say. It may begin
// later than the last digest knew: then that is for the next one to say.
func (v *verifier) compareFloor(c *chain) {
	n := len(c.floors)
	if n == 0 {
		return
	}
	switch last, floor := c.floors[n-1], c.extent.Floor; {
	case floor.Number < last.Number:
		v.report.ofPlace(EventInserted, c.id, floor.Number+1, "digest %d says that the chain begins after event %d, and it begins after event %d", last.digest, last.Number, floor.Number)
	case floor.Number == last.Number && floor != last.Place:
		v.report.ofPlace(EventChanged, c.id, floor.Number, "digest %d has another hash of it than where the chain begins", last.digest)
	}
}

// steps is a walk through a chain.
type steps struct {
	v      *verifier
	c      *chain
	at     store.Place // the event before
	before [32]byte    // the hash of the one before that
	doubt  bool        // the event before was made with another before it
	heads  int         // how many marks lie behind
	torn   bool        // something damaged lies before the next event
}

// step holds an event against the one before and against what digests say. If two
// do not fit, the next one may say that they have changed places.
func (s *steps) step(ev *store.Event) {
	r, hash := s.v.report, ev.Hash()
	if ev.Number < 1 {
		r.ofEvent(EventInserted, ev, "events are numbered from 1 on")
		return
	}
	if ev.Number <= s.at.Number {
		r.ofEvent(EventInserted, ev, "its place is taken by another event")
		return
	}
	doubt := false
	switch {
	case s.torn:
	case ev.Number > s.at.Number+1:
		s.gap(ev)
	case ev.Number == 1:
		s.begins(ev)
	case ev.Prev == s.at.Hash:
	case s.doubt && ev.Prev == s.before:
		s.doubt = false
		r.ofEvent(EventReordered, ev, "it and event %d have changed places", ev.Number-1)
		s.c.told.add(ev.Number - 1)
		s.c.told.add(ev.Number)
	default:
		doubt = true
	}
	s.settle()
	s.doubt = doubt
	s.torn = false
	s.c.there.add(ev.Number)
	s.age(ev)
	for ; s.heads < len(s.c.heads) && s.c.heads[s.heads].Number <= ev.Number; s.heads++ {
		if m := s.c.heads[s.heads]; m.Number == ev.Number && m.Hash != hash {
			s.changed(ev.Number, "digest %d has another hash of it", m.digest)
		}
	}
	s.before, s.at = s.at.Hash, store.Place{Number: ev.Number, Hash: hash}
}

// settle says what was changed where the event before was made with another before
// it: that other, since nothing else says so of it.
func (s *steps) settle() {
	if s.doubt {
		s.changed(s.at.Number-1, "event %d was made with another before it", s.at.Number)
	}
	s.doubt = false
}

// gap tells of events that are not there.
func (s *steps) gap(ev *store.Event) {
	first, last := s.at.Number+1, ev.Number-1
	if first == last {
		s.v.report.ofPlace(EventMissing, s.c.id, first, "it is gone")
		return
	}
	s.v.report.ofPlace(EventMissing, s.c.id, first, "it is gone, with all up to event %d", last)
}

// changed tells of an event that has another hash than others say; once, whoever
// says so.
func (s *steps) changed(number int64, format string, args ...any) {
	if s.c.told.has(number) {
		return
	}
	s.c.told.add(number)
	s.v.report.ofPlace(EventChanged, s.c.id, number, "it was changed: "+format, args...)
}

// begins looks at what the first event of a chain comes after: a digest, or nothing
// if its node knew of none.
func (s *steps) begins(ev *store.Event) {
	d := &s.v.digests
	switch {
	case d.hashes[ev.Prev]:
	case ev.Prev != [32]byte{}:
		s.v.report.ofEvent(DigestMissing, ev, "its chain begins after a digest that is not there")
	case d.first == nil || len(s.c.heads) > 0 && s.c.heads[0].digest == d.first.Number:
	default:
		if made, ok := madeAt(ev.ID); ok && made.After(d.first.At.Add(unseen)) {
			s.v.report.ofEvent(EventInserted, ev, "its chain begins as if there were no digest yet, and the first was made at %s", d.first.At.Format(time.RFC3339))
		}
	}
}

// age looks whether a digest should have listed the event, and did not.
func (s *steps) age(ev *store.Event) {
	listedBy := s.v.digests.lastAt()
	if s.heads < len(s.c.heads) {
		listedBy = s.c.heads[s.heads].after
	}
	if made, ok := madeAt(ev.ID); ok && made.Before(listedBy.Add(-skew)) {
		s.v.report.ofEvent(EventInserted, ev, "its id was made at %s, and the digest of %s does not list it", made.Format(time.RFC3339), listedBy.Format(time.RFC3339))
	}
}

// madeAt is when an id was made, by the true time, if it says so: a UUID of version
// 7 begins with the milliseconds since 1970.
func madeAt(id metering.ID) (time.Time, bool) {
	if id[6]>>4 != 7 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC(), true
}
