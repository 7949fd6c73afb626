package transfer

import (
	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// item is what a line says; ok is false if it is no item's.
func (l *line) item(keys *envelope.Keys) (item store.Item, ok bool, err error) {
	switch {
	case l.Revision != nil:
		item.Revision, err = l.Revision.store(keys)
	case l.Record != nil:
		item.Record = l.Record.metering()
	case l.Token != nil:
		t := l.Token
		item.Binding = &store.Binding{
			Account: metering.AccountID(t.Account), Region: t.Region, Token: store.Token{Value: t.Value, Hash: t.Hash},
			Day: t.Day, Answer: metering.ID(t.Answer),
		}
	case l.Admission != nil:
		a := l.Admission
		item.Admission = &store.Admission{Account: metering.AccountID(a.Account), Workload: a.Workload, Product: metering.ProductCode(a.Product)}
	case l.Registration != nil:
		r := l.Registration
		item.Registration = &store.CarriedRegistration{Last: r.Last, Registration: metering.Registration{
			ID: metering.ID(r.ID), Product: metering.ProductCode(r.Product), Account: metering.AccountID(r.Account),
			Workload: r.Workload, Platform: metering.Platform(r.Platform), Region: r.Region,
			Heartbeat: r.Heartbeat, Started: r.Started, LastSeen: r.LastSeen, Stopped: r.Stopped,
		}}
	case l.Redemption != nil:
		r := l.Redemption
		item.Redemption = &store.CarriedRedemption{Token: r.Token, Redeemed: store.Redeemed{
			Account: metering.AccountID(r.Account), KeyID: r.KeyID, First: r.First, Last: r.Last, Count: r.Count,
		}}
	case l.Event != nil:
		item.Event = l.Event.store()
	case l.Refusal != nil:
		item.Refusal = l.Refusal.store()
	default:
		return item, false, nil
	}
	return item, err == nil, err
}

func (r *revision) store(keys *envelope.Keys) (*store.CarriedRevision, error) {
	carried := store.CarriedRevision{
		Ref:      store.Ref{Kind: r.Kind, Name: r.Name},
		Revision: store.Revision{Number: r.Revision, By: r.By, At: r.At},
	}
	if r.Entry == nil {
		return &carried, nil
	}
	var err error
	carried.Entry, _, err = store.DecodeEntry(r.Kind, r.Entry, keys)
	return &carried, err
}

func (r *record) metering() *metering.Record {
	made := metering.Record{
		ID: metering.ID(r.ID), Key: r.Key.metering(), Timestamp: r.Timestamp, Received: r.Received,
		Workload: r.Workload, Quantity: r.Quantity,
	}
	for _, a := range r.Allocations {
		part := metering.Allocation{Quantity: a.Quantity}
		for _, t := range a.Tags {
			part.Tags = append(part.Tags, metering.Tag(t))
		}
		made.Allocations = append(made.Allocations, part)
	}
	return &made
}

func (e *event) store() *store.Event {
	made := store.Event{
		ID: metering.ID(e.ID), Time: e.Time, Account: metering.AccountID(e.Account), Operation: metering.Operation(e.Operation),
		RequestID: e.RequestID, KeyID: e.KeyID, Region: e.Region,
	}
	for _, r := range e.Records {
		made.Records = append(made.Records, metering.ID(r))
	}
	return &made
}

func (r *refusal) store() *store.Refusal {
	made := store.Refusal{
		ID: metering.ID(r.ID), Time: r.Time, Seller: metering.AccountID(r.Seller), Account: metering.AccountID(r.Account),
		KeyID: r.KeyID, Region: r.Region, Operation: metering.Operation(r.Operation), RequestID: r.RequestID,
		Product: metering.ProductCode(r.Product), Reason: r.Reason, Detail: r.Detail,
	}
	if rec := r.Record; rec != nil {
		made.Record = &store.RefusedRecord{Key: rec.Key.metering(), Timestamp: rec.Timestamp, Quantity: rec.Quantity}
		if rec.Held != nil {
			made.Record.Held = &store.Held{ID: metering.ID(rec.Held.ID), Quantity: rec.Held.Quantity}
		}
	}
	return &made
}
