package embedded_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/promise"
)

// asked is a message on its way through the service: what the wire's door makes of
// it, without the wire.
type asked struct {
	message *message
	attempt *promise.Attempt
	call    store.Call
	offered []int // which of the message's records each record of the call is
	refused bool  // by a rule, before the store was asked
	gaveUp  bool  // its caller
}

// commit serves messages, all in one commit, and answers them.
func (d *day) commit(messages []*message) {
	calls, waiting := d.calls(messages)
	for i, told := range d.store.Commit(calls, nil) {
		d.answer(waiting[i], told)
	}
	d.counts["commits"]++
}

// calls are the calls of those messages that the rules let through.
func (d *day) calls(messages []*message) (calls []embedded.Asked, waiting []*asked) {
	for _, m := range messages {
		a := d.serve(m)
		if a.refused {
			a.attempt.Refuse()
			continue
		}
		ctx := context.Background()
		if d.rand.IntN(40) == 0 {
			gone, cancel := context.WithCancel(ctx)
			cancel()
			ctx, a.gaveUp = gone, true
		}
		calls = append(calls, embedded.Asked{Context: ctx, Call: a.call})
		waiting = append(waiting, a)
	}
	return calls, waiting
}

// serve applies the rules, in the order of the wire's door.
func (d *day) serve(m *message) *asked {
	if m.caller != nil {
		return d.serveMeter(m)
	}
	a := &asked{message: m}
	claims := make([]metering.Claim, len(m.usage))
	promised := make([]promise.Claim, len(m.usage))
	var err error
	for i := range m.usage {
		u := &m.usage[i]
		agreement := d.agreementOf(u.Account)
		var bad error
		if u.LicenseARN != "" {
			claims[i], bad = metering.ClaimByLicense(u, agreement, &d.product, false, d.now, metering.Rulings{})
		} else {
			claims[i], bad = metering.ClaimBySubscription(u, u.Account, &d.product, []*metering.Agreement{agreement}, false, d.now, metering.Rulings{})
		}
		if bad != nil && claims[i].UsageRecord == nil {
			claims[i] = metering.Claim{UsageRecord: u, Buyer: u.Account}
		}
		err = errors.Join(err, bad)
		r := metering.BatchRecord(metering.ID{}, simSeller, simRegion, &d.product, claims[i], d.now)
		promised[i] = promise.ClaimOf(&r)
	}
	a.attempt = d.history.Send(simSeller, promised...)
	if err == nil {
		err = metering.CheckUsage(&d.product, metering.BatchMeterUsageWindow, claims, d.now, metering.Rulings{})
	}
	if err != nil {
		d.say("batch of %d: %v", len(claims), err)
		a.refused = true
		return a
	}
	a.call = store.Call{Account: simSeller, Region: simRegion, At: d.now}
	for i := range claims {
		if claims[i].Subscribed {
			a.offered = append(a.offered, i)
			a.call.Records = append(a.call.Records, metering.BatchRecord(d.newID(), simSeller, simRegion, &d.product, claims[i], d.now))
		}
	}
	a.call.After = d.event(a.call, metering.BatchMeterUsage, nil)
	return a
}

func (d *day) serveMeter(m *message) *asked {
	a := &asked{message: m}
	u := &m.usage[0]
	record := metering.MeterRecord(d.newID(), *m.caller, simRegion, &d.product, u, d.now)
	claim := promise.ClaimOf(&record)
	if m.token != "" {
		a.attempt = d.history.SendToken(m.caller.Account, simRegion, m.token, claim)
	} else {
		a.attempt = d.history.Send(m.caller.Account, claim)
	}
	claims := []metering.Claim{{UsageRecord: u, Buyer: m.caller.Account, Subscribed: true}}
	if err := metering.CheckUsage(&d.product, metering.MeterUsageWindow, claims, d.now, metering.Rulings{}); err != nil {
		d.say("call: %v", err)
		a.refused = true
		return a
	}
	a.call = store.Call{Account: m.caller.Account, Region: simRegion, At: d.now, Records: []metering.Record{record}}
	if m.token != "" {
		a.call.Token = &store.Token{Value: m.token, Hash: sha256.Sum256(fmt.Append(nil, m.caller.Resource(), u))}
	}
	a.call.After = d.event(a.call, metering.MeterUsage, &record)
	return a
}

// event is the After of a call: its event, its token, and for MeterUsage the
// refusal of what another record holds.
func (d *day) event(c store.Call, op metering.Operation, record *metering.Record) func(store.Outcome) (store.Rest, error) {
	id, fails := d.newID(), d.rand.IntN(60) == 0
	return func(out store.Outcome) (store.Rest, error) {
		if fails { // it drops the call, whatever that would have written
			return store.Rest{}, errDisk
		}
		ev := promise.EventOf(&c, out, id)
		ev.Operation = op
		rest := store.Rest{Event: ev}
		if out.Answer != nil {
			return rest, nil
		}
		if record != nil {
			holder := out.Holders[0]
			if metering.StatusOf(record, holder, metering.Rulings{}) != metering.Success {
				return store.Rest{}, metering.ErrDuplicateRequest
			}
			if c.Token != nil {
				rest.Bind = &holder.ID
			}
		}
		return rest, nil
	}
}

func (d *day) agreementOf(buyer metering.AccountID) *metering.Agreement {
	for i := range d.agreements {
		if d.agreements[i].Buyer == buyer {
			return &d.agreements[i]
		}
	}
	return nil
}

// plain is an error without the name of the file that failed: Pebble numbers its
// files in the background, and those numbers are not the seed's.
func (d *day) plain(err error) error {
	switch {
	case errors.Is(err, store.ErrUnknown):
		return store.ErrUnknown
	case d.store.Err() != nil:
		return errDisk
	}
	return err
}

// answer brings the client what it is told, if it gets there.
func (d *day) answer(a *asked, told embedded.Answered) {
	unknown := errors.Is(told.Err, store.ErrUnknown)
	lost := d.rand.IntN(30) == 0 && told.Err == nil // on the way back
	d.say("%s of %d: %d holders, error %v, lost %t", a.call.Account, len(a.message.usage), len(told.Outcome.Holders), d.plain(told.Err), lost)
	switch {
	case a.gaveUp && told.Err == nil:
		d.problem("a caller that was gone before the commit was answered: %+v", told.Outcome)
	case unknown || lost:
		d.lost = append(d.lost, a.message)
		return
	case a.message.caller != nil || told.Err != nil:
		a.attempt.Settle(a.call, told.Outcome, told.Err)
		return
	}
	verdicts := make([]promise.Told, len(a.message.usage))
	for i := range verdicts {
		verdicts[i] = promise.Told{Record: i, Verdict: promise.Refused} // CustomerNotSubscribed
	}
	for i, at := range a.offered {
		holder := told.Outcome.Holders[i]
		v := promise.Told{Record: at, Verdict: promise.Duplicate, Holder: holder}
		if metering.StatusOf(&a.call.Records[i], holder, metering.Rulings{}) == metering.Success {
			v.Verdict, v.ID = promise.Accepted, holder.ID
		}
		verdicts[at] = v
	}
	a.attempt.Answer(verdicts...)
}
