package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// ledger is a store as simple as it can be said: maps.
type ledger struct {
	records       map[metering.Key]metering.Record
	tokens        map[[3]string]bound
	admissions    map[store.Admission]bool
	registrations map[metering.ID]metering.Registration
	begun         []metering.ID // in order
	events        map[metering.ID]store.Event
	entries       map[store.Ref]string
	revisions     int64
}

type bound struct {
	hash   [32]byte
	answer metering.ID
}

func newLedger() *ledger {
	return &ledger{
		records: make(map[metering.Key]metering.Record), tokens: make(map[[3]string]bound),
		admissions: make(map[store.Admission]bool), registrations: make(map[metering.ID]metering.Registration),
		events: make(map[metering.ID]store.Event), entries: make(map[store.Ref]string),
	}
}

// clone is for calls that may fail: they work on a copy.
func (l *ledger) clone() *ledger {
	return &ledger{
		maps.Clone(l.records), maps.Clone(l.tokens), maps.Clone(l.admissions), maps.Clone(l.registrations),
		slices.Clone(l.begun), maps.Clone(l.events), maps.Clone(l.entries), l.revisions,
	}
}

// append is Store.Append. It returns the ledger after the call.
func (l *ledger) append(c store.Call) (*ledger, store.Outcome, error) {
	n, out := l.clone(), store.Outcome{}
	var token [3]string
	if c.Token != nil {
		token = [3]string{string(c.Account), c.Region, c.Token.Value}
		if b, ok := n.tokens[token]; ok {
			if b.hash != c.Token.Hash {
				return l, out, metering.ErrIdempotencyConflict
			}
			out.Answer = &b.answer
		}
	}
	if out.Answer == nil {
		for _, r := range c.Records {
			if _, held := n.records[r.Key]; !held {
				n.records[r.Key] = r
			}
			out.Holders = append(out.Holders, n.records[r.Key])
		}
	}
	if c.Admission != nil {
		n.admissions[*c.Admission] = true
	}
	if c.Registration != nil {
		out.Registration = n.register(c)
	}
	rest, err := c.After(out)
	if err != nil {
		return l, store.Outcome{}, err
	}
	if rest.Event != nil {
		n.events[rest.Event.ID] = *rest.Event
	}
	if rest.Bind != nil && out.Answer == nil {
		n.tokens[token] = bound{c.Token.Hash, *rest.Bind}
	}
	return n, out, nil
}

func (l *ledger) seen(account metering.AccountID, workload string, at time.Time) {
	for id, r := range l.registrations {
		if r.Account == account && r.Workload == workload {
			l.registrations[id], _ = r.Seen(at)
		}
	}
}

func (l *ledger) register(c store.Call) *metering.Registration {
	switch g := c.Registration; {
	case g.Begin != nil:
		l.seen(g.Begin.Account, g.Begin.Workload, c.At)
		for _, id := range slices.Backward(l.begun) {
			old := l.registrations[id]
			if old.Product != g.Begin.Product || old.Workload != g.Begin.Workload || old.Account != g.Begin.Account {
				continue
			}
			if seen, ok := old.Seen(c.At); ok {
				l.registrations[id] = seen
				return &seen
			}
			l.registrations[id] = old.Stop(c.At)
			break
		}
		l.registrations[g.Begin.ID] = *g.Begin
		l.begun = append(l.begun, g.Begin.ID)
		return g.Begin
	case g.Seen != nil:
		l.seen(g.Seen.Account, g.Seen.Workload, c.At)
	default:
		if r, ok := l.registrations[*g.Stop]; ok && r.Account == c.Account {
			r = r.Stop(c.At)
			l.registrations[r.ID] = r
			return &r
		}
	}
	return nil
}

// put is Store.Put.
func (l *ledger) put(c store.Change) int64 {
	for _, e := range c.Entries {
		b, err := store.EncodeEntry(e, nil)
		if err != nil {
			panic(err)
		}
		if was, ok := l.entries[e.Ref()]; !ok || was != string(b) {
			l.revisions++
			l.entries[e.Ref()] = string(b)
		}
	}
	return l.revisions
}

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
	event, fails, binds := m.ids.next(), rapid.IntRange(0, 7).Draw(t, "fails") == 0, rapid.Bool().Draw(t, "binds")
	c.After = func(out store.Outcome) (store.Rest, error) {
		if fails {
			return store.Rest{}, errOnPurpose
		}
		rest := store.Rest{Event: m.event(c, out)}
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
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		p := &store.Product{Code: rapid.SampledFrom(products).Draw(t, "code")}
		p.Title = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "title")
		c.Entries = append(c.Entries, p)
	}
	got, err := m.store.Put(m.Context(), c)
	if want := m.want.put(c); err != nil || got != want {
		t.Fatalf("Put: got revision %d, error %v; want %d", got, err, want)
	}
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
