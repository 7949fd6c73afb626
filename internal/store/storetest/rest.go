package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// admissions: a workload is admitted for a product once, and stays.
func admissions(k *court) {
	a := store.Admission{Account: buyer, Workload: "i-1", Product: product}
	is := func(when string, a store.Admission, want bool) {
		k.Helper()
		got, err := k.store.Admitted(k.Context(), a)
		if err != nil || got != want {
			k.Fatalf("%s: %+v admitted: got %t, error %v, want %t", when, a, got, err, want)
		}
	}
	is("before", a, false)
	for range 2 { // again is no error
		k.append(store.Call{Account: buyer, Region: region, At: noon(), Admission: &a})
	}
	k.survivals(func(when string) {
		is(when, a, true)
		is(when, store.Admission{Account: seller, Workload: "i-1", Product: product}, false)
		is(when, store.Admission{Account: buyer, Workload: "i-", Product: "1" + product}, false)
		is(when, store.Admission{Account: buyer, Workload: "i-1", Product: product2}, false)
	})
}

// change is a call that changes registrations at some time after noon.
func change(after time.Duration, c store.RegistrationChange) store.Call {
	return store.Call{Account: buyer, Region: region, At: noon().Add(after), Registration: &c}
}

// registration is one that begins some time after noon.
func (k *court) registration(after time.Duration, p metering.ProductCode, workload string, heartbeat time.Duration) *metering.Registration {
	t := noon().Add(after)
	return &metering.Registration{
		ID: k.ids.next(), Product: p, Account: buyer, Workload: workload, Platform: metering.PlatformECS, Region: region,
		Heartbeat: heartbeat, Started: t, LastSeen: t,
	}
}

// registrations: Begin registers; again while it runs is the same registration;
// after a missed heartbeat it is a new one and the old one's stop is written.
// Seen never revives. Stop stops, for its account alone.
func registrations(k *court) {
	const beat = 10 * time.Minute
	var want []metering.Registration // of product, in order
	state := func(when string) {
		k.Helper()
		got := pages(k, func(cursor string) (store.Page[metering.Registration], error) {
			return k.store.Registrations(k.Context(), store.RegistrationQuery{Product: product, Limit: 2, Cursor: cursor})
		})
		k.equal(when+": registrations", got, want)
		for _, r := range want {
			got, ok, err := k.store.Registration(k.Context(), r.ID)
			if err != nil || !ok {
				k.Fatalf("%s: registration by id: found %t, error %v", when, ok, err)
			}
			k.equal(when+": registration by id", got, r)
		}
	}
	begin := func(after time.Duration, r *metering.Registration) metering.Registration {
		k.Helper()
		out := k.append(change(after, store.RegistrationChange{Begin: r}))
		if out.Registration == nil {
			k.Fatalf("Begin left no registration")
		}
		return *out.Registration
	}

	first := k.registration(0, product, "task-1", beat)
	k.equal("begun", begin(0, first), *first)
	want = append(want, *first)
	state("begun")

	// Again while it runs, up to the very last instant of the heartbeat.
	again := begin(beat, k.registration(beat, product, "task-1", beat))
	want[0].LastSeen = noon().Add(beat)
	k.equal("begun again", again, want[0])
	k.survivals(state)

	// An older call does not turn the clock back.
	k.append(change(time.Minute, store.RegistrationChange{Seen: &store.Alive{Account: buyer, Workload: "task-1"}}))
	state("seen out of order")

	// A sign of life is for all the workload's registrations, and for no other's.
	other := k.registration(beat, product2, "task-1", beat)
	begin(beat, other)
	neighbour := k.registration(beat, product, "task-11", 0)
	begin(beat, neighbour)
	want = append(want, *neighbour)
	k.append(change(2*beat, store.RegistrationChange{Seen: &store.Alive{Account: buyer, Workload: "task-1"}}))
	want[0].LastSeen = noon().Add(2 * beat)
	k.survivals(state)
	if got, _, err := k.store.Registration(k.Context(), other.ID); err != nil || !got.LastSeen.Equal(want[0].LastSeen) {
		k.Fatalf("a sign of life did not reach the other product's registration: %+v, error %v", got, err)
	}

	// So is the beginning of another one.
	begin(5*beat/2, k.registration(5*beat/2, product2, "task-1", beat))
	want[0].LastSeen = noon().Add(5 * beat / 2)
	state("seen as another begins")

	// After a missed heartbeat a sign of life revives nothing.
	late := 7*beat/2 + time.Nanosecond
	k.append(change(late, store.RegistrationChange{Seen: &store.Alive{Account: buyer, Workload: "task-1"}}))
	state("seen too late")

	// And Begin begins anew, and writes down when the old one stopped.
	second := k.registration(late, product, "task-1", beat)
	k.equal("begun anew", begin(late, second), *second)
	want[0].Stopped = noon().Add(5 * beat / 2)
	want = append(want, *second)
	k.survivals(state)

	// Stop: not by another account, not what never was; then for good.
	strange := change(late, store.RegistrationChange{Stop: &second.ID})
	strange.Account = seller
	if out := k.append(strange); out.Registration != nil {
		k.Fatalf("another account's stop left %+v", out.Registration)
	}
	never := k.ids.next()
	if out := k.append(change(late, store.RegistrationChange{Stop: &never})); out.Registration != nil {
		k.Fatalf("the stop of what never was left %+v", out.Registration)
	}
	state("stopped by strangers")
	for i := range 2 {
		out := k.append(change(late+time.Minute+time.Duration(i)*time.Second, store.RegistrationChange{Stop: &second.ID}))
		want[2].Stopped = noon().Add(late + time.Minute)
		if out.Registration == nil {
			k.Fatalf("Stop left no registration")
		}
		k.equal("stopped", *out.Registration, want[2])
	}
	k.append(change(late+2*time.Minute, store.RegistrationChange{Seen: &store.Alive{Account: buyer, Workload: "task-1"}}))
	k.survivals(state)
	third := k.registration(late+3*time.Minute, product, "task-1", 0)
	begin(late+3*time.Minute, third)
	want = append(want, *third)
	k.survivals(state)

	k.badRegistrations(third)
	state("after what was refused")
}

// badRegistrations are refused whole.
func (k *court) badRegistrations(taken *metering.Registration) {
	foreign := k.registration(0, product, "task-2", 0)
	foreign.Account = seller
	twice := k.registration(0, product, "task-3", 0)
	twice.ID = taken.ID
	for what, c := range map[string]store.RegistrationChange{
		"nothing":                        {},
		"two things":                     {Begin: k.registration(0, product, "t", 0), Stop: &taken.ID},
		"another account's registration": {Begin: foreign},
		"an id that is taken":            {Begin: twice},
		"another account's life":         {Seen: &store.Alive{Account: seller, Workload: "task-1"}},
	} {
		if _, err := k.store.Append(k.Context(), change(0, c)); err == nil {
			k.Errorf("a change of registrations with %s was accepted", what)
		}
	}
}

// catalogue: entries are put whole or not at all, seen by the very next lookup,
// and leave what they were in the history.
func catalogue(k *court) {
	put := func(by string, entries ...store.Entry) int64 {
		k.Helper()
		n, err := k.store.Put(k.Context(), store.Change{By: by, At: noon(), Entries: entries})
		if err != nil {
			k.Fatalf("Put: %v", err)
		}
		if got := k.store.Catalog().Revision(); got != n {
			k.Fatalf("the catalogue's revision after Put: got %d, want %d", got, n)
		}
		return n
	}
	p := &store.Product{Code: product, Title: "one", Seller: seller, Dimensions: []metering.Dimension{{Name: "gb"}}}
	c := &store.Credential{KeyID: "AKIA1", Secret: "s3cret", Account: seller}
	a := &store.Agreement{ID: "agmt-1", Product: product, Buyer: buyer, LicenseARN: "arn:l-1", Customer: "cust", Status: metering.AgreementActive, Start: noon()}
	key := &store.SigningKey{Product: product, Version: 1, Private: []byte{1, 0, 2}, Created: noon()}
	tok := &store.RegistrationToken{Hash: [32]byte{7}, Agreement: a.ID, Issued: noon()}

	k.equal("the first revision", put("anna", p), int64(1))
	k.equal("three more", put("anna", c, a, key), int64(4))
	k.equal("equal ones change nothing", put("bert", p, c), int64(4))
	p2 := &store.Product{Code: product, Title: "two", Seller: seller}
	k.equal("one that differs among equal ones", put("bert", c, p2, key), int64(5))
	k.equal("twice in one change", put("cleo", tok, p, p2), int64(8))
	for _, bad := range [][]store.Entry{{&store.Account{ID: seller}, nil}, {&store.Account{ID: seller}, &store.Workload{ID: "a\x00b"}}} {
		if _, err := k.store.Put(k.Context(), store.Change{By: "dora", At: noon(), Entries: bad}); err == nil {
			k.Errorf("an entry that cannot be kept was put")
		}
	}
	p2.Title = "changed by whoever put it"

	k.survivals(func(when string) {
		cat := k.store.Catalog()
		k.equal(when+": revision", cat.Revision(), int64(8))
		if got := cat.Product(product); got == nil || got.Title != "two" {
			k.Fatalf("%s: product: got %+v", when, got)
		}
		if got := cat.Credential("AKIA1"); got == nil || *got != *c {
			k.Fatalf("%s: credential: got %+v with a secret of %d bytes", when, got, len(string(got.Secret)))
		}
		if cat.License("arn:l-1") == nil || cat.Token(tok.Hash) == nil || len(cat.Agreements(product, buyer)) != 1 {
			k.Fatalf("%s: agreement or token cannot be looked up", when)
		}
		if got := cat.SigningKeys(product); len(got) != 1 || !slices.Equal(got[0].Private, key.Private) {
			k.Fatalf("%s: signing keys: got %d", when, len(got))
		}
		if cat.Account(seller) != nil {
			k.Fatalf("%s: half of a refused change is there", when)
		}
		var got []string
		history, err := k.store.History(k.Context(), p.Ref())
		if err != nil {
			k.Fatal(err)
		}
		for _, r := range history {
			got = append(got, fmt.Sprintf("%d %s %s %s", r.Number, r.By, r.At.Format(time.RFC3339), r.Entry.(*store.Product).Title))
		}
		const at = "2026-03-14T12:00:00Z"
		k.equal(when+": history", got, []string{"1 anna " + at + " one", "5 bert " + at + " two", "7 cleo " + at + " one", "8 cleo " + at + " two"})
		none, err := k.store.History(k.Context(), store.Ref{Kind: store.KindProduct, Name: "pro"})
		if err != nil || len(none) != 0 {
			k.Fatalf("%s: the history of what never was: %d revisions, error %v", when, len(none), err)
		}
	})
	k.equal("after all that", put("emil", &store.Account{ID: seller}), int64(9))

	k.need(CanHoldSyncs) // a lookup is not shown what a crash could take back
	release := k.hold()
	done := make(chan error, 1)
	s := k.store
	go func() {
		_, err := s.Put(k.background(), store.Change{By: "emil", At: noon(), Entries: []store.Entry{&store.Account{ID: buyer}}})
		done <- err
	}()
	time.Sleep(patience)
	if k.store.Catalog().Account(buyer) != nil || k.store.Catalog().Revision() != 9 {
		k.Errorf("a change was seen before its sync")
	}
	release()
	if err := <-done; err != nil || k.store.Catalog().Account(buyer) == nil {
		k.Errorf("after the sync: error %v, account found %t", err, k.store.Catalog().Account(buyer) != nil)
	}
}

// lists: events by account, operation and time; refusals by seller and time;
// oldest first, each once, to their own account alone.
func lists(k *court) {
	operations := []metering.Operation{metering.MeterUsage, metering.BatchMeterUsage, metering.ResolveCustomer}
	var events []store.Event
	var refusals []store.Refusal
	for i := range 40 {
		for _, account := range []metering.AccountID{seller, seller2} {
			ev := store.Event{
				ID: k.ids.next(), Time: noon().Add(time.Duration(i/2) * time.Second), Account: account, Operation: operations[i%3],
				RequestID: k.ids.next(), Region: region, Records: []store.EventRecord{{ID: k.ids.next()}}[:i%2],
			}
			if len(ev.Records) == 0 {
				ev.Records = nil
			}
			r := store.Refusal{
				ID: ev.ID, Time: ev.Time, Seller: account, Account: account, KeyID: "AKIA", Region: region, Operation: operations[i%3],
				RequestID: ev.RequestID.String(), Product: products[i%3], Reason: "ThrottlingException", Detail: "Rate exceeded",
			}
			if i%4 != 0 { // a record, and not the whole call
				r.Reason, r.Detail = string(metering.CustomerNotSubscribed), ""
				r.Record = &store.RefusedRecord{Key: k.record(-i, 0).Key, Timestamp: noon().Add(-time.Duration(i)), Quantity: int32(-i)}
			}
			if i%4 == 3 {
				r.Record.Held = &store.Held{ID: k.ids.next(), Quantity: int32(i)}
			}
			if i%5 == 0 { // about a product of another's
				r.Seller = seller2
			}
			c := store.Call{Account: account, Region: region, At: ev.Time}
			c.After = func(store.Outcome) (store.Rest, error) {
				return store.Rest{Event: &ev, Refusals: []store.Refusal{r}}, nil
			}
			k.append(c)
			ev.Link = store.Link{}
			events, refusals = append(events, ev), append(refusals, r)
		}
	}
	within := func(t, from, to time.Time) bool {
		return (from.IsZero() || !t.Before(from)) && (to.IsZero() || t.Before(to))
	}
	k.survivals(func(when string) {
		for _, span := range [][2]time.Time{{}, {noon().Add(5 * time.Second), noon().Add(9 * time.Second)}, {noon().Add(7 * time.Second), {}}, {{}, noon().Add(7 * time.Second)}, {noon(), noon()}, {noon().Add(time.Hour), noon()}} {
			for _, op := range append([]metering.Operation{"", "Meter"}, operations...) {
				var want []store.Event
				for _, ev := range events {
					if ev.Account == seller && (op == "" || ev.Operation == op) && within(ev.Time, span[0], span[1]) {
						want = append(want, ev)
					}
				}
				for _, limit := range []int{0, 1, 3} {
					q := store.EventQuery{Account: seller, Operation: op, From: span[0], To: span[1], Limit: limit}
					k.equal(fmt.Sprintf("%s: events %+v", when, q), k.events(q), want)
					q.Newest = true
					turned := slices.Clone(want)
					slices.Reverse(turned)
					k.equal(fmt.Sprintf("%s: events %+v", when, q), k.events(q), turned)
				}
			}
			var want []store.Refusal
			for _, r := range refusals {
				if r.Seller == seller && within(r.Time, span[0], span[1]) {
					want = append(want, r)
				}
			}
			for _, limit := range []int{0, 3} {
				q := store.RefusalQuery{Seller: seller, From: span[0], To: span[1], Limit: limit}
				k.equal(fmt.Sprintf("%s: refusals %+v", when, q), k.refusals(q), want)
			}
		}
	})
}
