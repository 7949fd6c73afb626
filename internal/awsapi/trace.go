package awsapi

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// traced is an input that an event can tell of.
type traced interface{ trace(ev *store.Event) }

// event is the trace that the call leaves: who asked, and what for as far as it
// was read. What was told is for the operation to add.
func (s *Service) event(req *request) *store.Event {
	req.traced = true
	if untraced {
		return &store.Event{Records: make([]store.EventRecord, maxRecords)}
	}
	ev := s.Callers.Event(&req.signer, req.from)
	ev.ID, ev.Time, ev.Operation, ev.RequestID = s.NewID(), req.now, req.op, req.uid
	ev.Product = req.product
	if req.input != nil {
		req.input.trace(&ev)
	}
	return &ev
}

// refusedEvent is the trace of a call that was refused. What it asked for may not
// have been checked: it is cut.
func (s *Service) refusedEvent(req *request, name, message string) *store.Event {
	ev := s.event(req)
	ev.Error, ev.Message = name, message
	for i := range ev.Asked {
		ev.Asked[i].Value = caller.Text(ev.Asked[i].Value)
	}
	for i := range ev.Records {
		r := &ev.Records[i]
		if store.CheckTime(r.Timestamp) != nil {
			r.Timestamp = time.Time{}
		}
		r.Dimension, r.LicenseARN = caller.Text(r.Dimension), caller.Text(r.LicenseARN)
		r.Buyer, r.Customer = metering.AccountID(caller.Text(string(r.Buyer))), metering.CustomerID(caller.Text(string(r.Customer)))
	}
	return ev
}

// leave writes what a call leaves that had nothing to write: its event, and its
// workload's sign of life. A store that is nearly full is read on without.
func (s *Service) leave(ctx context.Context, req *request) error {
	call := store.Call{Account: req.caller.Account, Region: req.region, At: req.now}
	if !req.beaten {
		call.Registration = req.alive()
	}
	ev := s.event(req)
	call.After = func(store.Outcome) (store.Rest, error) { return store.Rest{Event: ev}, nil }
	_, err := s.append(ctx, req, call)
	if errors.Is(err, store.ErrNoRoom) {
		s.Log.ErrorContext(ctx, "event not kept", "request_id", req.id, "error", err)
		return nil
	}
	return err
}

func productAsked(ev *store.Event, code string) {
	ev.Asked = append(ev.Asked, store.Detail{Name: "productCode", Value: code})
}

// batchRest is the event of a batch, and a refusal for each record that was
// answered but not counted.
func (s *Service) batchRest(req *request, claims []metering.Claim, results []usageRecordResult) store.Rest {
	var rest store.Rest
	rest.Event = s.event(req)
	for i := range results {
		r := &results[i]
		told := &rest.Event.Records[i]
		told.ID, told.Status, told.Buyer = r.id, r.status, claims[i].Buyer
		if r.made != nil {
			told.Kind, told.AllocationsSum = r.made.Key.Kind, store.SumAllocations(r.made.Allocations)
		}
		if r.status == metering.Success {
			continue
		}
		record := &store.RefusedRecord{Key: *r.key, Timestamp: claims[i].Timestamp, Quantity: claims[i].Quantity}
		if r.held != nil {
			record.Held = &store.Held{ID: r.held.ID, Quantity: r.held.Quantity}
		}
		rest.Refusals = append(rest.Refusals, store.Refusal{
			ID: s.NewID(), Time: req.now, Seller: req.caller.Account, Account: req.caller.Account, KeyID: req.caller.KeyID,
			Region: req.region, Operation: req.op, RequestID: req.id, Product: r.key.Product, Reason: string(r.status), Record: record,
		})
	}
	return rest
}

func (in *batchMeterUsageInput) trace(ev *store.Event) {
	if in.productCode.Set {
		productAsked(ev, in.productCode.Value)
	}
	ev.Records = make([]store.EventRecord, len(in.records))
	for i := range in.records {
		r := &in.records[i]
		ev.Records[i] = store.EventRecord{
			Timestamp: r.timestamp.Value.Time, Dimension: r.dimension.Value, Quantity: r.quantity.Value,
			Buyer: metering.AccountID(r.account.Value), Customer: metering.CustomerID(r.customer.Value), LicenseARN: r.licenseARN.Value,
			Allocations: len(r.allocations.Value),
		}
	}
}

func (in *meterUsageInput) trace(ev *store.Event) {
	productAsked(ev, in.productCode.Value)
	if in.dryRun.Set {
		ev.Asked = append(ev.Asked, store.Detail{Name: "dryRun", Value: strconv.FormatBool(in.dryRun.Value)})
	}
	ev.Records = []store.EventRecord{{
		Timestamp: in.timestamp.Value.Time, Dimension: in.dimension.Value, Quantity: in.quantity.Value, Buyer: ev.Account,
		Allocations: len(in.allocations.Value),
	}}
}

func (in *registerUsageInput) trace(ev *store.Event) {
	productAsked(ev, in.productCode.Value)
	ev.Asked = append(ev.Asked, store.Detail{Name: "publicKeyVersion", Value: strconv.Itoa(int(in.publicKeyVersion.Value))})
}

// A registration token is a secret for as long as it holds.
func (in *resolveCustomerInput) trace(*store.Event) {}

func (in *getEntitlementsInput) trace(ev *store.Event) { productAsked(ev, in.product()) }
