package storetest

import (
	"errors"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// trail: 27. Events form chains without a gap, whatever calls fail between them and
// however many come at once; a digest lists how far each goes, and a chain that
// begins after it says so; what has been kept long enough goes from the beginning
// of a chain, and what is left still hangs together.
func trail(k *court) {
	k.equal("digests of an empty store", len(k.digests()), 0)
	if d, ok, err := k.store.Seal(k.Context(), noon()); ok || err != nil {
		k.Fatalf("a digest of nothing: %+v, error %v", d, err)
	}
	k.leaveEvents(40, noon())
	first := k.seal(noon().Add(time.Minute))
	k.equal("the first digest's number", first.Number, int64(1))
	k.equal("what the digest lists", first.Extents, k.extents())
	if d, ok, err := k.store.Seal(k.Context(), noon()); ok || err != nil {
		k.Fatalf("a digest of what was listed before: %+v, error %v", d, err)
	}
	k.survivals(func(when string) {
		k.equal(when+": digests", k.digests(), []store.TrailDigest{first})
		k.equal(when+": events in chains", k.chained(when, map[[32]byte]bool{{}: true}), 40)
	})
	k.reopen()
	k.leaveEvents(20, noon().Add(time.Hour))
	second := k.seal(noon().Add(2 * time.Hour))
	k.equal("the second digest's prev", second.Prev, first.Hash())
	if len(second.Extents) <= len(first.Extents) {
		k.Errorf("a store that was opened again goes on with a chain of before: %+v, then %+v", first.Extents, second.Extents)
	}
	after := map[[32]byte]bool{{}: true, first.Hash(): true}
	begun := 0
	k.survivals(func(when string) {
		k.equal(when+": digests", k.digests(), []store.TrailDigest{first, second})
		k.equal(when+": events in chains", k.chained(when, after), 60)
	})
	for _, e := range k.extents() {
		if k.trailOf(e)[0].Prev == first.Hash() {
			begun++
		}
	}
	if begun == 0 {
		k.Error("no chain begins after the first digest")
	}
	k.expiresFromTheFront(second)
}

// leaveEvents commits n events, one a second, by several callers, and between them
// calls that fail.
func (k *court) leaveEvents(n int, at time.Time) {
	k.Helper()
	var callers sync.WaitGroup
	for i := range n {
		c := store.Call{Account: []metering.AccountID{seller, seller2}[i%2], Region: region, At: at.Add(time.Duration(i) * time.Second)}
		ev := k.event(c, store.Outcome{})
		ev.Caller.Issued, ev.Asked = noon(), []store.Detail{{Name: "productCode", Value: "p"}}
		ev.Records = []store.EventRecord{{ID: k.ids.next(), Status: metering.Success, Kind: metering.KindLegacy, Timestamp: noon(), Dimension: "d", Quantity: 1}, {Dimension: "dim", Allocations: 2, AllocationsSum: [32]byte{1}}}
		dropped := c
		dropped.After = func(store.Outcome) (store.Rest, error) { return store.Rest{Event: ev}, errOnPurpose }
		badly := c
		badly.After = func(store.Outcome) (store.Rest, error) {
			bad := *ev
			bad.UserAgent = "a\x00b"
			return store.Rest{Event: &bad}, nil
		}
		c.After = func(store.Outcome) (store.Rest, error) { return store.Rest{Event: ev}, nil }
		callers.Go(func() {
			if _, err := k.store.Append(k.Context(), badly); err == nil {
				k.Error("an event that cannot be kept was")
			}
			if _, err := k.store.Append(k.Context(), c); err != nil {
				k.Error(err)
			}
		})
		callers.Go(func() {
			if _, err := k.store.Append(k.Context(), dropped); !errors.Is(err, errOnPurpose) {
				k.Errorf("a call that its After drops: %v", err)
			}
		})
	}
	callers.Wait()
}

func (k *court) seal(at time.Time) store.TrailDigest {
	k.Helper()
	d, ok, err := k.store.Seal(k.Context(), at)
	if err != nil || !ok || !d.At.Equal(at) {
		k.Fatalf("a digest: %+v, made %t, error %v", d, ok, err)
	}
	return d
}

func (k *court) digests() []store.TrailDigest {
	k.Helper()
	return pages(k, func(cursor string) (store.Page[store.TrailDigest], error) {
		return k.store.Digests(k.background(), store.DigestQuery{Limit: 1, Cursor: cursor})
	})
}

// extents are those of chains that have events, or had some.
func (k *court) extents() []store.Extent {
	k.Helper()
	all, err := k.store.Extents(k.background())
	if err != nil {
		k.Fatal(err)
	}
	d, _ := store.NextDigest(nil, all, noon()) // in order, and without what has not begun
	return d.Extents
}

func (k *court) trailOf(e store.Extent) []store.Event {
	k.Helper()
	return pages(k, func(cursor string) (store.Page[store.Event], error) {
		return k.store.Trail(k.background(), store.TrailQuery{Chain: e.Chain, After: e.Floor.Number, Limit: 7, Cursor: cursor})
	})
}

// chained walks every chain and returns how many events they have. after is what
// the first of a chain may come after.
func (k *court) chained(when string, after map[[32]byte]bool) int {
	k.Helper()
	n := 0
	seen := make(map[metering.ID]store.Event)
	for _, e := range k.extents() {
		prev := e.Floor
		for _, ev := range k.trailOf(e) {
			if prev.Number == 0 && after[ev.Prev] {
				prev.Hash = ev.Prev
			}
			if want := (store.Link{Chain: e.Chain, Number: prev.Number + 1, Prev: prev.Hash}); ev.Link != want {
				k.Fatalf("%s: a link %+v, want %+v", when, ev.Link, want)
			}
			prev = store.Place{Number: ev.Number, Hash: ev.Hash()}
			seen[ev.ID] = ev
			n++
		}
		k.equal(when+": the head of a chain", e.Head, prev)
	}
	all := pages(k, func(cursor string) (store.Page[store.Event], error) {
		return k.store.Events(k.background(), store.EventQuery{Limit: 7, Cursor: cursor})
	})
	k.equal(when+": events of all accounts", len(all), n)
	for _, ev := range all {
		k.equal(when+": an event by time and by place", ev, seen[ev.ID])
	}
	return n
}

// expiresFromTheFront lets go of what came in the first hour.
func (k *court) expiresFromTheFront(last store.TrailDigest) {
	k.Helper()
	if err := k.store.Expire(k.Context(), store.Expiry{Events: noon().Add(time.Hour + 10*time.Second)}); err != nil {
		k.Fatal(err)
	}
	all, err := k.store.Extents(k.Context())
	if err != nil {
		k.Fatal(err)
	}
	if _, since := store.KeptSince(all); !since.Equal(noon().Add(time.Hour + 10*time.Second)) {
		k.Errorf("events are kept since %s", since)
	}
	after := map[[32]byte]bool{{}: true}
	for _, d := range k.digests() {
		after[d.Hash()] = true
	}
	left := 0
	k.survivals(func(when string) {
		n := k.chained(when, after)
		if left == 0 {
			left = n
		}
		k.equal(when+": events that are left", n, left)
		for _, op := range []metering.Operation{"", metering.BatchMeterUsage} {
			n := 0
			for _, account := range []metering.AccountID{seller, seller2} {
				n += len(k.events(store.EventQuery{Account: account, Operation: op}))
			}
			k.equal(when+": events that are left, of "+string(op), n, left)
		}
	})
	if left < 10 || left > 20 {
		k.Errorf("%d events are left, of 20 of the second hour, 10 of which are to be kept", left)
	}
	d := k.seal(noon().Add(3 * time.Hour))
	gone := 0
	for _, e := range d.Extents {
		if e.Floor.Number > 0 {
			gone++
		}
	}
	if gone == 0 || d.Prev != last.Hash() {
		k.Errorf("a digest that does not tell what has gone: %+v", d)
	}
	k.leaveEvents(5, noon().Add(4*time.Hour))
	k.equal("events in chains that go on", k.chained("after expiry", map[[32]byte]bool{{}: true, last.Prev: true, last.Hash(): true, d.Hash(): true}), left+5)
}
