package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Trail is what is verified. Every store is one.
type Trail interface {
	store.Chains
	Digests(ctx context.Context, q store.DigestQuery) (store.Page[store.TrailDigest], error)
	Events(ctx context.Context, q store.EventQuery) (store.Page[store.Event], error)
	Records(ctx context.Context, q store.RecordQuery) (store.Page[metering.Record], error)
}

// Verify goes through the digests, every event of every chain, the lists that events
// are looked up in, and every record, and says what is wrong; it goes on behind it.
// progress, if not nil, hears how many events and records it has read.
//
// An event is read three times, a record once; if records and events do not agree,
// or calls go on meanwhile, the records of the hours in question and the events once
// more. It remembers three bits of an event, a sum of each hour, and what digests
// say of each chain.
//
// What is written meanwhile is no finding. What expires meanwhile could be taken for
// one: then it begins again.
func Verify(ctx context.Context, src Trail, progress func(read int64)) (*Report, error) {
	const attempts = 3
	for attempt := 1; ; attempt++ {
		v := &verifier{
			src: src, report: &Report{Findings: []Finding{}}, progress: progress,
			chains: make(map[metering.ID]*chain), begun: make(map[metering.ID]bool), harm: make(map[string]bool),
		}
		if err := v.run(ctx); err != nil {
			return nil, err
		}
		if v.report.Sound() || attempt == attempts {
			return v.report, nil
		}
		moved, err := v.floorsMoved(ctx)
		if err != nil || !moved {
			return v.report, err
		}
	}
}

// verifier is one verification.
type verifier struct {
	src      Trail
	report   *Report
	progress func(int64)
	read     int64

	digests digests
	chains  map[metering.ID]*chain
	order   []metering.ID // of chains
	begun   map[metering.ID]bool
	harm    map[string]bool // what is damaged and was told
	since   time.Time       // when all events are kept
	ledger  ledger
}

func (v *verifier) run(ctx context.Context) error {
	if err := v.readDigests(ctx); err != nil {
		return err
	}
	if err := v.findChains(ctx); err != nil {
		return err
	}
	if err := v.learnLaterDigests(ctx); err != nil {
		return err
	}
	v.ledger.begin(v)
	for _, id := range v.order {
		if err := v.walk(ctx, v.chains[id]); err != nil {
			return err
		}
	}
	if err := v.compareLists(ctx); err != nil {
		return err
	}
	return v.ledger.compare(ctx, v)
}

func (v *verifier) count(items int) {
	v.read += int64(items)
	if v.progress != nil {
		v.progress(v.read)
	}
}

// floorsMoved reports whether events have expired since the chains were found.
func (v *verifier) floorsMoved(ctx context.Context) (bool, error) {
	extents, err := v.src.Extents(ctx)
	if errors.As(err, new(*store.DamageError)) {
		return false, nil // that was found
	}
	for _, e := range extents {
		if c := v.chains[e.Chain]; c != nil && c.extent.Floor != e.Floor {
			return true, nil
		}
	}
	return false, err
}

// findChains learns which chains there are, from the store and from digests.
func (v *verifier) findChains(ctx context.Context) error {
	extents, err := v.src.Extents(ctx)
	if errors.As(err, new(*store.DamageError)) {
		v.damaged(err)
		extents, err = v.chainsOfEvents(ctx)
	}
	if err != nil {
		return err
	}
	extents, v.since = store.KeptSince(extents)
	for _, e := range extents {
		c := v.chainOf(e.Chain)
		c.extent, c.found = e, true
	}
	v.order = slices.SortedFunc(maps.Keys(v.chains), func(a, b metering.ID) int { return slices.Compare(a[:], b[:]) })
	for _, c := range v.chains {
		if c.found {
			v.report.Chains++
		}
	}
	return nil
}

// chainsOfEvents are the chains that events say they are of, where the store cannot
// tell: as far as the last event of each, after the floor that digests list.
func (v *verifier) chainsOfEvents(ctx context.Context) ([]store.Extent, error) {
	found := make(map[metering.ID]*store.Extent)
	for ev, err := range v.events(ctx, store.EventQuery{}, nil) {
		if err != nil {
			return nil, err
		}
		e := found[ev.Chain]
		if e == nil {
			e = &store.Extent{Chain: ev.Chain}
			if c := v.chains[ev.Chain]; c != nil && len(c.floors) > 0 {
				e.Floor = c.floors[len(c.floors)-1].Place
			}
			found[ev.Chain] = e
		}
		e.Head.Number = max(e.Head.Number, ev.Number)
	}
	var all []store.Extent
	for _, e := range found {
		all = append(all, *e)
	}
	return all, nil
}

func (v *verifier) chainOf(id metering.ID) *chain {
	c := v.chains[id]
	if c == nil {
		c = &chain{id: id}
		v.chains[id] = c
	}
	return c
}
