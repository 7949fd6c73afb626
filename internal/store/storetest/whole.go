package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// event is what a call with this outcome leaves.
func (k *court) event(c store.Call, out store.Outcome) *store.Event {
	ev := &store.Event{ID: k.ids.next(), Time: c.At, Account: c.Account, Operation: metering.BatchMeterUsage, RequestID: metering.ID{1}, Region: c.Region}
	ev.Caller.KeyID = "AKIA"
	for i, holder := range out.Holders {
		ev.Records = append(ev.Records, store.EventRecord{ID: holder.ID, Timestamp: c.Records[i].Timestamp, Quantity: c.Records[i].Quantity, LicenseARN: holder.Key.Party})
	}
	return ev
}

// allOrNothing: 4. A call whose event, token or last record cannot be written
// leaves no trace of itself; its neighbours in the same commit are unharmed.
func allOrNothing(k *court) {
	// spoilers are ways in which a call cannot be written.
	spoilers := map[string]func(c *store.Call, rest *store.Rest) error{
		"After says no": func(*store.Call, *store.Rest) error { return errOnPurpose },
		"the event is another account's": func(_ *store.Call, rest *store.Rest) error {
			rest.Event.Account = seller2
			return nil
		},
		"the event cannot be kept": func(_ *store.Call, rest *store.Rest) error {
			rest.Event.UserAgent = "a\x00b"
			return nil
		},
		"the refusal is another account's": func(_ *store.Call, rest *store.Rest) error {
			rest.Refusals = append(rest.Refusals, store.Refusal{ID: k.ids.next(), Time: noon(), Seller: seller2, Account: seller2})
			return nil
		},
		"the refusal's seller cannot be kept": func(_ *store.Call, rest *store.Rest) error {
			rest.Refusals = append(rest.Refusals, store.Refusal{ID: k.ids.next(), Time: noon(), Seller: "a\x00b", Account: seller})
			return nil
		},
		"the refusal cannot be kept": func(_ *store.Call, rest *store.Rest) error {
			rest.Refusals = append(rest.Refusals, store.Refusal{ID: k.ids.next(), Time: noon(), Seller: seller2, Account: seller, Detail: "a\x00b"})
			return nil
		},
		"the redemption cannot be kept": func(c *store.Call, _ *store.Rest) error {
			c.Redemption.KeyID = "a\x00b"
			return nil
		},
		"there is no token to bind": func(c *store.Call, rest *store.Rest) error {
			c.Token, rest.Bind = nil, &rest.Event.ID
			return nil
		},
		"After panics": func(*store.Call, *store.Rest) error { panic("on purpose") },
		"the last record cannot be kept": func(c *store.Call, _ *store.Rest) error {
			c.Records[len(c.Records)-1].Key.Dimension = "a\x00b"
			return nil
		},
		"the last record is another account's": func(c *store.Call, _ *store.Rest) error {
			c.Records[len(c.Records)-1].Key.Account = seller2
			return nil
		},
		"the token cannot be kept": func(c *store.Call, _ *store.Rest) error {
			c.Token.Value = "a\x00b"
			return nil
		},
		"the admission is another account's": func(c *store.Call, _ *store.Rest) error {
			c.Admission.Account = seller2
			return nil
		},
	}
	release := func() {}
	if k.subject.HoldSyncs != nil { // while a sync is held up, calls gather
		release = k.hold()
	}
	k.spoil(spoilers, release)
}

func (k *court) spoil(spoilers map[string]func(*store.Call, *store.Rest) error, release func()) {
	const rounds = 4
	type mark struct {
		admission    store.Admission
		registration metering.ID
		redemption   [32]byte
	}
	var (
		wg          sync.WaitGroup
		want        []metering.Record
		whole, none []mark
		hour        int
	)
	for name, spoil := range spoilers {
		for range rounds {
			// Both calls claim one key: if the spoiled one comes first, the other
			// must find the key free.
			claimed, other := k.record(hour, 1), k.record(hour+1, 2)
			for _, spoiled := range []bool{true, false} {
				records := []metering.Record{claimed, other}
				if !spoiled {
					records[0].ID, records[1].ID = k.ids.next(), k.ids.next()
					want = append(want, records...)
				}
				n := fmt.Sprint(name, hour, spoiled)
				c := call(records...)
				c.Token = &store.Token{Value: n, Hash: [32]byte{1}}
				c.Admission = &store.Admission{Account: seller, Workload: n, Product: product}
				c.Registration = &store.RegistrationChange{Begin: &metering.Registration{ID: k.ids.next(), Product: product, Account: seller, Workload: n, Started: noon(), LastSeen: noon()}}
				c.Redemption = &store.Redemption{Token: sha256.Sum256([]byte(n)), KeyID: "AKIA"}
				m := mark{*c.Admission, c.Registration.Begin.ID, c.Redemption.Token}
				if spoiled {
					none = append(none, m)
				} else {
					whole = append(whole, m)
				}
				wg.Go(func() { k.spoilOne(name, c, spoiled, spoil) })
			}
			hour += 2
		}
	}
	time.Sleep(20 * time.Millisecond) // for the calls to gather; the case holds without
	release()
	wg.Wait()
	k.survivals(func(when string) {
		k.holds(when, want...)
		k.equal(when+": events", len(k.events(store.EventQuery{Account: seller})), len(whole))
		k.equal(when+": another's events", len(k.events(store.EventQuery{Account: seller2})), 0)
		k.equal(when+": refusals", len(k.refusals(store.RefusalQuery{Seller: seller2})), 0)
		for i, marks := range [][]mark{none, whole} {
			for _, m := range marks {
				admitted, err := k.store.Admitted(k.Context(), m.admission)
				_, registered, err2 := k.store.Registration(k.Context(), m.registration)
				_, redeemed, err3 := k.store.Redeemed(k.Context(), m.redemption)
				if err := errors.Join(err, err2, err3); err != nil || admitted != (i == 1) || registered != (i == 1) || redeemed != (i == 1) {
					k.Fatalf("%s: %q: admitted %t, registered %t, redeemed %t, error %v; want %t", when, m.admission.Workload, admitted, registered, redeemed, err, i == 1)
				}
			}
		}
		for _, m := range none { // nor is the token bound
			c := call()
			c.Token = &store.Token{Value: m.admission.Workload, Hash: [32]byte{2}}
			if out := k.append(c); out.Answer != nil {
				k.Fatalf("%s: %q: the token is bound", when, m.admission.Workload)
			}
		}
	})
}

// spoilOne sends a call, spoiled or not. It runs beside others.
func (k *court) spoilOne(name string, c store.Call, spoiled bool, spoil func(*store.Call, *store.Rest) error) {
	if spoiled {
		dry := store.Rest{Event: &store.Event{}}
		func() {
			defer func() { _ = recover() }()
			_ = spoil(&c, &dry) // what it does to the call
		}()
	}
	bind := k.ids.next()
	sent := c
	c.After = func(out store.Outcome) (store.Rest, error) {
		rest := store.Rest{Event: k.event(sent, out), Bind: &bind}
		rest.Refusals = []store.Refusal{{ID: k.ids.next(), Time: noon(), Seller: seller, Account: seller, Reason: string(metering.DuplicateRecord)}}
		if !spoiled {
			return rest, nil
		}
		return rest, spoil(&sent, &rest)
	}
	_, err := k.store.Append(k.Context(), c)
	switch {
	case !spoiled && err != nil:
		k.Errorf("beside a call where %s: %v", name, err)
	case spoiled && err == nil:
		k.Errorf("%s: Append succeeded", name)
	case spoiled && errors.Is(err, store.ErrUnknown):
		k.Errorf("%s: the error is not definite: %v", name, err)
	}
}

// eventAndRefusals: 9. The event and the refusals are there if and only if the
// call is; they name the outcome the caller was told.
func eventAndRefusals(k *court) {
	const callers = 60
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		told = make(map[metering.ID][]metering.ID) // event: what its caller was told
		want []store.Refusal
	)
	for i := range callers {
		r, own := k.record(i%5, int32(i)), k.record(100+i, 1)
		event := k.ids.next()
		wg.Go(func() {
			c := call(r, own)
			var refused []store.Refusal
			c.After = func(out store.Outcome) (store.Rest, error) {
				rest := store.Rest{Event: k.event(c, out)}
				rest.Event.ID = event
				if h := out.Holders[0]; h.ID != r.ID {
					rest.Refusals = []store.Refusal{{
						ID: k.ids.next(), Time: c.At, Seller: seller, Account: seller, RequestID: "req", Reason: string(metering.DuplicateRecord),
						Record: &store.RefusedRecord{Key: r.Key, Timestamp: r.Timestamp, Quantity: r.Quantity, Held: &store.Held{ID: h.ID, Quantity: h.Quantity}},
					}}
				}
				refused = rest.Refusals
				if i%4 == 0 {
					return rest, errOnPurpose
				}
				return rest, nil
			}
			out, err := k.store.Append(k.Context(), c)
			if i%4 == 0 {
				if !errors.Is(err, errOnPurpose) {
					k.Errorf("After's error: got %v", err)
				}
				return
			}
			if err != nil {
				k.Errorf("Append: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			told[event] = []metering.ID{out.Holders[0].ID, out.Holders[1].ID}
			want = append(want, refused...)
		})
	}
	wg.Wait()
	k.survivals(func(when string) {
		got := make(map[metering.ID][]metering.ID)
		for _, ev := range k.events(store.EventQuery{Account: seller}) {
			for _, r := range ev.Records {
				got[ev.ID] = append(got[ev.ID], r.ID)
			}
		}
		k.equal(when+": what the events say", got, told)
		k.equal(when+": refusals", refusalsByID(k.refusals(store.RefusalQuery{Seller: seller})), refusalsByID(want))
		for _, r := range k.all() { // whose call failed is not there
			if hour := int(r.Key.Hour - metering.HourOf(noon())); hour >= 100 && (hour-100)%4 == 0 {
				k.Fatalf("%s: a record of a dropped call is there", when)
			}
		}
	})
}

func refusalsByID(all []store.Refusal) map[metering.ID]store.Refusal {
	m := make(map[metering.ID]store.Refusal, len(all))
	for _, r := range all {
		m[r.ID] = r
	}
	return m
}
