package audit_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// lived is a store with three lives, a digest after each but the last.
func lived(t *testing.T, e engine) *world {
	w := newWorld(t, e)
	w.calls(18)
	w.seal()
	w.reopen()
	w.calls(12)
	w.seal()
	w.reopen()
	w.calls(12)
	return w
}

// each runs a test on every engine.
func each(t *testing.T, test func(t *testing.T, e engine)) {
	t.Run("embedded", func(t *testing.T) { test(t, inMemory()) })
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) { test(t, inDatabase(c)) })
}

// TestSound: a trail that nobody has touched is sound, after restarts, expiry, and a
// move to another store.
func TestSound(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		w := newWorld(t, e)
		sound(t, "an empty store", w.s)
		w.calls(18)
		r := sound(t, "before the first digest", w.s)
		if r.Events != 18 || r.Records == 0 || r.Last != nil {
			t.Errorf("looked at %+v", r)
		}
		w.seal()
		w.reopen()
		w.calls(12)
		w.seal()
		w.reopen()
		w.calls(12)
		r = sound(t, "three lives", w.s)
		if r.Digests != 2 || r.Chains < 3 || r.Events != 42 || r.Last == nil || r.Last.Number != 2 || !r.Since.IsZero() {
			t.Errorf("looked at %+v", r)
		}
		moved := e.rewrite(t, w.items())
		again := sound(t, "moved", moved)
		if again.Events != r.Events || again.Records != r.Records || again.Last.Hash != r.Last.Hash {
			t.Errorf("moved: looked at %+v, and before at %+v", again, r)
		}
		old := noon().Add(10 * time.Second)
		for range 2 {
			if err := w.s.Expire(t.Context(), store.Expiry{Events: old}); err != nil {
				t.Fatal(err)
			}
			r := sound(t, fmt.Sprint("events before ", old, " are gone"), w.s)
			if r.Since.IsZero() || r.Since.Before(old) || r.Events == 0 {
				t.Errorf("since %s", r.Since)
			}
			old = w.now.Add(-5 * time.Second)
		}
		w.seal()
		sound(t, "a digest of what is gone", w.s)
		w.calls(6)
		sound(t, "it goes on", w.s)
		if err := w.s.Expire(t.Context(), store.Expiry{Events: w.now.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		sound(t, "all are gone", w.s)
		w.seal()
		w.calls(6)
		w.seal()
		sound(t, "one begins again", w.s)
	})
}

// tampering is a way to change a trail.
type tampering struct {
	name string
	do   func(items []store.Item) []store.Item
	want audit.Kind // among the findings
}

// eventsOf are the places of events among items, by chain, in their order.
func eventsOf(items []store.Item) map[metering.ID][]int {
	all := make(map[metering.ID][]int)
	for i := range items {
		if ev := items[i].Event; ev != nil {
			all[ev.Chain] = append(all[ev.Chain], i)
		}
	}
	for _, chain := range all {
		slices.SortFunc(chain, func(a, b int) int { return int(items[a].Event.Number - items[b].Event.Number) })
	}
	return all
}

// try tampers with a copy of items, and looks whether that is found.
func (x *tampering) try(t *testing.T, e engine, items []store.Item) {
	t.Helper()
	mine := make([]store.Item, len(items))
	for i, item := range items {
		if item.Event != nil {
			ev := *item.Event
			ev.Records = slices.Clone(ev.Records)
			item.Event = &ev
		}
		if item.Record != nil {
			r := *item.Record
			item.Record = &r
		}
		if item.Digest != nil {
			d := *item.Digest
			d.Extents = slices.Clone(d.Extents)
			item.Digest = &d
		}
		mine[i] = item
	}
	if r := verify(t, e.rewrite(t, x.do(mine))); !slices.Contains(kinds(r), x.want) {
		t.Errorf("%s: found %.400s, want %s", x.name, fmt.Sprintf("%+v", r.Findings), x.want)
	}
}

// TestEventTampering: any one event that a digest has seen, changed in any way,
// removed, moved or put in, is found; also if all that comes after it is made anew.
func TestEventTampering(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		w := lived(t, e)
		items := w.items()
		n := 0
		for _, chain := range eventsOf(items) {
			for i, at := range chain {
				sealed := items[at].Event.Time.Before(noon().Add(4 * time.Hour))
				if n++; n%e.some != 0 {
					continue
				}
				name := fmt.Sprintf("event %d of %d", i+1, len(chain))
				for _, x := range tamperings(chain, i, sealed) {
					x.name = name + ": " + x.name
					x.try(t, e, items)
				}
			}
		}
	})
}

// tamperings are the ways to tamper with the i-th event of a chain.
func tamperings(chain []int, i int, sealed bool) []tampering {
	at, last := chain[i], i == len(chain)-1
	var all []tampering
	add := func(name string, want audit.Kind, do func(items []store.Item) []store.Item) {
		all = append(all, tampering{name, do, want})
	}
	edit := func(name string, f func(ev *store.Event)) {
		if sealed || !last {
			add(name, audit.EventChanged, func(items []store.Item) []store.Item { f(items[at].Event); return items })
		}
		if sealed {
			add(name+", and all after it linked anew", audit.EventChanged, func(items []store.Item) []store.Item {
				f(items[at].Event)
				link(items, items[at].Event.Link, chain[i:])
				return items
			})
		}
	}
	edit("another address", func(ev *store.Event) { ev.SourceIP = "192.0.2.66" })
	edit("another time", func(ev *store.Event) { ev.Time = ev.Time.Add(time.Millisecond) })
	edit("another account's", func(ev *store.Event) { ev.Account = "999999999999" })
	edit("another id", func(ev *store.Event) { ev.ID[15] ^= 1 })
	edit("another operation", func(ev *store.Event) { ev.Operation = metering.GetEntitlements })
	edit("no error", func(ev *store.Event) { ev.Error += "x" })
	if sealed || !last {
		want := audit.EventMissing
		if last {
			want = audit.CutOff
		}
		add("removed", want, func(items []store.Item) []store.Item { return slices.Delete(items, at, at+1) })
	}
	if sealed {
		add("removed, and all after it linked anew", audit.CutOff, func(items []store.Item) []store.Item {
			link(items, items[at].Event.Link, chain[i+1:])
			return slices.Delete(items, at, at+1)
		})
		add("put in after it, and all after that linked anew", audit.EventInserted, func(items []store.Item) []store.Item {
			ev := *items[at].Event
			ev.ID[15] ^= 1
			ev.Time = ev.Time.Add(time.Millisecond)
			ev.Records = nil
			items = append(items, store.Item{Event: &ev})
			link(items, items[chain[0]].Event.Link, slices.Insert(slices.Clone(chain), i+1, len(items)-1))
			return items
		})
	}
	add("put in under its place", audit.EventInserted, func(items []store.Item) []store.Item {
		ev := *items[at].Event
		ev.ID[15] ^= 1
		ev.Time = ev.Time.Add(time.Millisecond)
		ev.Records = nil
		return slices.Insert(items, at, store.Item{Event: &ev})
	})
	if !last && (sealed || i+2 < len(chain)) {
		want := audit.EventReordered
		if i == 0 { // what it begins after is what does not fit
			want = audit.DigestMissing
		}
		add("exchanged with the next", want, func(items []store.Item) []store.Item {
			a, b := items[at].Event, items[chain[i+1]].Event
			a.Number, b.Number = b.Number, a.Number
			return items
		})
	}
	return all
}

// link links events anew, the first in a place.
func link(items []store.Item, first store.Link, chain []int) {
	number, prev := first.Number, first.Prev
	for _, at := range chain {
		ev := items[at].Event
		ev.Number, ev.Prev = number, prev
		number, prev = number+1, ev.Hash()
	}
}
