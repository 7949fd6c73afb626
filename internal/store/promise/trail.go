package promise

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Trail is where the events are. A query of no account asks for every event there
// is.
type Trail interface {
	Events(ctx context.Context, q store.EventQuery) (store.Page[store.Event], error)
}

// CheckTrail is the other half of I5: records and events never part. Every record
// was made by exactly one event, of the account that reported it, and every record
// that an event says it made is there as it says. It is asked for apart, since not
// all that is a Ledger shows events, and of a trail that nothing has expired of.
func CheckTrail(ctx context.Context, l Ledger, t Trail) ([]Violation, error) {
	j := &judge{keys: make(map[metering.Key]*place), ids: make(map[metering.ID]*metering.Record)}
	if err := j.read(ctx, l); err != nil {
		return nil, err
	}
	makers := make(map[metering.ID]int)
	for q := (store.EventQuery{}); ; {
		page, err := t.Events(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			j.makes(&page.Items[i], makers)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	for _, key := range j.order {
		if r := j.keys[key].record; makers[r.ID] != 1 {
			j.say("I5", "%d events of account %s made record %s: %s", makers[r.ID], key.Account, r.ID, name(key))
		}
	}
	return j.found, nil
}

// CheckStore is Check and CheckTrail of one store.
func (h *History) CheckStore(ctx context.Context, s interface {
	Ledger
	Trail
},
) ([]Violation, error) {
	found, err := h.Check(ctx, s)
	if err != nil {
		return nil, err
	}
	trail, err := CheckTrail(ctx, s, s)
	return append(found, trail...), err
}

// makes holds what an event says it made against what is there.
func (j *judge) makes(ev *store.Event, makers map[metering.ID]int) {
	for i := range ev.Records {
		made, ok := ev.Made(i)
		if !ok {
			continue
		}
		said, r := &ev.Records[i], j.ids[made.ID]
		switch {
		case r == nil:
			j.say("I5", "event %s made record %s, which is not there: %s", ev.ID, made.ID, name(made.Key))
		case r.Key != made.Key || !r.Timestamp.Equal(made.Timestamp) || r.Quantity != made.Quantity ||
			len(r.Allocations) != said.Allocations || store.SumAllocations(r.Allocations) != said.AllocationsSum:
			j.say("I5", "event %s made record %s as %+v, and it is %+v", ev.ID, made.ID, made, *r)
		}
		makers[made.ID]++
	}
}

// EventOf is the event of a call of one product, as the wire's door leaves it.
func EventOf(c *store.Call, out store.Outcome, id metering.ID) *store.Event {
	ev := &store.Event{ID: id, Time: c.At, Account: c.Account, Operation: metering.BatchMeterUsage, Region: c.Region}
	if out.Answer != nil {
		ev.Records = []store.EventRecord{{ID: *out.Answer, Status: metering.Success}}
		return ev
	}
	for i, holder := range out.Holders {
		r := &c.Records[i]
		told := store.EventRecord{
			ID: holder.ID, Status: metering.StatusOf(r, holder, metering.Rulings{}), Timestamp: r.Timestamp,
			Dimension: r.Key.Dimension, Quantity: r.Quantity, Buyer: r.Key.Buyer(), Allocations: len(r.Allocations),
		}
		ev.Product = r.Key.Product
		switch _, rest, _ := strings.Cut(r.Key.Party, "/"); r.Key.Kind {
		case metering.KindLegacy, metering.KindRuntime:
		case metering.KindLicense:
			told.LicenseARN = rest
		case metering.KindResource:
			ev.Caller.Workload = rest
		}
		if holder.ID == r.ID {
			told.Kind, told.AllocationsSum = r.Key.Kind, store.SumAllocations(r.Allocations)
		}
		ev.Records = append(ev.Records, told)
	}
	return ev
}

// traced is the call with an event of its own, if its After leaves none.
func (a *Attempt) traced(c store.Call) store.Call {
	var id metering.ID
	id[0] = 0xe0 // no record's
	binary.BigEndian.PutUint64(id[8:], uint64(a.sent))
	after, call := c.After, c
	c.After = func(out store.Outcome) (rest store.Rest, err error) {
		if after != nil {
			rest, err = after(out)
		}
		if err == nil && rest.Event == nil {
			rest.Event = EventOf(&call, out, id)
		}
		return rest, err
	}
	return c
}
