package promise

import (
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/meterd/meterd/internal/metering"
)

// patience is how long an order is searched for. A key has few attempts, so it
// is found at once or there is none.
const patience = 10 * time.Second

// held is the state of one key. What took it is named by its claim; the id is
// zero as long as nobody has been told it.
type held struct {
	by *Claim
	id metering.ID
}

// seen is what was read of a key: the record, or that there is none.
type seen struct{ record *metering.Record }

// step is one thing that happened to a key: an attempt, or a look.
type step struct {
	op   *op
	seen *seen
	call Moment
	back Moment
}

// take says whether the key could be in such a state before the step, and what
// it is in afterwards.
func (s *step) take(now held) (bool, held) {
	if s.seen != nil {
		r := s.seen.record
		if r == nil || now.by == nil {
			return r == nil && now.by == nil, now
		}
		return now.by.made(r) && (now.id == metering.ID{} || now.id == r.ID), held{now.by, r.ID}
	}
	o := s.op
	switch o.verdict {
	case Accepted:
		if now.by == nil {
			return o.ID == metering.ID{} || o.ID == o.id, held{o.Claim, o.id}
		}
		same := (&Claim{Quantity: o.Quantity, Allocations: o.Allocations}).says(now.by.record())
		return same && (now.id == metering.ID{} || now.id == o.id), held{now.by, o.id}
	case Duplicate:
		return now.by != nil && !o.says(now.by.record()), now
	case Unknown:
		if now.by == nil {
			return true, held{o.Claim, o.ID}
		}
	case Unprocessed, Refused:
	}
	return true, now
}

func (c *Claim) record() *metering.Record {
	return &metering.Record{Quantity: c.Quantity, Allocations: metering.Canonical(c.Allocations)}
}

// ordered: the answers about a key have an order that one ledger could have
// given them in. An attempt of unknown outcome may come after everything, which
// is to say never.
func (j *judge) ordered(p *place) {
	steps := make([]step, 0, len(p.ops)+len(p.reads)+1)
	for i := range p.ops {
		o := &p.ops[i]
		switch o.verdict {
		case Refused, Unprocessed: // they do nothing, which holder has seen to
		case Accepted, Duplicate, Unknown:
			steps = append(steps, step{op: o, call: o.sent, back: o.answered})
		}
	}
	for _, r := range p.reads {
		steps = append(steps, step{seen: &seen{&r.record}, call: r.asked, back: r.told})
	}
	steps = append(steps, step{seen: &seen{p.record}, call: never - 2, back: never - 1})
	slices.SortStableFunc(steps, func(a, b step) int { return int(a.call - b.call) })
	if apart(steps) {
		var now held
		for i := range steps {
			ok, next := steps[i].take(now)
			if !ok {
				j.say("order", "the %d answers about one key contradict one another: %s", len(steps), name(p.key))
				return
			}
			now = next
		}
		return
	}
	history := make([]porcupine.Operation, len(steps))
	for i := range steps {
		history[i] = porcupine.Operation{ClientId: i, Input: &steps[i], Call: int64(steps[i].call), Return: int64(steps[i].back)}
	}
	switch porcupine.CheckOperationsTimeout(oneKey(), history, patience) {
	case porcupine.Ok:
	case porcupine.Illegal:
		j.say("order", "the %d answers about one key have no order that one ledger could have given: %s", len(steps), name(p.key))
	case porcupine.Unknown:
		j.say("order", "no order of the %d answers about one key was found in %s: %s", len(steps), patience, name(p.key))
	}
}

// apart reports whether the steps followed one another: then there is only one
// order. They are sorted by their calls.
func apart(steps []step) bool {
	for i := 1; i < len(steps); i++ {
		if steps[i-1].back >= steps[i].call {
			return false
		}
	}
	return true
}

// oneKey is a ledger of one key.
func oneKey() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return held{} },
		Step: func(state, input, _ any) (bool, any) { return input.(*step).take(state.(held)) },
	}
}
