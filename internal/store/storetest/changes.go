package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// put changes the catalogue, which must succeed and is seen at once.
func (k *court) put(c store.Change) int64 {
	k.Helper()
	c.At = noon()
	n, err := k.store.Put(k.Context(), c)
	if err != nil {
		k.Fatalf("Put: %v", err)
	}
	if got := k.store.Catalog().Revision(); got != n {
		k.Fatalf("the catalogue's revision after Put: got %d, want %d", got, n)
	}
	return n
}

// removal: 21. What is removed is looked up no more, its history stays and says
// so, and no revision is ever given twice. Of changes from one base one wins.
func removal(k *court) {
	p := &store.Product{Code: product, Title: "one", Seller: seller}
	c := &store.Credential{KeyID: "AKIA1", Secret: "s3cret", Account: seller}
	a := &store.Agreement{ID: "agmt-1", Product: product, Buyer: buyer, LicenseARN: "arn:l-1", Customer: "cust", Status: metering.AgreementActive, Start: noon()}
	tok := &store.RegistrationToken{Hash: [32]byte{7}, Agreement: a.ID, Issued: noon()}
	key := &store.SigningKey{Product: product, Version: 1, Private: []byte{1}, Created: noon()}
	refs := []store.Ref{c.Ref(), a.Ref(), tok.Ref(), key.Ref()}
	k.equal("put", k.put(store.Change{By: "anna", Entries: []store.Entry{p, c, a, tok, key}}), int64(5))
	never := store.Ref{Kind: store.KindProduct, Name: "never"}
	k.equal("removing what is not there", k.put(store.Change{By: "bert", Remove: []store.Ref{never, never}}), int64(5))
	for what, bad := range map[string]store.Change{
		"put and removed":      {Entries: []store.Entry{&store.Product{Code: product, Title: "two"}}, Remove: []store.Ref{p.Ref()}},
		"new, put and removed": {Entries: []store.Entry{&store.Product{Code: product2}}, Remove: []store.Ref{c.Ref(), {Kind: store.KindProduct, Name: string(product2)}}},
		"a name with U+0000":   {Remove: []store.Ref{c.Ref(), {Kind: store.KindProduct, Name: "a\x00b"}}},
	} {
		bad.At = noon()
		if _, err := k.store.Put(k.Context(), bad); err == nil || errors.Is(err, store.ErrUnknown) {
			k.Errorf("%s: got %v, want a definite error", what, err)
		}
	}
	k.equal("four removed, one of them twice", k.put(store.Change{By: "cleo", Remove: append(refs, never, c.Ref())}), int64(9))
	k.survivals(func(when string) {
		cat := k.store.Catalog()
		k.equal(when+": revision", cat.Revision(), int64(9))
		for _, ref := range refs {
			if cat.Get(ref) != nil || cat.Len(ref.Kind) != 0 || len(cat.Page(ref.Kind, "", 9)) != 0 {
				k.Fatalf("%s: %v was removed and is there", when, ref)
			}
		}
		if cat.License("arn:l-1") != nil || cat.Token(tok.Hash) != nil || len(cat.Agreements(product, buyer)) != 0 || len(cat.AgreementIDs(product)) != 0 || len(cat.SigningKeys(product)) != 0 {
			k.Fatalf("%s: what was removed can be looked up", when)
		}
		if got := cat.Product(product); got == nil || got.Title != "one" {
			k.Fatalf("%s: half of a refused change is there: %+v", when, got)
		}
		k.equal(when+": history", k.history(c.Ref()), []string{"2 anna", "6 cleo removed"})
	})
	again := &store.Credential{KeyID: "AKIA1", Secret: "other", Account: seller}
	k.equal("put again", k.put(store.Change{By: "dora", Entries: []store.Entry{again}}), int64(10))
	k.equal("removed again", k.put(store.Change{By: "dora", Remove: []store.Ref{again.Ref()}}), int64(11))
	k.survivals(func(when string) {
		k.equal(when+": revision", k.store.Catalog().Revision(), int64(11))
		k.equal(when+": history", k.history(c.Ref()), []string{"2 anna", "6 cleo removed", "10 dora", "11 dora removed"})
	})
	k.bases(11)
}

func (k *court) history(ref store.Ref) []string {
	k.Helper()
	all, err := k.store.History(k.Context(), ref)
	if err != nil {
		k.Fatalf("History: %v", err)
	}
	var lines []string
	for _, r := range all {
		line := fmt.Sprint(r.Number, " ", r.By)
		if r.Entry == nil {
			line += " removed"
		}
		lines = append(lines, line)
	}
	return lines
}

// bases: a change that was made from another revision changes nothing.
func (k *court) bases(at int64) {
	titled := func(title string, base int64) store.Change {
		return store.Change{By: title, At: noon(), Base: &base, Entries: []store.Entry{&store.Product{Code: product2, Title: title}}}
	}
	for _, base := range []int64{at - 1, at + 1, 0, -1} {
		for what, c := range map[string]store.Change{"a change": titled("stale", base), "nothing": {Base: &base}, "a removal": {Base: &base, Remove: []store.Ref{{Kind: store.KindProduct, Name: string(product)}}}} {
			if _, err := k.store.Put(k.Context(), c); !errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnknown) {
				k.Errorf("%s from revision %d: got %v, want %v", what, base, err, store.ErrConflict)
			}
		}
	}
	for round := range 5 {
		const callers = 20
		var wg sync.WaitGroup
		var mu sync.Mutex
		var won []string
		for i := range callers {
			title := fmt.Sprint(round, " ", i)
			wg.Go(func() {
				n, err := k.store.Put(k.Context(), titled(title, at))
				switch {
				case err == nil && n != at+1:
					k.Errorf("from revision %d: got revision %d", at, n)
				case err != nil && !errors.Is(err, store.ErrConflict):
					k.Errorf("from revision %d: got %v, want success or %v", at, err, store.ErrConflict)
				}
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					won = append(won, title)
				}
			})
		}
		wg.Wait()
		at++
		if len(won) != 1 {
			k.Fatalf("of %d changes from one base %d won, want 1", callers, len(won))
		}
		k.survivals(func(when string) {
			cat := k.store.Catalog()
			if got := cat.Product(product2); got == nil || got.Title != won[0] || cat.Revision() != at {
				k.Fatalf("%s: revision %d, product %+v; want %d and %q", when, cat.Revision(), got, at, won[0])
			}
		})
	}
}

// lookups: 23. Accesses by the hash of their token, receipts by their key, the
// readings of AWS: as they were put, by every way to look for them.
func lookups(k *court) {
	a := &store.Access{Name: "ci", Hash: [32]byte{1, 0, 1}, Role: store.RoleSeller, Account: seller, Created: noon()}
	b := &store.Access{Name: "ops", Hash: [32]byte{2}, Role: store.RoleOperator, Created: noon()}
	r := &store.Receipt{Key: "ops/42", Request: [32]byte{3}, Made: store.Ref{Kind: store.KindAgreement, Name: "agmt-1"}, At: noon()}
	c := &store.Compat{Rulings: metering.Rulings{RepeatIsDuplicate: true}, ErrorNamespace: true}
	d := &store.Credential{KeyID: "AKIA1", Secret: "s3cret", Account: seller, User: "anna", Created: noon(), Disabled: noon().Add(1)}
	k.equal("no readings yet", *k.store.Catalog().Compat(), store.Compat{})
	k.put(store.Change{By: "anna", Entries: []store.Entry{a, b, r, c, d}})
	k.survivals(func(when string) {
		cat := k.store.Catalog()
		k.equal(when+": an access", cat.Access(a.Hash), a)
		k.equal(when+": another", cat.Access(b.Hash), b)
		k.equal(when+": none", cat.Access([32]byte{9}), (*store.Access)(nil))
		k.equal(when+": a receipt", cat.Get(r.Ref()), store.Entry(r))
		k.equal(when+": the readings", cat.Compat(), c)
		if got := cat.Credential(d.KeyID); got == nil || *got != *d {
			k.Fatalf("%s: a disabled credential: got %+v with a secret of %d bytes", when, got, len(string(got.Secret)))
		}
	})
	turned := *a
	turned.Hash, turned.Revoked = [32]byte{4}, noon()
	k.put(store.Change{By: "bert", Entries: []store.Entry{&turned}, Remove: []store.Ref{b.Ref(), r.Ref(), c.Ref()}})
	k.survivals(func(when string) {
		cat := k.store.Catalog()
		k.equal(when+": by a hash that it had", cat.Access(a.Hash), (*store.Access)(nil))
		k.equal(when+": by the one it has", cat.Access(turned.Hash), &turned)
		k.equal(when+": one that was removed", cat.Access(b.Hash), (*store.Access)(nil))
		k.equal(when+": a receipt that was removed", cat.Get(r.Ref()), store.Entry(nil))
		k.equal(when+": readings that were removed", *cat.Compat(), store.Compat{})
	})
}

// largeChange: 24. A change of thousands of entries is there whole or not at all,
// to lookups and after a loss of power; calls go on beside it.
func largeChange(k *court) {
	k.need(CanCrash)
	const entries, rounds = 4000, 2
	var (
		wg      sync.WaitGroup
		stop    = make(chan struct{})
		records []metering.Record
		slowest time.Duration
	)
	end := sync.OnceFunc(func() { close(stop); wg.Wait() })
	defer end() // if the case fails, too
	count := func(n int) bool { return n%entries == 0 }
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			r := k.record(n, 1)
			began := time.Now()
			if _, err := k.store.Append(k.Context(), call(r)); err != nil {
				k.Errorf("Append: %v", err)
				return
			}
			slowest = max(slowest, time.Since(began))
			records = append(records, r)
			if n := k.store.Catalog().Len(store.KindAccount); !count(n) {
				k.Errorf("a lookup saw %d of a change of %d entries", n, entries)
			}
			time.Sleep(time.Millisecond)
		}
	})
	for round := range rounds {
		c := store.Change{By: "court"}
		for n := range entries {
			c.Entries = append(c.Entries, &store.Account{ID: metering.AccountID(fmt.Sprintf("%d%011d", round, n)), Name: "an account with a name that takes some room"})
		}
		images := make(chan *court, 4)
		go func() {
			defer close(images)
			for i := range cap(images) {
				time.Sleep(time.Duration(5+10*i) * time.Millisecond)
				images <- &court{T: k.T, subject: k.subject.Crash([]int{0, 50, 100}[i%3], uint64(i))}
			}
		}()
		k.put(c)
		acked := len(k.history(c.Entries[entries-1].Ref()))
		k.equal("the last entry's history", acked, 1)
		for image := range images {
			image.open()
			cat := image.store.Catalog()
			if n := cat.Len(store.KindAccount); !count(n) || cat.Revision() != int64(n) {
				k.Errorf("a crash image holds %d entries at revision %d, of changes of %d", n, cat.Revision(), entries)
			}
			first, last := image.history(c.Entries[0].Ref()), image.history(c.Entries[entries-1].Ref())
			if len(first) != len(last) {
				k.Errorf("a crash image holds %d revisions of the first entry and %d of the last", len(first), len(last))
			}
			next := image.put(store.Change{By: "after", Entries: []store.Entry{&store.Product{Code: product}}})
			k.equal("the next revision", next, cat.Revision())
			image.close()
		}
	}
	end()
	k.Logf("%d calls beside changes of %d entries, the slowest of which took %v", len(records), entries, slowest)
	k.survivals(func(when string) {
		k.holds(when, records...)
		k.equal(when+": entries", k.store.Catalog().Len(store.KindAccount), rounds*entries)
		k.equal(when+": revision", k.store.Catalog().Revision(), int64(rounds*entries))
	})
}
