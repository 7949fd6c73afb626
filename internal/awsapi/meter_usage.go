package awsapi

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// dryRunID is the MeteringRecordId of a dry run that would have succeeded. AWS's
// answer is not known; it must be a success, and not empty, for clients that
// take every error for fatal and every answer for an id.
const dryRunID = audit.DryRunID

// MeterUsage: a seller's software in a buyer's account reports the usage of an
// hour. De-duplicated by workload, dimension and hour on EC2, ECS and EKS; by
// ClientToken alone under AgentCore, where records add up.
// https://docs.aws.amazon.com/marketplace/latest/APIReference/API_marketplace-metering_MeterUsage.html
func (s *Service) meterUsage(ctx context.Context, req *request, in *meterUsageInput) (*meterUsageOutput, error) {
	p, admission, err := s.admit(ctx, req, metering.ProductCode(in.productCode.Value))
	if err != nil {
		return nil, err
	}
	u := in.usage()
	claims := []metering.Claim{{UsageRecord: &u, Buyer: req.caller.Account, Subscribed: true}}
	if err := metering.CheckUsage(p, metering.MeterUsageWindow, claims, req.now, req.compat.Rulings); err != nil {
		return nil, err
	}
	if req.caller.Platform() == metering.PlatformAgentCore && in.allocations.Set {
		return nil, fmt.Errorf("%w: AgentCore runtimes cannot allocate usage", metering.ErrInvalidUsageAllocations)
	}
	if in.dryRun.Value {
		return &meterUsageOutput{id: dryRunID}, nil
	}

	record := metering.MeterRecord(s.NewID(), req.caller, req.region, p, &u, req.now)
	call := store.Call{
		Account: req.caller.Account, Region: req.region, At: req.now,
		Records: []metering.Record{record}, Admission: admission, Registration: req.alive(),
	}
	if in.clientToken.Set {
		call.Token = &store.Token{Value: in.clientToken.Value, Hash: in.hash(req.caller)}
	}
	var id metering.ID
	call.After = func(out store.Outcome) (store.Rest, error) {
		if out.Answer != nil { // the token came before, with the same parameters
			id = *out.Answer
			return store.Rest{Event: meterEvent(s.event(req), id, nil)}, nil
		}
		holder := out.Holders[0]
		if holder.ID != record.ID && !holder.Same(&record) {
			return store.Rest{}, fmt.Errorf("%w: %d of %s was reported for this resource, product and hour as record %s",
				metering.ErrDuplicateRequest, holder.Quantity, u.Dimension, holder.ID)
		}
		id = holder.ID
		made := &record
		if id != record.ID {
			made = nil
		}
		rest := store.Rest{Event: meterEvent(s.event(req), id, made)}
		if call.Token != nil {
			rest.Bind = &id
		}
		return rest, nil
	}
	if _, err := s.append(ctx, req, call); err != nil {
		return nil, err
	}
	req.records = append(req.records, metering.Success)
	return &meterUsageOutput{id: id.String()}, nil
}

// meterEvent adds what was told: an id, and the record that was made under it, if
// one was.
func meterEvent(ev *store.Event, id metering.ID, made *metering.Record) *store.Event {
	r := &ev.Records[0]
	r.ID, r.Status = id, metering.Success
	if made != nil {
		r.Kind, r.AllocationsSum = made.Key.Kind, store.SumAllocations(made.Allocations)
	}
	return ev
}

type meterUsageInput struct {
	productCode awsjson.Opt[string]
	timestamp   awsjson.Opt[awsjson.Timestamp]
	dimension   awsjson.Opt[string]
	quantity    awsjson.Opt[int32]
	dryRun      awsjson.Opt[bool]
	allocations awsjson.Opt[[]usageAllocation]
	clientToken awsjson.Opt[string]
}

func (in *meterUsageInput) decode(d *awsjson.Decoder) {
	for name := range d.Object() {
		switch string(name) {
		case "ProductCode":
			in.productCode = d.String()
		case "Timestamp":
			in.timestamp = d.Timestamp()
		case "UsageDimension":
			in.dimension = d.String()
		case "UsageQuantity":
			in.quantity = d.Int32()
		case "DryRun":
			in.dryRun = d.Bool()
		case "UsageAllocations":
			in.allocations = decodeAllocations(d)
		case "ClientToken":
			in.clientToken = d.String()
		default:
			d.Skip()
		}
	}
}

func (in *meterUsageInput) product() string { return in.productCode.Value }

func (in *meterUsageInput) check(c metering.Caller) error {
	var v awsjson.Violations
	var top *awsjson.Path
	checkProductCode(&v, in.productCode, true)
	if !in.timestamp.Set {
		v.Null(top.Member("timestamp"))
	}
	checkDimension(&v, top.Member("usageDimension"), in.dimension)
	v.AtLeast(top.Member("usageQuantity"), in.quantity.Value, 0)
	checkAllocations(&v, top, in.allocations)
	switch {
	case in.clientToken.Set:
		v.Length(top.Member("clientToken"), in.clientToken.Value, 1, maxClientToken)
		v.NoNUL(top.Member("clientToken"), in.clientToken.Value)
	case c.Platform() == metering.PlatformAgentCore: // there it is what de-duplicates
		v.Null(top.Member("clientToken"))
	}
	return v.Err()
}

// usage is what a checked input claims.
func (in *meterUsageInput) usage() metering.UsageRecord {
	return metering.UsageRecord{
		Timestamp:   in.timestamp.Value.Time,
		Dimension:   in.dimension.Value,
		Quantity:    in.quantity.Value,
		Allocations: allocationsOf(in.allocations.Value),
	}
}

// hash is what a ClientToken is bound with: the workload and every parameter,
// as decoded values, so that another spelling of the same call is the same call
//
func (in *meterUsageInput) hash(c metering.Caller) [32]byte {
	b := make([]byte, 0, 256)
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	text(c.Resource())
	text(in.productCode.Value)
	b = binary.AppendVarint(b, in.timestamp.Value.Time.UnixNano())
	text(in.dimension.Value)
	b = binary.AppendVarint(b, int64(in.quantity.Value))
	for _, a := range metering.Canonical(allocationsOf(in.allocations.Value)) {
		b = binary.AppendVarint(b, int64(a.Quantity))
		b = binary.AppendUvarint(b, uint64(len(a.Tags)))
		for _, t := range a.Tags {
			text(t.Key)
			text(t.Value)
		}
	}
	return sha256.Sum256(b)
}

type meterUsageOutput struct{ id string }

func (out *meterUsageOutput) appendJSON(b []byte) []byte {
	return append(awsjson.AppendMember(append(slices.Grow(b, 64), '{'), "MeteringRecordId", out.id), '}')
}
