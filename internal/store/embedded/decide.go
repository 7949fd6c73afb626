package embedded

import (
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// decide settles what a call writes and is told, from what is stored and what
// the calls before it in the group have written. An error drops the call.
func (c *committer) decide(r *request) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	var err error
	r.outcome, err = store.Decide(&r.call, ledger{c, r})
	return err
}

// ledger is what the committer decides a call on.
type ledger struct {
	*committer
	r *request
}

var _ store.Ledger = ledger{}

// Holder gives the call's record i its key if it is free, and finds the holder if
// not.
func (l ledger) Holder(i int) (*metering.Record, error) {
	record := l.r.records[i]
	fields, held, err := l.get(record.key)
	if err != nil {
		return nil, err
	}
	if !held {
		l.set(record)
		return &l.r.call.Records[i], nil
	}
	holder, err := decodeRecord(record.key, fields)
	return &holder, err
}

func tokenKey(day int32, call *store.Call) string {
	var room [keyRoom]byte
	b := appendInt32(append(room[:0], familyToken), day)
	b = appendText(b, string(call.Account))
	b = appendText(b, call.Region)
	return string(appendText(b, call.Token.Value))
}

// Bound finds what the call's token is bound to. Tokens are filed by day, so that
// a day can be let go whole; a token is looked up under every day that is kept.
func (l ledger) Bound() (hash [32]byte, answer metering.ID, ok bool, err error) {
	for _, day := range l.days {
		key := tokenKey(day, &l.r.call)
		fields, ok, err := l.get(key)
		if err != nil {
			return hash, answer, false, err
		}
		if ok {
			b, err := decodeBinding(key, fields)
			return b.hash, b.answer, err == nil, err
		}
	}
	return hash, answer, false, nil
}

// Bind files the call's token under the call's day.
func (l ledger) Bind(answer metering.ID) error {
	call := &l.r.call
	day := store.Day(call.At)
	if i, ok := slices.BinarySearchFunc(l.days, day, func(a, b int32) int { return int(b) - int(a) }); !ok {
		// Should the call still be dropped, the day has no tokens: no harm.
		l.days = slices.Insert(l.days, i, day)
	}
	return l.put(tokenKey(day, call), func(e *encoder) {
		encodeBinding(e, &binding{call.Token.Hash, answer})
	})
}

func admissionKey(a *store.Admission) string {
	var room [keyRoom]byte
	b := appendText(append(room[:0], familyAdmission), string(a.Account))
	b = appendText(b, a.Workload)
	return string(appendText(b, string(a.Product)))
}

// Admit writes the call's admission, unless it is there.
func (l ledger) Admit() error {
	key := admissionKey(l.r.call.Admission)
	if _, ok := l.admitted[key]; ok {
		return nil
	}
	_, ok, err := l.get(key)
	if err != nil {
		return err
	}
	if !ok {
		return l.put(key, func(*encoder) {})
	}
	if _, inGroup := l.overlay[key]; !inGroup { // else it may still be dropped
		if len(l.admitted) >= maxAdmitted {
			clear(l.admitted)
		}
		l.admitted[key] = struct{}{}
	}
	return nil
}

// maxAdmitted bounds the admissions that are remembered.
const maxAdmitted = 1 << 14

func redemptionKey(token [32]byte) string {
	return string(append([]byte{familyRedemption}, token[:]...))
}

// Redeemed finds who has resolved the call's registration token.
func (l ledger) Redeemed() (r store.Redeemed, ok bool, err error) {
	key := redemptionKey(l.r.call.Redemption.Token)
	fields, ok, err := l.get(key)
	if err != nil || !ok {
		return r, false, err
	}
	r, err = decodeRedeemed(key, fields)
	return r, err == nil, err
}

// Redeem replaces who has resolved it.
func (l ledger) Redeem(r store.Redeemed) error {
	return l.put(redemptionKey(l.r.call.Redemption.Token), func(e *encoder) { encodeRedeemed(e, &r) })
}

// Leave writes what After has added.
func (l ledger) Leave(rest *store.Rest) error {
	var room [keyRoom]byte
	if ev := rest.Event; ev != nil {
		l.fields = store.AppendEvent(l.fields[:0], ev)
		l.chain.Link(ev, l.fields)
		if err := putEvent(l.leave, ev, l.fields); err != nil {
			return err
		}
	}
	for i := range rest.Refusals {
		r := &rest.Refusals[i]
		key := stampKey(appendText(append(room[:0], familyRefusal), string(r.Seller)), r.Time, r.ID)
		if err := l.leave(key, func(e *encoder) { encodeRefusal(e, r) }); err != nil {
			return err
		}
	}
	return nil
}

// stampKey ends the key of something that happened: its time and its id.
func stampKey(prefix []byte, t time.Time, id metering.ID) string {
	return string(append(appendTime(prefix, t), id[:]...))
}
