package promise

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Ledger is what is read at the end. A query of no product and no account asks
// for every record there is.
type Ledger interface {
	Records(ctx context.Context, q store.RecordQuery) (store.Page[metering.Record], error)
}

// Violation is one way in which an invariant was broken.
type Violation struct {
	Invariant string // "I1" to "I9", or "order" where the answers have none
	Text      string
}

func (v Violation) String() string { return v.Invariant + ": " + v.Text }

// Check reads the ledger and says what was broken. No attempt may be under way.
// An error says that the ledger could not be read.
func (h *History) Check(ctx context.Context, l Ledger) ([]Violation, error) {
	j := &judge{h: h, keys: make(map[metering.Key]*place), ids: make(map[metering.ID]*metering.Record)}
	if err := j.read(ctx, l); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	j.collect()
	j.tokens()
	for _, key := range j.order {
		p := j.keys[key]
		j.holder(p)
		for i := range p.ops {
			j.answer(p, &p.ops[i])
		}
		for _, r := range p.reads {
			if p.record != nil && !identical(&r.record, p.record) {
				j.say("I3", "record %s was shown as %+v and is %+v", r.record.ID, r.record, *p.record)
			}
		}
		j.ordered(p)
	}
	for i := range h.readings {
		j.reading(&h.readings[i])
	}
	slices.SortStableFunc(j.found, func(a, b Violation) int { return cmp.Compare(a.Invariant, b.Invariant) })
	return j.found, nil
}

// judge is one check.
type judge struct {
	h     *History
	keys  map[metering.Key]*place
	order []metering.Key // of keys, as they were met
	ids   map[metering.ID]*metering.Record
	books metering.Books
	found []Violation
}

// place is one key: who holds it, and what was attempted.
type place struct {
	key    metering.Key
	record *metering.Record // nil: nobody
	ops    []op
	reads  []*reading
}

// op is what one attempt did about one key.
type op struct {
	*Claim
	account        metering.AccountID
	verdict        Verdict
	id             metering.ID
	sent, answered Moment
}

func (j *judge) say(invariant, format string, args ...any) {
	j.found = append(j.found, Violation{invariant, fmt.Sprintf(format, args...)})
}

func (j *judge) place(k metering.Key) *place {
	p := j.keys[k]
	if p == nil {
		p = &place{key: k}
		j.keys[k] = p
		j.order = append(j.order, k)
	}
	return p
}

// read takes the ledger in. That an hour is the timestamp's, and that allocations
// add up, the books know.
func (j *judge) read(ctx context.Context, l Ledger) error {
	for q := (store.RecordQuery{From: math.MinInt32, To: math.MaxInt32}); ; {
		page, err := l.Records(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Items {
			r := &page.Items[i]
			p := j.place(r.Key)
			switch {
			case p.record != nil:
				j.say("I2", "the key %s is held twice, by %s and %s", name(r.Key), p.record.ID, r.ID)
				continue
			case j.ids[r.ID] != nil:
				j.say("I2", "the id %s was given to %s and to %s", r.ID, name(j.ids[r.ID].Key), name(r.Key))
			case metering.HourOf(r.Timestamp) != r.Key.Hour:
				j.say("I8", "record %s of %s lies in another hour: %s", r.ID, r.Timestamp, name(r.Key))
			default:
				if err := j.books.Add(r); err != nil {
					j.say("I3", "%v", err)
				}
			}
			p.record, j.ids[r.ID] = r, r
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil
		}
	}
}

// collect sorts the attempts by key, and looks at each answer as a whole.
func (j *judge) collect() {
	for _, a := range j.h.attempts {
		told := make([]Told, len(a.claims))
		answers := make([]int, len(a.claims))
		for _, t := range a.told {
			if t.Record < 0 || t.Record >= len(told) {
				j.say("I6", "a call of %d records was told of record %d", len(told), t.Record)
				continue
			}
			told[t.Record] = t
			answers[t.Record]++
		}
		for i := range a.claims {
			if n := answers[i]; n != 1 && a.answered != never {
				j.say("I6", "record %d of a call of %d was answered %d times: %s", i, len(a.claims), n, name(a.claims[i].Key))
			}
			o := op{&a.claims[i], a.account, told[i].Verdict, told[i].ID, a.sent, a.answered}
			if o.verdict == Unknown {
				o.answered = never
			}
			p := j.place(o.Key)
			p.ops = append(p.ops, o)
			if held := told[i].Holder; held != nil {
				p.reads = append(p.reads, &reading{a.account, *held, a.sent, a.answered})
			}
		}
		if a.answered == never {
			continue
		}
		for _, o := range j.h.outages {
			good := func(t Told) bool { return t.Verdict == Accepted || t.Verdict == Duplicate }
			if a.sent >= o.from && a.answered <= o.to && slices.ContainsFunc(told, good) {
				j.say("I9", "a call of account %s was answered after a failure and before the restart", a.account)
			}
		}
	}
	for i := range j.h.readings {
		r := &j.h.readings[i]
		p := j.place(r.record.Key)
		p.reads = append(p.reads, r)
	}
}

// tokens: one ClientToken has one answer.
func (j *judge) tokens() {
	type token struct {
		account metering.AccountID
		value   string
	}
	bound := make(map[token]metering.ID)
	for _, a := range j.h.attempts {
		t, id := token{a.account, a.token}, metering.ID{}
		switch {
		case a.token == "":
			continue
		case a.repeated != nil:
			id = *a.repeated
		case len(a.told) > 0 && a.told[0].Verdict == Accepted:
			id = a.told[0].ID
		default:
			continue
		}
		if first, again := bound[t]; again && first != id {
			j.say("I4", "one ClientToken of account %s was answered %s, and then %s", a.account, first, id)
		}
		bound[t] = id
	}
}

// holder: the record goes back to an attempt that may have put it there.
func (j *judge) holder(p *place) {
	r := p.record
	if r == nil {
		return
	}
	var handedBack, refused bool
	for i := range p.ops {
		o := &p.ops[i]
		switch {
		case o.verdict == Unknown && o.made(r), o.verdict == Accepted && o.id == r.ID:
			return // whether what it says is what was sent, answer asks
		case o.verdict == Unprocessed && o.made(r):
			handedBack = true
		case o.verdict == Refused && o.made(r):
			refused = true
		}
	}
	switch {
	case handedBack:
		j.say("I6", "record %s is there, and was handed back unprocessed: %s", r.ID, name(p.key))
	case refused:
		j.say("I9", "record %s is there, and was definitely refused: %s", r.ID, name(p.key))
	default:
		j.say("I5", "nobody can have put record %s there: %s, quantity %d", r.ID, name(p.key), r.Quantity)
	}
}

// answer holds what one attempt was told against what is there.
func (j *judge) answer(p *place, o *op) {
	r := p.record
	if o.verdict == Accepted {
		if other := j.ids[o.id]; other != nil && other.Key.Account != o.account {
			j.say("I7", "account %s was told of record %s, which is account %s's", o.account, o.id, other.Key.Account)
			return
		}
	}
	switch {
	case o.verdict != Accepted && o.verdict != Duplicate:
	case o.verdict == Accepted && r == nil:
		j.say("I1", "record %s was acknowledged and is gone: %s", o.id, name(p.key))
	case o.verdict == Accepted && r.ID != o.id:
		j.say("I4", "record %s was acknowledged, and %s holds the key: %s", o.id, r.ID, name(p.key))
	case o.verdict == Accepted && !o.says(r):
		j.say("I3", "record %s was acknowledged with quantity %d and now says %d: %s", r.ID, o.Quantity, r.Quantity, name(p.key))
	case o.verdict == Duplicate && r == nil:
		j.say("I4", "a record was called a duplicate, and nobody holds its key: %s", name(p.key))
	case o.verdict == Duplicate && o.says(r):
		j.say("I4", "a record was called a duplicate of %s, which says the same: %s", r.ID, name(p.key))
	}
}

// reading: what was shown is there, unchanged, and was for the reader to see.
func (j *judge) reading(s *reading) {
	r := j.keys[s.record.Key].record
	if s.reader != "" && s.reader != s.record.Key.Account {
		j.say("I7", "account %s was shown record %s of account %s", s.reader, s.record.ID, s.record.Key.Account)
	}
	if r == nil {
		j.say("I1", "record %s was shown and is gone: %s", s.record.ID, name(s.record.Key))
	}
}

// identical reports whether two looks at a key show the same. What one of them
// leaves out (an administrator is not shown all of a record) is not compared.
func identical(a, b *metering.Record) bool {
	received := a.Received.IsZero() || b.Received.IsZero() || a.Received.Equal(b.Received)
	workload := a.Workload == "" || b.Workload == "" || a.Workload == b.Workload
	return a.ID == b.ID && a.Timestamp.Equal(b.Timestamp) && a.Same(b) && received && workload
}

// name is a key for people.
func name(k metering.Key) string {
	return fmt.Sprintf("%s %s %s %s %s %s (kind %d)", k.Account, k.Product, k.Party, k.Dimension, k.Hour.Time().Format("2006-01-02T15Z"), k.Region, k.Kind)
}
