package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// carried: 26. What a store exports another one takes, part by part, however the
// parts are cut, repeated and interrupted: it then answers every question as the
// first one does, and goes on from there.
func carried(k *court) {
	w := k.furnish()
	want := k.readings(w)
	items := k.exported()
	k.exportsInOrder(items)
	k.equal("Importing of a store that nothing was imported to", k.importing(), "")
	if err := k.store.Import(k.Context(), items[:1], "x"); !errors.Is(err, store.ErrNotEmpty) || errors.Is(err, store.ErrUnknown) {
		k.Errorf("an import to a store that holds something: got %v, want a definite %v", err, store.ErrNotEmpty)
	}

	to := &court{T: k.T, subject: k.another(), another: k.another}
	to.open()
	k.Cleanup(to.close)
	to.refusesBrokenParts(items)
	to.imports(items)
	to.survivals(func(when string) {
		got := to.readings(w)
		for what, want := range want {
			k.equal(when+": "+what, got[what], want)
		}
	})
	k.equal("what was imported, exported again", sorted(to.exported()), sorted(items))
	if err := to.store.Import(k.Context(), items[:1], "x"); !errors.Is(err, store.ErrNotEmpty) {
		k.Errorf("an import to a store that was imported to: got %v, want %v", err, store.ErrNotEmpty)
	}
	to.ids.n.Store(1 << 20) // another's ids are not its own
	to.goesOn(w)
	to.books()
	k.importDurably(items)
}

// exported is what the store exports, read in one go and with a break after each
// page.
func (k *court) exported() []store.Item {
	k.Helper()
	read := func(cursor string) (store.Page[store.Item], error) { return k.store.Export(k.Context(), cursor) }
	items := pages(k, read)
	k.equal("an export that was interrupted after each page", pages(k, func(cursor string) (store.Page[store.Item], error) {
		k.reopen()
		return read(cursor)
	}), items)
	records, err := k.store.Records(k.Context(), store.RecordQuery{From: firstHour, To: lastHour, Limit: 1})
	if err != nil {
		k.Fatal(err)
	}
	for _, bad := range []string{"nonsense", "r", records.Next, "r" + records.Next} {
		if p, err := k.store.Export(k.Context(), bad); err != nil && !errors.Is(err, store.ErrCursor) {
			k.Errorf("an export from %q: got %v, want %v", bad, err, store.ErrCursor)
		} else if err == nil && len(p.Items) > 0 && bad != "r" { // a store may have cursors as short
			k.Errorf("an export from %q was answered", bad)
		}
	}
	return items
}

// exportsInOrder: the catalogue comes first, and an entry's revisions in order. Of
// a workload's registrations of a product one is the last.
func (k *court) exportsInOrder(items []store.Item) {
	k.Helper()
	type workload struct {
		name    string
		product metering.ProductCode
	}
	lasts := make(map[workload]time.Time)
	last := make(map[store.Ref]int64)
	catalogue := true
	for i := range items {
		if err := items[i].Check(); err != nil {
			k.Errorf("an item that no store can keep was exported: %v", err)
		}
		if r := items[i].Registration; r != nil && r.Last {
			w := workload{r.Workload, r.Product}
			if !lasts[w].IsZero() {
				k.Errorf("two registrations of %v are its last", w)
			}
			lasts[w] = r.Started
		}
		r := items[i].Revision
		if r == nil {
			catalogue = false
			continue
		}
		if !catalogue {
			k.Errorf("revision %d of %v comes after what is no revision", r.Number, r.Ref)
		}
		if r.Number <= last[r.Ref] {
			k.Errorf("revision %d of %v comes after its revision %d", r.Number, r.Ref, last[r.Ref])
		}
		last[r.Ref] = r.Number
	}
	k.equal("when the last registrations began", lasts, map[workload]time.Time{
		{"task-1", product}: noon().Add(time.Hour + 1), {"task-1", product2}: noon().Add(time.Hour),
		{"task-2", product}: noon().Add(time.Second), {"task-3", product}: noon().Add(2 * time.Second),
	})
}

func (k *court) importing() string {
	k.Helper()
	at, err := k.store.Importing(k.Context())
	if err != nil {
		k.Fatalf("Importing: %v", err)
	}
	return at
}

// refusesBrokenParts: a part that cannot be kept leaves no trace.
func (k *court) refusesBrokenParts(items []store.Item) {
	text := store.Admission{Account: seller, Workload: "a\x00b", Product: product}
	broken := map[string]store.Item{
		"nothing":       {},
		"two things":    {Admission: &store.Admission{Account: seller}, Record: items[len(items)-1].Record, Event: new(store.Event)},
		"U+0000":        {Admission: &text},
		"no kind":       {Revision: &store.CarriedRevision{Ref: store.Ref{Kind: "toaster", Name: "t"}, Revision: store.Revision{Number: 1, At: noon()}}},
		"no number":     {Revision: &store.CarriedRevision{Ref: store.Ref{Kind: store.KindAccount, Name: "1"}, Revision: store.Revision{At: noon()}}},
		"another entry": {Revision: &store.CarriedRevision{Ref: store.Ref{Kind: store.KindAccount, Name: "1"}, Revision: store.Revision{Number: 1, At: noon(), Entry: &store.Account{ID: "2"}}}},
	}
	for what, bad := range broken {
		part := append(slices.Clone(items[:3]), bad)
		if err := k.store.Import(k.Context(), part, "x"); err == nil || errors.Is(err, store.ErrUnknown) {
			k.Errorf("a part with %s: got %v, want a definite error", what, err)
		}
	}
	k.survivals(func(when string) {
		k.equal(when+": Importing after parts that were refused", k.importing(), "")
		k.equal(when+": what is there of them", len(pages(k, func(cursor string) (store.Page[store.Item], error) {
			return k.store.Export(k.Context(), cursor)
		})), 0)
	})
}

// imports cuts the items into parts of many sizes. Now and then a part comes
// twice, or after the next ones once more, and the store is lost in between.
func (k *court) imports(items []store.Item) {
	sizes := []int{1, 3, 40, 2, 333, 17}
	var before []store.Item
	for i := 0; len(items) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(items))
		part, at := items[:n], fmt.Sprint("file/", i)
		items = items[n:]
		k.take(part, at)
		switch i % 5 {
		case 0:
			k.reopen()
		case 1:
			k.take(part, at)
		case 2:
			k.take(before, fmt.Sprint("file/", i-1))
			k.take(part, at)
		case 3:
			if k.subject.Crash != nil {
				k.crash(0, uint64(i))
			}
		}
		k.equal("where the import stands", k.importing(), at)
		before = part
	}
	k.take(nil, "all")
	k.equal("where the import stands after an empty part", k.importing(), "all")
	k.take(nil, "")
	k.equal("where an import stands that has come to its end", k.importing(), "")
	k.reopen()
}

func (k *court) take(part []store.Item, at string) {
	k.Helper()
	if err := k.store.Import(k.Context(), part, at); err != nil {
		k.Fatalf("Import: %v", err)
	}
}

// goesOn: what was carried is not only shown, it counts.
func (k *court) goesOn(w *furnished) {
	for _, c := range w.bound {
		again := c
		again.Records, again.After = nil, nil
		if out := k.append(again); out.Answer == nil || *out.Answer != c.Records[0].ID {
			k.Errorf("token %q: answer %v, want %v", c.Token.Value, out.Answer, c.Records[0].ID)
		}
		again.Token = &store.Token{Value: c.Token.Value, Hash: [32]byte{99}}
		if _, err := k.store.Append(k.Context(), again); !errors.Is(err, metering.ErrIdempotencyConflict) {
			k.Errorf("token %q with another hash: got %v, want %v", c.Token.Value, err, metering.ErrIdempotencyConflict)
		}
	}
	holder := w.bound[0].Records[0]
	taken := holder
	taken.ID, taken.Quantity = k.ids.next(), 99
	k.equal("the holder of a key that was carried", *k.append(call(taken)).Holders[0], holder)

	at := w.running.LastSeen.Add(time.Minute)
	begin := *w.running
	begin.ID, begin.Started, begin.LastSeen = k.ids.next(), at, at
	c := store.Call{Account: begin.Account, Region: region, At: at, Registration: &store.RegistrationChange{Begin: &begin}}
	seen := *w.running
	seen.LastSeen = at
	k.equal("a registration that runs, begun again", *k.append(c).Registration, seen)

	revision := k.store.Catalog().Revision()
	k.equal("the next revision", k.put(store.Change{By: "after", Entries: []store.Entry{&store.Product{Code: product, Title: "after"}}}), revision+1)
	k.equal("its history", last(k.history((&store.Product{Code: product}).Ref())), fmt.Sprint(revision+1, " after"))
	k.reopen()
	k.equal("the revision", k.store.Catalog().Revision(), revision+1)
}

func last[T any](list []T) (none T) {
	if len(list) == 0 {
		return none
	}
	return list[len(list)-1]
}

// importDurably: a part is there when Import returns, and not before its sync.
func (k *court) importDurably(items []store.Item) {
	k.need(CanHoldSyncs)
	k.need(CanFailSyncs)
	k.need(CanCrash)
	to := &court{T: k.T, subject: k.another(), another: k.another}
	to.open()
	defer to.close()
	release := to.hold()
	s, done := to.store, make(chan error, 1)
	go func() { done <- s.Import(k.background(), items[:5], "1") }()
	select {
	case err := <-done:
		k.Fatalf("Import returned before its sync: %v", err)
	case <-time.After(patience):
	}
	release()
	if err := <-done; err != nil {
		k.Fatalf("Import: %v", err)
	}
	to.subject.FailSyncs()
	if err := s.Import(k.background(), items[5:9], "2"); err == nil {
		k.Errorf("a part was taken though its sync failed")
	}
	to.crash(0, 0)
	k.equal("where the import stands after the failure", to.importing(), "1")
	to.take(items[5:9], "2")
	to.crash(0, 1)
	k.equal("where it stands after that", to.importing(), "2")
}
