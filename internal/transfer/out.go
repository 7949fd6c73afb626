package transfer

import (
	"fmt"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// lineOf is an item as it is written, its secret sealed under keys, if there are
// any.
func lineOf(item *store.Item, keys *envelope.Keys) (l line, err error) {
	switch {
	case item.Revision != nil:
		l.Revision, err = outRevision(item.Revision, keys)
	case item.Record != nil:
		l.Record = outRecord(item.Record)
	case item.Binding != nil:
		b := item.Binding
		l.ClientToken = &clientToken{string(b.Account), b.Region, b.Token.Value, b.Token.Hash, b.Day, id(b.Answer)}
	case item.Admission != nil:
		a := item.Admission
		l.Admission = &admission{string(a.Account), a.Workload, string(a.Product)}
	case item.Registration != nil:
		r := item.Registration
		l.Registration = &registration{
			ID: id(r.ID), Product: string(r.Product), Account: string(r.Account), Workload: r.Workload, Platform: string(r.Platform), Region: r.Region,
			Heartbeat: int64(r.Heartbeat), Started: r.Started, LastSeen: r.LastSeen, Stopped: r.Stopped, Last: r.Last,
		}
	case item.Redemption != nil:
		r := item.Redemption
		l.Redemption = &redemption{r.Token, string(r.Account), r.KeyID, r.First, r.Last, r.Count}
	case item.Event != nil:
		l.Event = outEvent(item.Event)
	case item.Refusal != nil:
		l.Refusal = outRefusal(item.Refusal)
	case item.Floor != nil:
		l.Floor = outFloor(item.Floor)
	case item.Digest != nil:
		l.Digest = outDigest(item.Digest)
	}
	return l, err
}

func outRevision(r *store.CarriedRevision, keys *envelope.Keys) (*revision, error) {
	out := &revision{Kind: string(r.Ref.Kind), Name: r.Ref.Name, Number: r.Number, By: r.By, At: r.At}
	if r.Entry == nil {
		return out, nil
	}
	var err error
	if out.Entry, err = store.EncodeEntry(r.Entry, keys); err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Ref.Kind, r.Ref.Name, err)
	}
	return out, nil
}

func outKey(k *metering.Key) key {
	return key{keyKind(k.Kind), string(k.Account), k.Region, string(k.Product), k.Party, k.Dimension, int32(k.Hour)}
}

func outRecord(r *metering.Record) *record {
	out := &record{ID: id(r.ID), Key: outKey(&r.Key), Timestamp: r.Timestamp, Received: r.Received, Workload: r.Workload, Quantity: r.Quantity}
	for i := range r.Allocations {
		a := allocation{Quantity: r.Allocations[i].Quantity}
		for _, t := range r.Allocations[i].Tags {
			a.Tags = append(a.Tags, tag(t))
		}
		out.Allocations = append(out.Allocations, a)
	}
	return out
}

func outRefusal(r *store.Refusal) *refusal {
	out := &refusal{
		ID: id(r.ID), Time: r.Time, Seller: string(r.Seller), Account: string(r.Account), KeyID: r.KeyID, Region: r.Region,
		Operation: string(r.Operation), RequestID: r.RequestID, Product: string(r.Product), Reason: r.Reason, Detail: r.Detail,
	}
	if rec := r.Record; rec != nil {
		out.Record = &refusedRecord{Key: outKey(&rec.Key), Timestamp: rec.Timestamp, Quantity: rec.Quantity}
		if rec.Held != nil {
			out.Record.Held = &held{id(rec.Held.ID), rec.Held.Quantity}
		}
	}
	return out
}
