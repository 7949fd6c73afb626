package audit

import (
	"context"
	"errors"
	"iter"
	"math/bits"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// bitmap is a set of numbers. Those that lie together take a bit each, wherever they
// lie.
type bitmap map[int64]*[blockWords]uint64

const (
	blockWords = 64
	blockBits  = blockWords * 64
)

func (b *bitmap) add(n int64) {
	if *b == nil {
		*b = make(bitmap)
	}
	block := (*b)[n/blockBits]
	if block == nil {
		block = new([blockWords]uint64)
		(*b)[n/blockBits] = block
	}
	block[n%blockBits/64] |= 1 << (n % 64)
}

func (b bitmap) has(n int64) bool {
	block := b[n/blockBits]
	return n >= 0 && block != nil && block[n%blockBits/64]&(1<<(n%64)) != 0
}

// without are the numbers that another set does not have.
func (b bitmap) without(other bitmap) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for at, block := range b {
			for i, word := range block {
				if theirs := other[at]; theirs != nil {
					word &^= theirs[i]
				}
				for ; word != 0; word &= word - 1 {
					if !yield(at*blockBits + int64(i*64+bits.TrailingZeros64(word))) {
						return
					}
				}
			}
		}
	}
}

// compareLists holds the lists that events are looked up in, by account and by
// account and operation, against the chains: each event is in each once, and nothing
// else is.
func (v *verifier) compareLists(ctx context.Context) error {
	type list struct {
		account   metering.AccountID
		operation metering.Operation
	}
	lists := make(map[list]bool)
	for ev, err := range v.events(ctx, store.EventQuery{}, v.damaged) {
		if err != nil {
			return err
		}
		lists[list{ev.Account, ev.Operation}] = true
		c := v.chains[ev.Chain]
		if c != nil && c.there.has(ev.Number) && !c.listed.has(ev.Number) {
			c.listed.add(ev.Number)
		} else if err := v.stray(ctx, c, ev); err != nil {
			return err
		}
	}
	for l := range lists {
		for ev, err := range v.events(ctx, store.EventQuery{Account: l.account, Operation: l.operation}, nil) {
			if err != nil {
				return err
			}
			switch c := v.chains[ev.Chain]; {
			case ev.Account != l.account || ev.Operation != l.operation:
				v.report.ofEvent(EventUnlisted, ev, "it is found as one of %s of account %s", l.operation, l.account)
			case c != nil && c.listed.has(ev.Number):
				c.byOperation.add(ev.Number)
			}
		}
	}
	return v.unlisted(ctx)
}

// stray is an event that the list by account has and its chain has not, or that it
// has twice. It is none of those that came meanwhile.
func (v *verifier) stray(ctx context.Context, c *chain, ev *store.Event) error {
	switch {
	case c != nil && c.listed.has(ev.Number):
		v.report.ofEvent(EventInserted, ev, "another event says that it has its place")
		return nil
	case c == nil || !c.found:
		if newer, err := v.begunSince(ctx, ev.Chain); newer || err != nil {
			return err
		}
	case ev.Number > c.extent.Head.Number:
		if there, err := v.at(ctx, ev.Link); err != nil || there != nil && there.ID == ev.ID {
			return err
		}
	}
	v.report.ofEvent(EventInserted, ev, "its chain does not have it")
	return nil
}

// begunSince reports whether a chain has begun since the chains were found.
func (v *verifier) begunSince(ctx context.Context, id metering.ID) (bool, error) {
	if !v.begun[id] {
		extents, err := v.src.Extents(ctx)
		if err != nil && !errors.As(err, new(*store.DamageError)) {
			return false, err
		}
		for _, e := range extents {
			v.begun[e.Chain] = true
		}
	}
	return v.begun[id], nil
}

// unlisted tells of events that a chain has and a list has not.
func (v *verifier) unlisted(ctx context.Context) error {
	for _, id := range v.order {
		c := v.chains[id]
		for _, l := range []struct {
			numbers iter.Seq[int64]
			where   string
		}{
			{c.there.without(c.listed), "it is not found by its account and time"},
			{c.listed.without(c.byOperation), "it is not found by its operation"},
		} {
			for n := range l.numbers {
				ev, err := v.at(ctx, store.Link{Chain: id, Number: n})
				switch {
				case err != nil:
					return err
				case ev != nil:
					v.report.ofEvent(EventUnlisted, ev, "%s", l.where)
				}
				if v.report.full() {
					return nil
				}
			}
		}
	}
	return nil
}
