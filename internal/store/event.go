package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// Event is the trace that a call leaves in its account: who asked, what for, what
// was told, and which records were made. Package audit makes of it what an auditor
// reads. Texts from outside are cut by whoever makes the event.
type Event struct {
	ID        metering.ID
	Time      time.Time // by the service's clock
	Account   metering.AccountID
	Operation metering.Operation // of any door that takes signed calls
	RequestID metering.ID
	Region    string
	SourceIP  string // "": nobody knows
	UserAgent string
	Caller    EventCaller

	// Asked and Told are parameters of the request and the answer, as far as they
	// were read, under the names that an auditor knows. What is secret is not here.
	Asked, Told []Detail

	Product metering.ProductCode // that it was about; "": none is known
	Records []EventRecord        // that were asked for, in input order

	Error   string // the exception's name; "": the call succeeded
	Message string // what the caller was told of it
	// Calls is how many calls this event stands for: of refusals that come in floods
	// one is written down now and then. 0 is one.
	Calls int64

	Link // set by the store
}

// EventCaller is who asked.
type EventCaller struct {
	ARN      string // of the root, the user or the session of a role
	UserID   string // the principal's unique id
	KeyID    string
	Origin   metering.Origin
	Workload string // "": the caller is none
	Platform metering.Platform
	Issued   time.Time // when the session began; zero: a long-term key
}

// Detail is a parameter of a call.
type Detail struct{ Name, Value string }

// EventRecord is a record that a call asked for, and what became of it.
type EventRecord struct {
	ID     metering.ID     // as told; zero: the call was refused
	Status metering.Status // as told; "": the call was refused
	// Kind is that of the record that the call has made under this id, and 0 if it
	// has made none: it was refused, or the id is another call's record.
	Kind metering.KeyKind

	Timestamp  time.Time
	Dimension  string
	Quantity   int32
	Buyer      metering.AccountID // "": the call named none that is known
	Customer   metering.CustomerID
	LicenseARN string
	// Allocations is how many there were, and AllocationsSum, if there were any,
	// SHA-256 over them.
	Allocations    int
	AllocationsSum [32]byte
}

// Made is the record that the call has made under ev.Records[i], but for its
// allocations; ok is false if it has made none.
func (ev *Event) Made(i int) (r metering.Record, ok bool) {
	told, c := &ev.Records[i], &ev.Caller
	r = metering.Record{ID: told.ID, Timestamp: told.Timestamp, Received: ev.Time, Quantity: told.Quantity}
	r.Key = metering.Key{
		Kind: told.Kind, Account: ev.Account, Region: ev.Region, Product: ev.Product,
		Party: string(told.Buyer), Dimension: told.Dimension, Hour: metering.HourOf(told.Timestamp),
	}
	switch told.Kind {
	case metering.KindLegacy:
	case metering.KindLicense:
		r.Key.Party += "/" + told.LicenseARN
	case metering.KindResource, metering.KindRuntime:
		r.Workload = cmp.Or(c.Workload, c.KeyID)
		r.Key.Party = string(ev.Account) + "/" + r.Workload
		if told.Kind == metering.KindRuntime {
			r.Key.Party = told.ID.String()
		}
	default:
		return metering.Record{}, false
	}
	return r, true
}

// Alone is a call that leaves the event and nothing else.
func (ev *Event) Alone() Call {
	return Call{
		Account: ev.Account, Region: ev.Region, At: ev.Time,
		After: func(Outcome) (Rest, error) { return Rest{Event: ev}, nil },
	}
}

// SumAllocations is what an event keeps of a record's allocations, which are in
// canonical order.
func SumAllocations(all []metering.Allocation) [32]byte {
	if len(all) == 0 {
		return [32]byte{}
	}
	return sha256.Sum256(appendAllocations(nil, all))
}

// AppendEvent appends what an event says, apart from its account, time, id and
// link: a store has those in other places. UnpackEvent reads it. In lists a text is
// written as what it has in common with the same text of the element before.
func AppendEvent(b []byte, ev *Event) []byte {
	b = appendText(b, string(ev.Operation))
	b = append(b, ev.RequestID[:]...)
	b = appendText(b, ev.Region)
	b = appendText(b, ev.SourceIP)
	b = appendText(b, ev.UserAgent)
	c := &ev.Caller
	b = appendText(b, c.ARN)
	b = appendText(b, c.UserID)
	b = appendText(b, c.KeyID)
	b = appendText(b, string(c.Origin))
	b = appendText(b, c.Workload)
	b = appendText(b, string(c.Platform))
	b = appendTime(b, c.Issued)
	b = appendDetails(b, ev.Asked)
	b = appendDetails(b, ev.Told)
	b = appendText(b, string(ev.Product))
	b = appendText(b, ev.Error)
	b = appendText(b, ev.Message)
	b = binary.AppendVarint(b, ev.Calls)
	b = binary.AppendUvarint(b, uint64(len(ev.Records)))
	var none EventRecord
	for i, before := 0, &none; i < len(ev.Records); i++ {
		r := &ev.Records[i]
		b = appendEventRecord(b, r, before)
		before = r
	}
	return b
}

func appendDetails(b []byte, all []Detail) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, d := range all {
		b = appendText(appendText(b, d.Name), d.Value)
	}
	return b
}

func appendEventRecord(b []byte, r, before *EventRecord) []byte {
	b = append(b, r.ID[:]...)
	b = appendCommon(b, string(r.Status), string(before.Status))
	b = append(b, byte(r.Kind))
	b = appendTime(b, r.Timestamp)
	b = appendCommon(b, r.Dimension, before.Dimension)
	b = binary.AppendVarint(b, int64(r.Quantity))
	b = appendCommon(b, string(r.Buyer), string(before.Buyer))
	b = appendCommon(b, string(r.Customer), string(before.Customer))
	b = appendCommon(b, r.LicenseARN, before.LicenseARN)
	b = binary.AppendUvarint(b, uint64(r.Allocations))
	if r.Allocations > 0 {
		b = append(b, r.AllocationsSum[:]...)
	}
	return b
}

// appendCommon writes a text as how much of it is the beginning of the one before,
// and the rest.
func appendCommon(b []byte, s, before string) []byte {
	n := 0
	for n < len(s) && n < len(before) && s[n] == before[n] {
		n++
	}
	return appendText(binary.AppendUvarint(b, uint64(n)), s[n:])
}

// UnpackEvent reads into the event what AppendEvent has written.
func UnpackEvent(ev *Event, fields string) error {
	u := Unpacker{Rest: fields}
	ev.Operation, ev.RequestID = metering.Operation(u.Text()), u.ID()
	ev.Region, ev.SourceIP, ev.UserAgent = u.Text(), u.Text(), u.Text()
	ev.Caller = EventCaller{
		ARN: u.Text(), UserID: u.Text(), KeyID: u.Text(), Origin: metering.Origin(u.Text()),
		Workload: u.Text(), Platform: metering.Platform(u.Text()), Issued: u.Time(),
	}
	ev.Asked, ev.Told = unpackDetails(&u), unpackDetails(&u)
	ev.Product = metering.ProductCode(u.Text())
	ev.Error, ev.Message, ev.Calls = u.Text(), u.Text(), u.Int()
	if n := u.Count(); n > 0 {
		ev.Records = make([]EventRecord, n)
	}
	var none EventRecord
	for i, before := 0, &none; i < len(ev.Records); i++ {
		r := &ev.Records[i]
		unpackEventRecord(&u, r, before)
		before = r
	}
	return u.End()
}

func unpackDetails(u *Unpacker) []Detail {
	n := u.Count()
	if n == 0 {
		return nil
	}
	all := make([]Detail, n)
	for i := range all {
		all[i] = Detail{u.Text(), u.Text()}
	}
	return all
}

func unpackEventRecord(u *Unpacker, r, before *EventRecord) {
	r.ID, r.Status = u.ID(), metering.Status(unpackCommon(u, string(before.Status)))
	if kind := u.Take(1); kind != "" {
		r.Kind = metering.KeyKind(kind[0])
	}
	r.Timestamp, r.Dimension, r.Quantity = u.Time(), unpackCommon(u, before.Dimension), int32(u.Int())
	r.Buyer = metering.AccountID(unpackCommon(u, string(before.Buyer)))
	r.Customer = metering.CustomerID(unpackCommon(u, string(before.Customer)))
	r.LicenseARN = unpackCommon(u, before.LicenseARN)
	if r.Allocations = int(u.Uint()); r.Allocations > 0 {
		copy(r.AllocationsSum[:], u.Take(uint64(len(r.AllocationsSum))))
	}
}

func unpackCommon(u *Unpacker, before string) string {
	n := u.Uint()
	if n > uint64(len(before)) {
		u.fail()
		return ""
	}
	rest := u.Text()
	if rest == "" {
		return before[:n]
	}
	return before[:n] + rest
}

// check refuses an event that holds what no store can keep.
func (ev *Event) check() error {
	c := &ev.Caller
	err := errors.Join(
		CheckText(string(ev.Account), string(ev.Operation), ev.Region, ev.SourceIP, ev.UserAgent, string(ev.Product), ev.Error, ev.Message),
		CheckText(c.ARN, c.UserID, c.KeyID, string(c.Origin), c.Workload, string(c.Platform)),
		CheckTime(ev.Time), CheckTime(c.Issued),
	)
	if err != nil {
		return err
	}
	for _, all := range [][]Detail{ev.Asked, ev.Told} {
		for _, d := range all {
			if err := CheckText(d.Name, d.Value); err != nil {
				return err
			}
		}
	}
	for i := range ev.Records {
		r := &ev.Records[i]
		if err := CheckText(string(r.Status), r.Dimension, string(r.Buyer), string(r.Customer), r.LicenseARN); err != nil {
			return err
		}
		if err := CheckTime(r.Timestamp); err != nil {
			return err
		}
	}
	return nil
}

// asKept is the event as every store reads it back.
func (ev *Event) asKept() {
	ev.Time, ev.Caller.Issued = Instant(ev.Time), Instant(ev.Caller.Issued)
	for i := range ev.Records {
		ev.Records[i].Timestamp = Instant(ev.Records[i].Timestamp)
	}
}
