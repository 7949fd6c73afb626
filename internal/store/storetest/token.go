package storetest

import (
	"errors"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// metered is a call of MeterUsage with a ClientToken: it binds the token to its
// record's holder.
func (k *court) metered(value string, hash byte, hour int) store.Call {
	r := k.record(hour, 1)
	c := call(r)
	c.Token = &store.Token{Value: value, Hash: [32]byte{31: hash}}
	c.After = func(out store.Outcome) (store.Rest, error) {
		ev := k.event(c, out)
		if out.Answer != nil {
			ev.Records = []store.EventRecord{{ID: *out.Answer}}
			return store.Rest{Event: ev}, nil
		}
		return store.Rest{Event: ev, Bind: &out.Holders[0].ID}, nil
	}
	return c
}

// token: 8. Unused: bound. Same token, same hash: the stored answer, no new
// record. Same token, other hash: conflict, nothing written. Only a success
// binds. Kept 24 h at least.
func token(k *court) {
	first := k.metered("t", 1, 0)
	id := first.Records[0].ID
	out := k.append(first)
	k.equal("the first call's holder", holders(out), first.Records)
	k.equal("the first call's answer", out.Answer, (*metering.ID)(nil))

	events, want := 1, []metering.Record{first.Records[0]}
	for i, later := range []time.Duration{0, time.Minute, 12 * time.Hour, 24 * time.Hour, -time.Hour} {
		k.survivals(func(when string) {
			same := k.metered("t", 1, 20+i) // a free key: it must stay free
			same.At = noon().Add(later)
			out := k.append(same)
			events++
			if out.Answer == nil || *out.Answer != id || len(out.Holders) != 0 {
				k.Fatalf("%s, %v later: the same token: answer %v, %d holders; want %v and none", when, later, out.Answer, len(out.Holders), id)
			}
			other := k.metered("t", 2, 20+i)
			other.At = noon().Add(later)
			other.Admission = &store.Admission{Account: seller, Workload: "w", Product: product}
			if _, err := k.store.Append(k.Context(), other); !errors.Is(err, metering.ErrIdempotencyConflict) || errors.Is(err, store.ErrUnknown) {
				k.Fatalf("%s, %v later: the token with another hash: got %v, want a conflict", when, later, err)
			}
			k.holds(when, want...)
			k.equal(when+": events", len(k.events(store.EventQuery{Account: seller})), events)
			if admitted, err := k.store.Admitted(k.Context(), *other.Admission); err != nil || admitted {
				k.Fatalf("%s: a conflict left its admission (error %v)", when, err)
			}
		})
	}

	// A token is unique by account, region and value, all three and no more.
	for i, change := range []func(c *store.Call){
		func(c *store.Call) { c.Region = "eu-west-1" },
		func(c *store.Call) { c.Account = seller2; c.Records[0].Key.Account = seller2 },
		func(c *store.Call) { c.Token.Value = "T" },
	} {
		c := k.metered("t", 2, 40+i)
		change(&c)
		c.After = nil
		if out := k.append(c); out.Answer != nil {
			k.Fatalf("token %d is not the first one and was answered as it", i)
		}
		want = append(want, c.Records[0])
	}
	c := k.metered("t", 1, 60) // of another product: the same token still
	c.Records[0].Key.Product = product2
	if out := k.append(c); out.Answer == nil || *out.Answer != id {
		k.Fatalf("the same token for another product: answer %v, want %v", out.Answer, id)
	}

	// Only a success binds: not a call that bound nothing, not one that failed.
	unbound := k.metered("u", 1, 70)
	unbound.After = nil
	k.append(unbound)
	want = append(want, unbound.Records[0])
	failed := k.metered("u", 2, 71)
	after := failed.After
	failed.After = func(out store.Outcome) (store.Rest, error) {
		rest, _ := after(out)
		return rest, errOnPurpose
	}
	if _, err := k.store.Append(k.Context(), failed); !errors.Is(err, errOnPurpose) {
		k.Fatalf("After's error: got %v", err)
	}
	bound := k.metered("u", 3, 72)
	if out := k.append(bound); out.Answer != nil {
		k.Fatalf("a token that nothing was bound to has an answer")
	}
	want = append(want, bound.Records[0])
	k.survivals(func(when string) { k.holds(when, want...) })

	k.tokenRace(want)
}

// tokenRace: many callers with one token, each with a record whose key is free.
func (k *court) tokenRace(want []metering.Record) {
	const callers = 30
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		told = make(map[metering.ID]int)
		won  []metering.Record
	)
	for i := range callers {
		c := k.metered("race", 1, 200+i)
		wg.Go(func() {
			out, err := k.store.Append(k.Context(), c)
			if err != nil {
				k.Errorf("Append: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if out.Answer != nil {
				told[*out.Answer]++
				return
			}
			told[out.Holders[0].ID]++
			won = append(won, *out.Holders[0])
		})
	}
	wg.Wait()
	if len(told) != 1 || len(won) != 1 {
		k.Fatalf("%d callers with one token: %d answers, %d records; want one of each", callers, len(told), len(won))
	}
	k.survivals(func(when string) { k.holds(when, append(want, won...)...) })
}
