package storetest

import (
	"maps"
	"slices"
	"time"

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
	refusals      map[metering.ID]store.Refusal
	redemptions   map[[32]byte]store.Redeemed
	entries       map[store.Ref]string
	histories     map[store.Ref]int // how many revisions
	revisions     int64
}

type bound struct {
	hash   [32]byte
	answer metering.ID
	day    time.Time
}

func newLedger() *ledger {
	return &ledger{
		records: make(map[metering.Key]metering.Record), tokens: make(map[[3]string]bound),
		admissions: make(map[store.Admission]bool), registrations: make(map[metering.ID]metering.Registration),
		events: make(map[metering.ID]store.Event), refusals: make(map[metering.ID]store.Refusal), redemptions: make(map[[32]byte]store.Redeemed),
		entries: make(map[store.Ref]string), histories: make(map[store.Ref]int),
	}
}

// clone is for calls that may fail: they work on a copy.
func (l *ledger) clone() *ledger {
	return &ledger{
		maps.Clone(l.records), maps.Clone(l.tokens), maps.Clone(l.admissions), maps.Clone(l.registrations),
		slices.Clone(l.begun), maps.Clone(l.events), maps.Clone(l.refusals), maps.Clone(l.redemptions),
		maps.Clone(l.entries), maps.Clone(l.histories), l.revisions,
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
			holder := n.records[r.Key]
			out.Holders = append(out.Holders, &holder)
		}
	}
	if c.Admission != nil {
		n.admissions[*c.Admission] = true
	}
	if c.Redemption != nil {
		n.redeem(c)
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
	for _, r := range rest.Refusals {
		n.refusals[r.ID] = r
	}
	if rest.Bind != nil && out.Answer == nil {
		n.tokens[token] = bound{c.Token.Hash, *rest.Bind, c.At.Truncate(24 * time.Hour)}
	}
	return n, out, nil
}

func (l *ledger) redeem(c store.Call) {
	r, again := l.redemptions[c.Redemption.Token]
	if !again {
		r = store.Redeemed{Account: c.Account, First: c.At}
	}
	if !c.At.Before(r.Last) {
		r.Last, r.KeyID = c.At, c.Redemption.KeyID
	}
	r.Count++
	l.redemptions[c.Redemption.Token] = r
}

// expire is Store.Expire.
func (l *ledger) expire(e store.Expiry) {
	maps.DeleteFunc(l.refusals, func(_ metering.ID, r store.Refusal) bool { return r.Time.Before(e.Refusals) })
	maps.DeleteFunc(l.tokens, func(_ [3]string, b bound) bool { return b.day.Before(e.Tokens.Truncate(24 * time.Hour)) })
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
			l.histories[e.Ref()]++
			l.entries[e.Ref()] = string(b)
		}
	}
	for _, ref := range c.Remove {
		if _, ok := l.entries[ref]; ok {
			l.revisions++
			l.histories[ref]++
			delete(l.entries, ref)
		}
	}
	return l.revisions
}
