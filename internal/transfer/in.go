package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// item is what the line was made of, its secret opened with keys.
func (l *line) item(keys *envelope.Keys) (item store.Item, err error) {
	switch {
	case l.Revision != nil:
		item.Revision, err = l.Revision.item(keys)
	case l.Record != nil:
		item.Record = l.Record.item()
	case l.ClientToken != nil:
		t := l.ClientToken
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
			ID: metering.ID(r.ID), Product: metering.ProductCode(r.Product), Account: metering.AccountID(r.Account), Workload: r.Workload,
			Platform: metering.Platform(r.Platform), Region: r.Region, Heartbeat: time.Duration(r.Heartbeat),
			Started: store.Instant(r.Started), LastSeen: store.Instant(r.LastSeen), Stopped: store.Instant(r.Stopped),
		}}
	case l.Redemption != nil:
		r := l.Redemption
		item.Redemption = &store.CarriedRedemption{Token: r.Token, Redeemed: store.Redeemed{
			Account: metering.AccountID(r.Account), KeyID: r.KeyID, First: store.Instant(r.First), Last: store.Instant(r.Last), Count: r.Count,
		}}
	case l.Event != nil:
		item.Event = l.Event.item()
	case l.Refusal != nil:
		item.Refusal = l.Refusal.item()
	case l.Floor != nil:
		item.Floor = l.Floor.item()
	case l.Digest != nil:
		item.Digest = l.Digest.item()
	}
	if err != nil {
		return store.Item{}, err
	}
	return item, item.Check()
}

func (r *revision) item(keys *envelope.Keys) (*store.CarriedRevision, error) {
	in := &store.CarriedRevision{
		Ref:      store.Ref{Kind: store.Kind(r.Kind), Name: r.Name},
		Revision: store.Revision{Number: r.Number, By: r.By, At: store.Instant(r.At)},
	}
	if r.Entry == nil {
		return in, nil
	}
	e, _, err := store.DecodeEntry(in.Ref.Kind, r.Entry, keys)
	if err != nil {
		return nil, err
	}
	in.Entry = e
	return in, r.sameAs(e)
}

// secrets are the members of entries that hold a secret, which may be sealed.
var secrets = map[store.Kind]string{store.KindCredential: "Secret", store.KindSigningKey: "Private", store.KindSessionKey: "Secret"}

// sameAs refuses an entry of which something was lost in reading it: a field that
// this meterd does not know must not be dropped in silence.
func (r *revision) sameAs(e store.Entry) error {
	again, err := store.EncodeEntry(e, nil)
	if err != nil {
		return err
	}
	var was, is map[string]jsontext.Value
	if err := errors.Join(json.Unmarshal(r.Entry, &was), json.Unmarshal(again, &is)); err != nil {
		return err
	}
	secret := secrets[store.Kind(r.Kind)]
	for name, value := range was {
		now := is[name]
		if now == nil {
			return fmt.Errorf("%s %s has a field %q, which is not known here", r.Kind, r.Name, name)
		}
		if name == secret {
			continue
		}
		if err := errors.Join(value.Canonicalize(), now.Canonicalize()); err != nil {
			return err
		}
		if !bytes.Equal(value, now) {
			return fmt.Errorf("%s %s: %s is %s and is read as %s", r.Kind, r.Name, name, value, now)
		}
	}
	if len(was) != len(is) {
		return fmt.Errorf("%s %s has not all its fields", r.Kind, r.Name)
	}
	return nil
}

func (k *key) item() metering.Key {
	return metering.Key{
		Kind: metering.KeyKind(k.Kind), Account: metering.AccountID(k.Account), Region: k.Region, Product: metering.ProductCode(k.Product),
		Party: k.Party, Dimension: k.Dimension, Hour: metering.Hour(k.Hour),
	}
}

func (r *record) item() *metering.Record {
	in := &metering.Record{
		ID: metering.ID(r.ID), Key: r.Key.item(), Timestamp: store.Instant(r.Timestamp), Received: store.Instant(r.Received),
		Workload: r.Workload, Quantity: r.Quantity,
	}
	if n := len(r.Allocations); n > 0 {
		in.Allocations = make([]metering.Allocation, n)
	}
	for i := range r.Allocations {
		a := &in.Allocations[i]
		a.Quantity = r.Allocations[i].Quantity
		for _, t := range r.Allocations[i].Tags {
			a.Tags = append(a.Tags, metering.Tag(t))
		}
	}
	return in
}

func (r *refusal) item() *store.Refusal {
	in := &store.Refusal{
		ID: metering.ID(r.ID), Time: store.Instant(r.Time), Seller: metering.AccountID(r.Seller), Account: metering.AccountID(r.Account), KeyID: r.KeyID, Region: r.Region,
		Operation: metering.Operation(r.Operation), RequestID: r.RequestID, Product: metering.ProductCode(r.Product), Reason: r.Reason, Detail: r.Detail,
	}
	if rec := r.Record; rec != nil {
		in.Record = &store.RefusedRecord{Key: rec.Key.item(), Timestamp: store.Instant(rec.Timestamp), Quantity: rec.Quantity}
		if rec.Held != nil {
			in.Record.Held = &store.Held{ID: metering.ID(rec.Held.ID), Quantity: rec.Held.Quantity}
		}
	}
	return in
}
