package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// TestRecordTampering: any one record, changed in any way, removed or put in, is
// found.
func TestRecordTampering(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		items := lived(t, e).items()
		n := 0
		for at := range items {
			if items[at].Record == nil {
				continue
			}
			if n++; n%e.some != 0 {
				continue
			}
			edit := func(name string, want audit.Kind, f func(r *metering.Record)) {
				x := tampering{fmt.Sprintf("record %d: %s", n, name), func(items []store.Item) []store.Item { f(items[at].Record); return items }, want}
				x.try(t, e, items)
			}
			edit("quantity", audit.RecordChanged, func(r *metering.Record) { r.Quantity++ })
			edit("timestamp", audit.RecordChanged, func(r *metering.Record) { r.Timestamp = r.Timestamp.Add(time.Minute) })
			edit("receipt", audit.RecordChanged, func(r *metering.Record) { r.Received = r.Received.AddDate(-1, 0, 0) })
			edit("workload", audit.RecordChanged, func(r *metering.Record) { r.Workload += "x" })
			edit("dimension", audit.RecordChanged, func(r *metering.Record) { r.Key.Dimension += "x" })
			edit("party", audit.RecordChanged, func(r *metering.Record) { r.Key.Party = "999999999999" })
			edit("region", audit.RecordChanged, func(r *metering.Record) { r.Key.Region = "eu-west-1" })
			edit("hour", audit.RecordChanged, func(r *metering.Record) {
				r.Timestamp = r.Timestamp.Add(-5 * time.Hour)
				r.Key.Hour -= 5
			})
			edit("allocations", audit.RecordChanged, func(r *metering.Record) {
				r.Allocations = []metering.Allocation{{Quantity: r.Quantity, Tags: []metering.Tag{{Key: "team", Value: "b"}}}}
			})
			edit("id", audit.RecordMissing, func(r *metering.Record) { r.ID[15] ^= 1 })
			edit("id", audit.RecordWithoutEvent, func(r *metering.Record) { r.ID[15] ^= 1 })
			for _, x := range []tampering{
				{"removed", func(items []store.Item) []store.Item { return slices.Delete(items, at, at+1) }, audit.RecordMissing},
				{"put in", func(items []store.Item) []store.Item {
					r := *items[at].Record
					r.ID[15] ^= 1
					r.Key.Dimension += "x"
					return append(items, store.Item{Record: &r})
				}, audit.RecordWithoutEvent},
			} {
				x.name = fmt.Sprintf("record %d: %s", n, x.name)
				x.try(t, e, items)
			}
		}
	})
}

// TestDigestTampering: any digest that is changed, removed or put in is found, and
// so is one that others or a chain come after.
func TestDigestTampering(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		items := lived(t, e).items()
		for at := range items {
			if items[at].Digest == nil {
				continue
			}
			number := items[at].Digest.Number
			missing, changed, head := audit.DigestMissing, audit.DigestChanged, audit.EventChanged
			if number == 2 { // the last: it is a chain that comes after it
				changed, head = audit.DigestMissing, audit.DigestMissing
			}
			for _, x := range []tampering{
				{"time", func(items []store.Item) []store.Item { items[at].Digest.At = noon(); return items }, changed},
				{"what was before it", func(items []store.Item) []store.Item { items[at].Digest.Prev[0] ^= 1; return items }, audit.DigestChanged},
				{"a chain left out", func(items []store.Item) []store.Item {
					items[at].Digest.Extents = items[at].Digest.Extents[1:]
					return items
				}, changed},
				{"a head", func(items []store.Item) []store.Item {
					items[at].Digest.Extents[0].Head.Hash[0] ^= 1
					return items
				}, head},
				{"removed", func(items []store.Item) []store.Item { return slices.Delete(items, at, at+1) }, missing},
			} {
				x.name = fmt.Sprintf("digest %d: %s", number, x.name)
				x.try(t, e, items)
			}
		}
	})
}

// TestFloorTampering: where a chain begins that has lost its oldest events is what
// the digests say.
func TestFloorTampering(t *testing.T) {
	e := inMemory()
	w := lived(t, e)
	if err := w.s.Expire(t.Context(), store.Expiry{Events: noon().Add(10 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	w.seal()
	items := w.items()
	sound(t, "as it is", e.rewrite(t, items))
	at := slices.IndexFunc(items, func(item store.Item) bool { return item.Floor != nil })
	other := func(f func(*store.CarriedFloor)) func(items []store.Item) []store.Item {
		return func(items []store.Item) []store.Item {
			floor := *items[at].Floor
			f(&floor)
			items[at].Floor = &floor
			return items
		}
	}
	for _, x := range []tampering{
		{"earlier", other(func(f *store.CarriedFloor) { f.Number-- }), audit.EventInserted},
		{"another hash", other(func(f *store.CarriedFloor) { f.Hash[0] ^= 1 }), audit.EventChanged},
		{"none", func(items []store.Item) []store.Item { return slices.Delete(items, at, at+1) }, audit.EventMissing},
	} {
		x.try(t, e, items)
	}
}

// anew makes a trail anew, with one event of the past otherwise: what none can tell
// who has kept nothing.
func anew(items []store.Item) []store.Item {
	chains := eventsOf(items)
	hashes := make(map[[32]byte][32]byte) // of digests: old and new
	relink := func(chain []int) {
		first := items[chain[0]].Event.Link
		if now, ok := hashes[first.Prev]; ok {
			first.Prev = now
		}
		link(items, first, chain)
	}
	var prev [32]byte
	begun := false
	for i := range items {
		d := items[i].Digest
		if d == nil {
			continue
		}
		if !begun {
			for _, chain := range chains {
				if first := items[chain[0]].Event; first.Prev == [32]byte{} && first.Time.Before(noon().Add(time.Minute)) {
					items[chain[0]].Event.SourceIP = "192.0.2.66"
				}
			}
			begun = true
		}
		for _, chain := range chains {
			relink(chain)
		}
		was := d.Hash()
		d.Prev = prev
		for n := range d.Extents {
			x := &d.Extents[n]
			x.Head.Hash = items[chains[x.Chain][x.Head.Number-1]].Event.Hash()
		}
		prev = d.Hash()
		hashes[was] = prev
	}
	for _, chain := range chains {
		relink(chain)
	}
	return items
}

func trailOf(t *testing.T, s store.Store) iter.Seq2[store.TrailDigest, error] {
	return audit.Digests(t.Context(), s)
}

// TestPublished: a trail that was made anew as a whole is found by whoever has kept
// a digest, and so is one that was taken back to an earlier state.
func TestPublished(t *testing.T) {
	e := inMemory()
	w := lived(t, e)
	kept := fstest.MapFS{"events.jsonl": {Data: []byte("{}")}, "other.json": {Data: []byte("[]")}}
	for d := range trailOf(t, w.s) {
		text, err := json.Marshal(audit.NewDigestFile(&d))
		if err != nil {
			t.Fatal(err)
		}
		kept[fmt.Sprintf("2026/digest-%d.json", d.Number)] = &fstest.MapFile{Data: text}
	}
	compare := func(s store.Store, files fstest.MapFS) (*audit.Report, error) {
		r := verify(t, s)
		return r, r.ComparePublished(audit.Published(files), trailOf(t, s))
	}
	if r, err := compare(w.s, kept); err != nil || !r.Sound() {
		t.Errorf("found %+v, error %v", r.Findings, err)
	}
	forged := e.rewrite(t, anew(w.items()))
	sound(t, "a trail that was made anew, by itself", forged)
	if r, err := compare(forged, kept); err != nil || !slices.Equal(kinds(r), []audit.Kind{audit.DigestChanged}) {
		t.Errorf("made anew: found %+v, error %v", r.Findings, err)
	}
	w.calls(6)
	d := w.seal()
	text, err := json.Marshal(audit.NewDigestFile(&d))
	if err != nil {
		t.Fatal(err)
	}
	kept["2026/digest-3.json"] = &fstest.MapFile{Data: text}
	if r, err := compare(forged, kept); err != nil || !slices.Contains(kinds(r), audit.CutOff) {
		t.Errorf("taken back: found %+v, error %v", r.Findings, err)
	}
	if _, err := compare(w.s, fstest.MapFS{"x.txt": {}}); err == nil {
		t.Error("a folder without digests passes for one that was compared")
	}
	kept["2026/digest-3.json"].Data = bytes.Replace(text, []byte(`"number":3`), []byte(`"number":4`), 1)
	if _, err := compare(w.s, kept); err == nil || !strings.Contains(err.Error(), "digest-3.json") {
		t.Errorf("a digest that is not what its hash says: %v", err)
	}
}

// TestNotFound: what was cut off after the last digest leaves no trace if it made no
// record and no digest was kept.
func TestNotFound(t *testing.T) {
	e := inMemory()
	w := newWorld(t, e)
	w.calls(18)
	w.seal()
	w.calls(5) // the last is a refusal
	items := w.items()
	last := 0
	for i, item := range items {
		if item.Event != nil && (items[last].Event == nil || item.Event.Time.After(items[last].Event.Time)) {
			last = i
		}
	}
	sound(t, "a refusal after the last digest, cut off", e.rewrite(t, slices.Delete(items, last, last+1)))
}

// TestDamagedRows: rows that cannot be read are named, and all else is looked at.
func TestDamagedRows(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		items := lived(t, inMemory()).items()
		for i, sql := range []string{
			"UPDATE event SET body = substr(body, 1, 60) WHERE id = (SELECT id FROM event ORDER BY number LIMIT 1)",
			"UPDATE event SET body = '' WHERE id IN (SELECT id FROM event ORDER BY number DESC LIMIT 1)", // a head
			"UPDATE event SET operation = 'X' WHERE id = (SELECT id FROM event ORDER BY happened DESC LIMIT 1)",
			"UPDATE event SET number = number + 1000 WHERE id = (SELECT id FROM event ORDER BY happened LIMIT 1)",
			"UPDATE record SET quantity = quantity + 1 WHERE id = (SELECT id FROM record ORDER BY hour, id LIMIT 1)",
			"UPDATE record SET kind = 300 WHERE id = (SELECT id FROM record ORDER BY hour, id LIMIT 1)",
			"UPDATE trail_digest SET body = substr(body, 1, 40) WHERE number = 1",
			"UPDATE chain SET floor_hash = '' WHERE id = (SELECT id FROM chain LIMIT 1)",
		} {
			e := inDatabase(c)
			s := e.rewrite(t, append(slices.Clone(items), store.Item{Record: &metering.Record{ID: metering.ID{1}, Key: metering.Key{Kind: 1, Account: "1", Hour: 1 << 30}, Received: noon()}}))
			if execute(t, *e.at, sql) != 1 {
				t.Fatalf("%s: changes nothing", sql)
			}
			r := verify(t, s)
			if found := kinds(r); !slices.Contains(found, audit.Damaged) || !slices.Contains(found, audit.RecordWithoutEvent) {
				t.Errorf("%d %s: found %.500s", i, sql, fmt.Sprintf("%+v", r.Findings))
			}
		}
	})
}

// TestUnlisted: an event that one of the lists has lost is found.
func TestUnlisted(t *testing.T) {
	w := lived(t, inMemory())
	for _, hide := range []store.EventQuery{{}, {Account: seller, Operation: metering.BatchMeterUsage}} {
		r, err := audit.Verify(t.Context(), hiding{w.s, hide}, nil)
		if err != nil || !slices.Equal(kinds(r), []audit.Kind{audit.EventUnlisted}) {
			t.Errorf("%+v: found %+v, error %v", hide, r.Findings, err)
		}
	}
}

// TestNoNumber: an event of a number that none has, below 1, is told as one that was
// put in, also where a floor below it makes room.
func TestNoNumber(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		w := newWorld(t, e)
		w.calls(6)
		items := w.items()
		planted := *items[slices.IndexFunc(items, func(i store.Item) bool { return i.Event != nil })].Event
		planted.ID, planted.Number = w.ids.New(), -5
		for _, floor := range []int64{0, -10} {
			x := tampering{fmt.Sprintf("after %d", floor), func(items []store.Item) []store.Item {
				return append(items, store.Item{Event: &planted}, store.Item{Floor: &store.CarriedFloor{Chain: planted.Chain, Place: store.Place{Number: floor}}})
			}, audit.EventInserted}
			x.try(t, e, items)
		}
	})
}
