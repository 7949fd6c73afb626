package transfer

import (
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// event is a call's event, with its place in the trail: what its hash is made of.
type event struct {
	ID        id            `json:"id"`
	Time      time.Time     `json:"time,omitzero"`
	Account   string        `json:"account"`
	Operation string        `json:"operation,omitzero"`
	RequestID id            `json:"request_id"`
	Region    string        `json:"region,omitzero"`
	SourceIP  string        `json:"source_ip,omitzero"`
	UserAgent string        `json:"user_agent,omitzero"`
	Caller    eventCaller   `json:"caller"`
	Asked     []detail      `json:"asked,omitempty"`
	Told      []detail      `json:"told,omitempty"`
	Product   string        `json:"product,omitzero"`
	Records   []eventRecord `json:"records,omitempty"`
	Error     string        `json:"error,omitzero"`
	Message   string        `json:"message,omitzero"`
	Calls     int64         `json:"calls,omitzero"`
	Chain     id            `json:"chain"`
	Number    int64         `json:"number"`
	Prev      sum32         `json:"prev"`
}

type eventCaller struct {
	ARN      string    `json:"arn,omitzero"`
	UserID   string    `json:"user_id,omitzero"`
	KeyID    string    `json:"key_id,omitzero"`
	Origin   string    `json:"origin,omitzero"`
	Workload string    `json:"workload,omitzero"`
	Platform string    `json:"platform,omitzero"`
	Issued   time.Time `json:"issued,omitzero"`
}

type detail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type eventRecord struct {
	ID             id        `json:"id,omitzero"`
	Status         string    `json:"status,omitzero"`
	Made           keyKind   `json:"made,omitzero"` // the kind of the record that the call has made
	Timestamp      time.Time `json:"timestamp,omitzero"`
	Dimension      string    `json:"dimension,omitzero"`
	Quantity       int32     `json:"quantity,omitzero"`
	Buyer          string    `json:"buyer,omitzero"`
	Customer       string    `json:"customer,omitzero"`
	License        string    `json:"license,omitzero"`
	Allocations    int       `json:"allocations,omitzero"`
	AllocationsSum sum32     `json:"allocations_sum,omitzero"`
}

// place is a place in a chain of events.
type place struct {
	Number int64 `json:"number"`
	Hash   sum32 `json:"hash"`
}

// floor is the last event of a chain that was kept long enough.
type floor struct {
	Chain id `json:"chain"`
	place
}

// digest is a digest of the trail.
type digest struct {
	Number  int64     `json:"number"`
	Prev    sum32     `json:"prev"`
	At      time.Time `json:"at,omitzero"`
	Extents []extent  `json:"extents,omitempty"`
}

type extent struct {
	Chain id    `json:"chain"`
	Floor place `json:"floor"`
	Head  place `json:"head"`
}

func outEvent(ev *store.Event) *event {
	c := &ev.Caller
	out := &event{
		ID: id(ev.ID), Time: ev.Time, Account: string(ev.Account), Operation: string(ev.Operation), RequestID: id(ev.RequestID),
		Region: ev.Region, SourceIP: ev.SourceIP, UserAgent: ev.UserAgent,
		Caller: eventCaller{c.ARN, c.UserID, c.KeyID, string(c.Origin), c.Workload, string(c.Platform), c.Issued},
		Asked:  outDetails(ev.Asked), Told: outDetails(ev.Told), Product: string(ev.Product),
		Error: ev.Error, Message: ev.Message, Calls: ev.Calls,
		Chain: id(ev.Chain), Number: ev.Number, Prev: ev.Prev,
	}
	for i := range ev.Records {
		r := &ev.Records[i]
		out.Records = append(out.Records, eventRecord{
			id(r.ID), string(r.Status), keyKind(r.Kind), r.Timestamp, r.Dimension, r.Quantity,
			string(r.Buyer), string(r.Customer), r.LicenseARN, r.Allocations, r.AllocationsSum,
		})
	}
	return out
}

func outDetails(all []store.Detail) []detail {
	var out []detail
	for _, d := range all {
		out = append(out, detail(d))
	}
	return out
}

func (ev *event) item() *store.Event {
	c := &ev.Caller
	in := &store.Event{
		ID: metering.ID(ev.ID), Time: store.Instant(ev.Time), Account: metering.AccountID(ev.Account), Operation: metering.Operation(ev.Operation),
		RequestID: metering.ID(ev.RequestID), Region: ev.Region, SourceIP: ev.SourceIP, UserAgent: ev.UserAgent,
		Caller: store.EventCaller{
			ARN: c.ARN, UserID: c.UserID, KeyID: c.KeyID, Origin: metering.Origin(c.Origin),
			Workload: c.Workload, Platform: metering.Platform(c.Platform), Issued: store.Instant(c.Issued),
		},
		Asked: inDetails(ev.Asked), Told: inDetails(ev.Told), Product: metering.ProductCode(ev.Product),
		Error: ev.Error, Message: ev.Message, Calls: ev.Calls,
		Link: store.Link{Chain: metering.ID(ev.Chain), Number: ev.Number, Prev: ev.Prev},
	}
	for i := range ev.Records {
		r := &ev.Records[i]
		in.Records = append(in.Records, store.EventRecord{
			ID: metering.ID(r.ID), Status: metering.Status(r.Status), Kind: metering.KeyKind(r.Made),
			Timestamp: store.Instant(r.Timestamp), Dimension: r.Dimension, Quantity: r.Quantity,
			Buyer: metering.AccountID(r.Buyer), Customer: metering.CustomerID(r.Customer), LicenseARN: r.License,
			Allocations: r.Allocations, AllocationsSum: r.AllocationsSum,
		})
	}
	return in
}

func inDetails(all []detail) []store.Detail {
	var in []store.Detail
	for _, d := range all {
		in = append(in, store.Detail(d))
	}
	return in
}

func outPlace(p *store.Place) place { return place{p.Number, p.Hash} }
func (p *place) item() store.Place  { return store.Place{Number: p.Number, Hash: p.Hash} }

func outFloor(f *store.CarriedFloor) *floor { return &floor{id(f.Chain), outPlace(&f.Place)} }

func (f *floor) item() *store.CarriedFloor {
	return &store.CarriedFloor{Chain: metering.ID(f.Chain), Place: f.place.item()}
}

func outDigest(d *store.TrailDigest) *digest {
	out := &digest{Number: d.Number, Prev: d.Prev, At: d.At}
	for i := range d.Extents {
		e := &d.Extents[i]
		out.Extents = append(out.Extents, extent{id(e.Chain), outPlace(&e.Floor), outPlace(&e.Head)})
	}
	return out
}

func (d *digest) item() *store.TrailDigest {
	in := &store.TrailDigest{Number: d.Number, Prev: d.Prev, At: store.Instant(d.At)}
	for i := range d.Extents {
		e := &d.Extents[i]
		in.Extents = append(in.Extents, store.Extent{Chain: metering.ID(e.Chain), Floor: e.Floor.item(), Head: e.Head.item()})
	}
	return in
}
