package embedded

import (
	"errors"
	"fmt"
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
	call, out := &r.call, &r.outcome
	if call.Token != nil {
		bound, ok, err := c.bound(call)
		switch {
		case err != nil:
			return err
		case ok && bound.hash != call.Token.Hash:
			return fmt.Errorf("%w: the ClientToken was used with other parameters", metering.ErrIdempotencyConflict)
		case ok:
			out.Answer = &bound.answer
		}
	}
	if out.Answer == nil {
		if err := c.hold(r); err != nil {
			return err
		}
	}
	if err := c.admit(call.Admission); err != nil {
		return err
	}
	if err := c.redeem(call); err != nil {
		return err
	}
	if err := c.register(call, out); err != nil {
		return err
	}
	if call.After == nil {
		return nil
	}
	rest, err := finish(call.After, *out)
	if err != nil {
		return err
	}
	return c.rest(call, out, &rest)
}

// finish runs After. The committer serves others too: a panic is this call's
// error.
func finish(after func(store.Outcome) (store.Rest, error), out store.Outcome) (rest store.Rest, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("embedded: After panicked: %v", p)
		}
	}()
	return after(out)
}

// hold gives each record its key if it is free, and finds the holder if not.
func (c *committer) hold(r *request) error {
	r.outcome.Holders = make([]metering.Record, len(r.records))
	for i, record := range r.records {
		fields, held, err := c.get(record.key)
		switch {
		case err != nil:
			return err
		case !held:
			c.set(record)
			r.outcome.Holders[i] = r.call.Records[i]
		default:
			if r.outcome.Holders[i], err = decodeRecord(record.key, fields); err != nil {
				return err
			}
		}
	}
	return nil
}

func dayOf(t time.Time) int32 { return int32(metering.HourOf(t) / 24) }

func tokenKey(day int32, call *store.Call) string {
	b := appendInt32([]byte{familyToken}, day)
	b = appendText(b, string(call.Account))
	b = appendText(b, call.Region)
	return string(appendText(b, call.Token.Value))
}

// bound finds what a call's token is bound to. Tokens are filed by day, so that
// a day can be let go whole; a token is looked up under every day that is kept.
func (c *committer) bound(call *store.Call) (binding, bool, error) {
	for _, day := range c.days {
		key := tokenKey(day, call)
		fields, ok, err := c.get(key)
		if err != nil {
			return binding{}, false, err
		}
		if ok {
			b, err := decodeBinding(key, fields)
			return b, err == nil, err
		}
	}
	return binding{}, false, nil
}

func (c *committer) bind(call *store.Call, answer metering.ID) error {
	day := dayOf(call.At)
	if i, ok := slices.BinarySearchFunc(c.days, day, func(a, b int32) int { return int(b) - int(a) }); !ok {
		// Should the call still be dropped, the day has no tokens: no harm.
		c.days = slices.Insert(c.days, i, day)
	}
	return c.put(tokenKey(day, call), func(e *encoder) {
		encodeBinding(e, &binding{call.Token.Hash, answer})
	})
}

func admissionKey(a *store.Admission) string {
	b := appendText([]byte{familyAdmission}, string(a.Account))
	b = appendText(b, a.Workload)
	return string(appendText(b, string(a.Product)))
}

func (c *committer) admit(a *store.Admission) error {
	if a == nil {
		return nil
	}
	key := admissionKey(a)
	if _, ok, err := c.get(key); ok || err != nil {
		return err
	}
	return c.put(key, func(*encoder) {})
}

func redemptionKey(token [32]byte) string {
	return string(append([]byte{familyRedemption}, token[:]...))
}

// redeem writes down that the calling account has resolved a registration token.
// Calls may come out of order: the last one is the one of the latest time.
func (c *committer) redeem(call *store.Call) error {
	if call.Redemption == nil {
		return nil
	}
	key := redemptionKey(call.Redemption.Token)
	fields, again, err := c.get(key)
	if err != nil {
		return err
	}
	r := store.Redeemed{Account: call.Account, First: call.At}
	if again {
		if r, err = decodeRedeemed(key, fields); err != nil {
			return err
		}
		if r.Account != call.Account {
			return fmt.Errorf("embedded: a registration token of account %s in a call of account %s", r.Account, call.Account)
		}
	}
	if !again || !call.At.Before(r.Last) {
		r.Last, r.KeyID = call.At, call.Redemption.KeyID
	}
	r.Count++
	return c.put(key, func(e *encoder) { encodeRedeemed(e, &r) })
}

// rest writes what After has added.
func (c *committer) rest(call *store.Call, out *store.Outcome, rest *store.Rest) error {
	if rest.Bind != nil {
		if call.Token == nil {
			return errors.New("embedded: After binds a token and the call has none")
		}
		if out.Answer == nil {
			if err := c.bind(call, *rest.Bind); err != nil {
				return err
			}
		}
	}
	if ev := rest.Event; ev != nil {
		if ev.Account != call.Account {
			return fmt.Errorf("embedded: an event of account %s in a call of account %s", ev.Account, call.Account)
		}
		if err := checkText(string(ev.Operation)); err != nil {
			return err
		}
		key := stampKey(appendText([]byte{familyEvent}, string(ev.Account)), ev.Time, ev.ID)
		if err := c.put(key, func(e *encoder) { encodeEvent(e, ev) }); err != nil {
			return err
		}
		b := appendText([]byte{familyByOperation}, string(ev.Account))
		b = appendText(b, string(ev.Operation))
		if err := c.put(stampKey(b, ev.Time, ev.ID), func(*encoder) {}); err != nil {
			return err
		}
	}
	for i := range rest.Refusals {
		r := &rest.Refusals[i]
		if r.Account != call.Account {
			return fmt.Errorf("embedded: a refusal of account %s in a call of account %s", r.Account, call.Account)
		}
		if err := checkText(string(r.Seller)); err != nil {
			return err
		}
		key := stampKey(appendText([]byte{familyRefusal}, string(r.Seller)), r.Time, r.ID)
		if err := c.put(key, func(e *encoder) { encodeRefusal(e, r) }); err != nil {
			return err
		}
	}
	return nil
}

// stampKey ends the key of something that happened: its time and its id.
func stampKey(prefix []byte, t time.Time, id metering.ID) string {
	return string(append(appendTime(prefix, t), id[:]...))
}
