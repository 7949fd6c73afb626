package storetest

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// model: 14. Random operations against the ledger give the same answers and the
// same final state; books balance after every step.
func model(k *court) {
	if k.subject.Crash == nil {
		k.Logf("EXCUSED: this subject cannot %s: %s", CanCrash, k.subject.Excuses[CanCrash])
	}
	rapid.Check(k.T, func(t *rapid.T) {
		m := &modelled{court: &court{T: k.T, subject: k.another()}, want: newLedger()}
		m.court.open()
		defer m.close()
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append,
			"put":    m.put,
			"expire": m.expire,
			"find":   m.findAgain,
			"":       m.compare,
		})
	})
}

// modelled is one run of the property.
type modelled struct {
	*court
	want  *ledger
	clock time.Duration
}

// findAgain reopens the store or lets it crash, now and then: it costs more than
// the rest.
func (m *modelled) findAgain(t *rapid.T) {
	switch rapid.IntRange(0, 7).Draw(t, "found") {
	case 0:
		m.reopen()
	case 1:
		if m.subject.Crash != nil {
			m.crash(rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "kept"), rapid.Uint64().Draw(t, "seed"))
		}
	default:
		m.append(t)
	}
}

func (m *modelled) call(t *rapid.T) store.Call {
	m.clock += time.Duration(rapid.IntRange(-60, 2400).Draw(t, "seconds")) * time.Second
	if rapid.IntRange(0, 9).Draw(t, "later") == 0 {
		m.clock += 12 * time.Hour
	}
	c := store.Call{Account: rapid.SampledFrom([]metering.AccountID{seller, buyer}).Draw(t, "account"), Region: rapid.SampledFrom([]string{region, "eu-west-1"}).Draw(t, "region"), At: noon().Add(m.clock)}
	workload := rapid.SampledFrom([]string{"w", "w1"}).Draw(t, "workload")
	for range rapid.IntRange(0, 4).Draw(t, "records") {
		r := m.record(rapid.IntRange(0, 2).Draw(t, "hour"), int32(rapid.IntRange(0, 3).Draw(t, "quantity")))
		r.Key.Account, r.Key.Region = c.Account, c.Region
		r.Key.Product = rapid.SampledFrom(products).Draw(t, "product")
		r.Key.Dimension = rapid.SampledFrom([]string{"", "gb"}).Draw(t, "dimension")
		if rapid.Bool().Draw(t, "allocated") {
			r = allocated(r, 3, func(i int) []metering.Tag { return []metering.Tag{{Key: "k", Value: fmt.Sprint(i)}}[:min(i, 1)] })
			r.Allocations[0].Quantity++ // no two sums alike
			r.Quantity++
		}
		c.Records = append(c.Records, r)
	}
	if rapid.IntRange(0, 2).Draw(t, "token") == 0 {
		c.Token = &store.Token{Value: rapid.SampledFrom([]string{"t", "t2", "t3"}).Draw(t, "value"), Hash: [32]byte{byte(rapid.IntRange(0, 2).Draw(t, "hash"))}}
	}
	if rapid.IntRange(0, 3).Draw(t, "admission") == 0 {
		c.Admission = &store.Admission{Account: c.Account, Workload: workload, Product: product}
	}
	if rapid.IntRange(0, 3).Draw(t, "redemption") == 0 {
		c.Redemption = &store.Redemption{Token: [32]byte{byte(rapid.IntRange(1, 2).Draw(t, "which token"))}, KeyID: rapid.SampledFrom([]string{"AKIA1", "AKIA2"}).Draw(t, "key")}
		c.Redemption.Token[31] = c.Account[0] // each account has its own
	}
	switch rapid.IntRange(0, 5).Draw(t, "registration") {
	case 0:
		r := m.registration(m.clock, rapid.SampledFrom(products).Draw(t, "of"), workload, time.Duration(rapid.IntRange(0, 2).Draw(t, "beat"))*10*time.Minute)
		r.Account = c.Account
		c.Registration = &store.RegistrationChange{Begin: r}
	case 1:
		c.Registration = &store.RegistrationChange{Seen: &store.Alive{Account: c.Account, Workload: workload}}
	case 2:
		id := m.ids.next()
		if len(m.want.begun) > 0 {
			id = rapid.SampledFrom(m.want.begun).Draw(t, "which")
		}
		c.Registration = &store.RegistrationChange{Stop: &id}
	}
	refusal := store.Refusal{ID: m.ids.next(), Time: c.At, Seller: rapid.SampledFrom([]metering.AccountID{seller, seller2}).Draw(t, "refused by"), Account: c.Account, Reason: "r"}
	event, fails, binds := m.ids.next(), rapid.IntRange(0, 7).Draw(t, "fails") == 0, rapid.Bool().Draw(t, "binds")
	c.After = func(out store.Outcome) (store.Rest, error) {
		if fails {
			return store.Rest{}, errOnPurpose
		}
		rest := store.Rest{Event: m.event(c, out), Refusals: []store.Refusal{refusal}}
		rest.Event.ID = event
		if binds && c.Token != nil && len(out.Holders) > 0 {
			rest.Bind = &out.Holders[0].ID
		}
		return rest, nil
	}
	return c
}

func (m *modelled) append(t *rapid.T) {
	c := m.call(t)
	got, err := m.store.Append(m.Context(), c)
	after, want, wantErr := m.want.append(c)
	m.want = after
	if (err == nil) != (wantErr == nil) || wantErr != nil && !errors.Is(err, wantErr) {
		t.Fatalf("Append: got error %v, want %v", err, wantErr)
	}
	if len(got.Holders) == 0 {
		got.Holders = nil
	}
	if diff := diff(want, got); err == nil && diff != "" {
		t.Fatalf("Append (-want +got):\n%s", diff)
	}
}

func (m *modelled) put(t *rapid.T) {
	c := store.Change{By: "rapid", At: noon().Add(m.clock)}
	put := make(map[store.Ref]bool)
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		p := &store.Product{Code: rapid.SampledFrom(products).Draw(t, "code")}
		p.Title = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "title")
		c.Entries = append(c.Entries, p)
		put[p.Ref()] = true
	}
	both := false
	for range rapid.IntRange(0, 2).Draw(t, "removed") {
		ref := store.Ref{Kind: store.KindProduct, Name: string(rapid.SampledFrom(products).Draw(t, "name"))}
		c.Remove = append(c.Remove, ref)
		both = both || put[ref]
	}
	stale := false
	if rapid.IntRange(0, 3).Draw(t, "based") == 0 {
		base := m.want.revisions - int64(rapid.IntRange(0, 1).Draw(t, "behind"))
		c.Base, stale = &base, base != m.want.revisions
	}
	got, err := m.store.Put(m.Context(), c)
	switch {
	case both:
		if err == nil {
			t.Fatalf("Put: an entry that is put and removed was accepted")
		}
	case stale:
		if !errors.Is(err, store.ErrConflict) {
			t.Fatalf("Put: got error %v, want %v", err, store.ErrConflict)
		}
	default:
		if want := m.want.put(c); err != nil || got != want {
			t.Fatalf("Put: got revision %d, error %v; want %d", got, err, want)
		}
	}
}

func (m *modelled) expire(t *rapid.T) {
	at := func(what string) time.Time {
		if rapid.Bool().Draw(t, "no "+what) {
			return time.Time{}
		}
		return noon().Add(m.clock + time.Duration(rapid.IntRange(-5, 1).Draw(t, what))*12*time.Hour)
	}
	e := store.Expiry{Refusals: at("refusals"), Tokens: at("tokens")}
	if err := m.store.Expire(m.Context(), e); err != nil {
		t.Fatalf("Expire: %v", err)
	}
	m.want.expire(e)
}

// compare holds the whole store against the ledger, and checks the books.
func (m *modelled) compare(t *rapid.T) {
	var (
		books   metering.Books
		records = make(map[metering.Key]metering.Record)
		events  = make(map[metering.ID]store.Event)
	)
	for _, account := range []metering.AccountID{seller, buyer} {
		for _, r := range pages(m.court, func(cursor string) (store.Page[metering.Record], error) {
			return m.store.Records(m.Context(), store.RecordQuery{Account: account, From: firstHour, To: lastHour, Limit: 4, Cursor: cursor})
		}) {
			if err := books.Add(&r); err != nil {
				t.Fatalf("the books: %v", err)
			}
			records[r.Key] = r
		}
		for _, ev := range m.events(store.EventQuery{Account: account}) {
			events[ev.ID] = ev
		}
	}
	if diff := diff(m.want.records, records); diff != "" {
		t.Fatalf("records (-want +got):\n%s", diff)
	}
	if diff := diff(m.want.events, events); diff != "" {
		t.Fatalf("events (-want +got):\n%s", diff)
	}
	refusals := make(map[metering.ID]store.Refusal)
	for _, about := range []metering.AccountID{seller, seller2} {
		maps.Copy(refusals, refusalsByID(m.refusals(store.RefusalQuery{Seller: about})))
	}
	if diff := diff(m.want.refusals, refusals); diff != "" {
		t.Fatalf("refusals (-want +got):\n%s", diff)
	}
	for token, want := range m.want.redemptions {
		got, ok, err := m.store.Redeemed(m.Context(), token)
		if diff := diff(want, got); err != nil || !ok || diff != "" {
			t.Fatalf("a redemption: found %t, error %v (-want +got):\n%s", ok, err, diff)
		}
	}
	for id, want := range m.want.registrations {
		got, ok, err := m.store.Registration(m.Context(), id)
		if diff := diff(want, got); err != nil || !ok || diff != "" {
			t.Fatalf("registration %s: found %t, error %v (-want +got):\n%s", id, ok, err, diff)
		}
	}
	for a := range m.want.admissions {
		if ok, err := m.store.Admitted(m.Context(), a); err != nil || !ok {
			t.Fatalf("%+v: admitted %t, error %v", a, ok, err)
		}
	}
	cat := m.store.Catalog()
	if got, want := cat.Revision(), m.want.revisions; got != want {
		t.Fatalf("the catalogue's revision: got %d, want %d", got, want)
	}
	if got, want := cat.Len(store.KindProduct), len(m.want.entries); got != want {
		t.Fatalf("the catalogue holds %d products, want %d", got, want)
	}
	for ref, want := range m.want.histories {
		history, err := m.store.History(m.Context(), ref)
		if err != nil || len(history) != want {
			t.Fatalf("the history of %v: %d revisions, error %v, want %d", ref, len(history), err, want)
		}
	}
	for ref, want := range m.want.entries {
		e := cat.Get(ref)
		if e == nil {
			t.Fatalf("entry %v is missing", ref)
		}
		if got, err := store.EncodeEntry(e, nil); err != nil || string(got) != want {
			t.Fatalf("entry %v: got %s, error %v, want %s", ref, got, err, want)
		}
	}
}
