package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// redemptions: 19. A redemption belongs to its call. The first time stays, the
// last moves forward only, each one counts.
func redemptions(k *court) {
	token, other := [32]byte{1, 0, 2}, [32]byte{1, 0, 3}
	redeem := func(after time.Duration, key string) store.Call {
		c := call()
		c.At, c.Redemption = noon().Add(after), &store.Redemption{Token: token, KeyID: key}
		return c
	}
	is := func(when string, token [32]byte, want *store.Redeemed) {
		k.Helper()
		got, ok, err := k.store.Redeemed(k.Context(), token)
		if err != nil || ok != (want != nil) {
			k.Fatalf("%s: redeemed: found %t, error %v, want %t", when, ok, err, want != nil)
		}
		if want != nil {
			k.equal(when+": redeemed", got, *want)
		}
	}
	is("before", token, nil)
	dropped := redeem(0, "AKIA0")
	dropped.After = func(store.Outcome) (store.Rest, error) { return store.Rest{}, errOnPurpose }
	if _, err := k.store.Append(k.Context(), dropped); !errors.Is(err, errOnPurpose) {
		k.Fatalf("After's error: got %v", err)
	}
	k.survivals(func(when string) { is(when+", a dropped call", token, nil) })

	want := store.Redeemed{Account: seller, KeyID: "AKIA1", First: noon(), Last: noon(), Count: 1}
	k.append(redeem(0, "AKIA1"))
	k.survivals(func(when string) { is(when, token, &want) })
	k.append(redeem(time.Hour, "AKIA2"))
	want.KeyID, want.Last, want.Count = "AKIA2", noon().Add(time.Hour), 2
	k.survivals(func(when string) { is(when, token, &want) })
	k.append(redeem(-time.Hour, "AKIA3"))
	want.Count = 3
	is("a call out of order", token, &want)
	foreign := redeem(2*time.Hour, "AKIA4")
	foreign.Account = seller2
	if _, err := k.store.Append(k.Context(), foreign); err == nil || errors.Is(err, store.ErrUnknown) {
		k.Errorf("another account's redemption: got %v, want a definite error", err)
	}
	is("another account's", token, &want)

	const callers = 50
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := k.store.Append(k.Context(), redeem(time.Hour, "AKIA2")); err != nil {
				k.Errorf("Append: %v", err)
			}
		})
	}
	wg.Wait()
	want.Count += callers
	k.survivals(func(when string) {
		is(when, token, &want)
		is(when+", another token", other, nil)
	})
}

// leaves is a call that leaves a refusal about a seller's product.
func (k *court) leaves(about metering.AccountID, at time.Time) (store.Call, store.Refusal) {
	r := store.Refusal{ID: k.ids.next(), Time: at, Seller: about, Account: seller, KeyID: "AKIA", Region: region, Operation: metering.BatchMeterUsage, Reason: "ThrottlingException"}
	c := call()
	c.At = at
	c.After = func(store.Outcome) (store.Rest, error) { return store.Rest{Refusals: []store.Refusal{r}}, nil }
	return c, r
}

// expiry: 20. Refusals before a time go, and ClientTokens of days before a time's
// day; nothing else does. It is durable before it returns.
func expiry(k *court) {
	sellers := []metering.AccountID{seller, seller2, "1", "111111111111111"}
	var refusals []store.Refusal
	for i := range 12 {
		for _, about := range sellers {
			c, r := k.leaves(about, noon().Add(time.Duration(i)*time.Minute+time.Duration(i%2)))
			k.append(c)
			refusals = append(refusals, r)
		}
	}
	const day = 24 * time.Hour
	midnight := noon().Truncate(day)
	var records []metering.Record
	meter := func(value string, hash byte, at time.Time) store.Outcome {
		k.Helper()
		c := k.metered(value, hash, len(records))
		c.At = at
		out := k.append(c)
		if out.Answer == nil {
			records = append(records, c.Records...)
		}
		return out
	}
	for value, at := range map[string]time.Time{"old": midnight.Add(-time.Nanosecond), "first": midnight, "last": midnight.Add(day - 1), "new": midnight.Add(day)} {
		meter(value, 1, at)
	}
	state := func(when string, from time.Time) {
		k.Helper()
		for _, about := range sellers {
			var want []store.Refusal
			for _, r := range refusals {
				if r.Seller == about && !r.Time.Before(from) {
					want = append(want, r)
				}
			}
			k.equal(fmt.Sprintf("%s: refusals of seller %s", when, about), k.refusals(store.RefusalQuery{Seller: about}), want)
		}
		k.holds(when, records...)
		k.equal(when+": events", len(k.events(store.EventQuery{Account: seller})) >= len(records), true)
	}
	expire := func(e store.Expiry) {
		k.Helper()
		if err := k.store.Expire(k.Context(), e); err != nil {
			k.Fatalf("Expire: %v", err)
		}
	}
	bound := func(when string, want map[string]bool) {
		k.Helper()
		for value, there := range want {
			c := k.metered(value, 1, 1000)
			c.At, c.After = midnight.Add(3*day), func(store.Outcome) (store.Rest, error) { return store.Rest{}, nil }
			c.Records = nil
			if out := k.append(c); (out.Answer != nil) != there {
				k.Fatalf("%s: token %q is bound: %t, want %t", when, value, out.Answer != nil, there)
			}
		}
	}

	all := map[string]bool{"old": true, "first": true, "last": true, "new": true}
	gone, cancel := context.WithCancel(k.Context())
	cancel()
	if err := k.store.Expire(gone, store.Expiry{Refusals: noon().Add(day), Tokens: noon().Add(day)}); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnknown) {
		k.Fatalf("cancelled before: got %v, want a definite %v", err, context.Canceled)
	}
	expire(store.Expiry{})
	k.survivals(func(when string) {
		state(when+", nothing expired", time.Time{})
		bound(when+", nothing expired", all)
	})
	from := noon().Add(5*time.Minute + 1) // that of a refusal, which stays
	expire(store.Expiry{Refusals: from})
	k.survivals(func(when string) {
		state(when+", refusals expired", from)
		bound(when+", refusals expired", all)
	})
	expire(store.Expiry{Tokens: noon()})
	all["old"] = false
	k.survivals(func(when string) {
		state(when+", tokens expired", from)
		bound(when+", tokens expired", all)
	})
	// A token that went is free, on the very day that went, too.
	if out := meter("old", 2, midnight.Add(-time.Hour)); out.Answer != nil {
		k.Fatalf("a token that expired has an answer")
	}
	if out := meter("old", 2, noon()); out.Answer == nil {
		k.Fatalf("a token that was bound again has no answer")
	}
	expire(store.Expiry{Refusals: from, Tokens: noon().Add(day)})
	k.survivals(func(when string) {
		state(when+", and again", from)
		bound(when+", and again", map[string]bool{"old": false, "first": false, "last": false, "new": true})
	})
	k.expireWhileAppending()
	k.expireDurably()
}

// expireWhileAppending: of what comes meanwhile, what is young enough stays.
func (k *court) expireWhileAppending() {
	limit := noon().Add(1000 * time.Hour)
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		stop   = make(chan struct{})
		want   = make(map[metering.ID]store.Refusal)
		tokens []string
	)
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				old, _ := k.leaves("5", limit.Add(-time.Duration(n)-1))
				young, r := k.leaves("5", limit.Add(time.Duration(n)))
				young.Token = &store.Token{Value: fmt.Sprint(i, "-", n), Hash: [32]byte{1}}
				young.After = func(store.Outcome) (store.Rest, error) {
					return store.Rest{Refusals: []store.Refusal{r}, Bind: &r.ID}, nil
				}
				for _, c := range []store.Call{old, young} {
					if _, err := k.store.Append(k.Context(), c); err != nil {
						k.Errorf("Append: %v", err)
						return
					}
				}
				mu.Lock()
				want[r.ID], tokens = r, append(tokens, young.Token.Value)
				mu.Unlock()
			}
		})
	}
	for range 30 {
		if err := k.store.Expire(k.Context(), store.Expiry{Refusals: limit, Tokens: limit}); err != nil {
			k.Errorf("Expire: %v", err)
		}
	}
	close(stop)
	wg.Wait()
	if err := k.store.Expire(k.Context(), store.Expiry{Refusals: limit, Tokens: limit}); err != nil {
		k.Fatalf("Expire: %v", err)
	}
	k.survivals(func(when string) {
		k.equal(when+": young refusals", refusalsByID(k.refusals(store.RefusalQuery{Seller: "5"})), want)
		for _, value := range tokens {
			c := call()
			c.Token = &store.Token{Value: value, Hash: [32]byte{1}}
			if out := k.append(c); out.Answer == nil {
				k.Fatalf("%s: a young token is gone", when)
			}
		}
	})
}

// expireDurably: Expire waits for its sync.
func (k *court) expireDurably() {
	c, r := k.leaves("6", noon())
	k.append(c)
	k.need(CanHoldSyncs)
	release := k.hold()
	done := make(chan error, 1)
	s := k.store
	go func() { done <- s.Expire(k.background(), store.Expiry{Refusals: noon().Add(1)}) }()
	select {
	case err := <-done:
		k.Fatalf("Expire returned before its sync: %v", err)
	case <-time.After(patience):
	}
	release()
	if err := <-done; err != nil {
		k.Fatalf("Expire: %v", err)
	}
	k.equal("what expired", k.refusals(store.RefusalQuery{Seller: r.Seller}), []store.Refusal(nil))
}
