package embedded

import (
	"encoding/binary"
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
		if r.Seller != call.Account {
			return fmt.Errorf("embedded: a refusal of seller %s in a call of account %s", r.Seller, call.Account)
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

func entryKey(ref store.Ref) string {
	b := appendText([]byte{familyEntry}, string(ref.Kind))
	return string(appendText(b, ref.Name))
}

func historyPrefix(ref store.Ref) []byte {
	return appendText(appendText([]byte{familyHistory}, string(ref.Kind)), ref.Name)
}

// decideChange settles what a change of the catalogue writes.
func (c *committer) decideChange(g *group, r *request) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	for i, e := range r.change.entries {
		ref, now := e.Ref(), r.change.encoded[i]
		key := entryKey(ref)
		fields, ok, err := c.get(key)
		if err != nil {
			return err
		}
		if ok {
			was, err := decodeVersion(key, fields)
			if err != nil {
				return err
			}
			if was.entry == now {
				continue
			}
		}
		c.revision++
		v := version{number: c.revision, by: r.change.by, at: r.change.at, entry: now}
		old := string(binary.BigEndian.AppendUint64(historyPrefix(ref), uint64(v.number)))
		for _, key := range []string{key, old} {
			if err := c.put(key, func(e *encoder) { encodeVersion(e, &v) }); err != nil {
				return err
			}
		}
		g.entries = append(g.entries, e)
	}
	r.revision = c.revision
	return nil
}
