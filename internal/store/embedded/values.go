package embedded

import (
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// A value holds what its key does not. Fields are in the order written here;
// another order, or another field, is another valueVersion.

func encodeRecord(e *encoder, r *metering.Record) {
	e.id(r.ID)
	e.time(r.Timestamp)
	e.time(r.Received)
	e.text(r.Workload)
	e.int(int64(r.Quantity))
	e.uint(uint64(len(r.Allocations)))
	for i := range r.Allocations {
		a := &r.Allocations[i]
		e.int(int64(a.Quantity))
		e.uint(uint64(len(a.Tags)))
		for _, tag := range a.Tags {
			e.text(tag.Key)
			e.text(tag.Value)
		}
	}
}

func decodeRecord(key, fields string) (metering.Record, error) {
	k, err := parseRecordKey(key)
	if err != nil {
		return metering.Record{}, damaged(key, err)
	}
	d := store.Unpacker{Rest: fields}
	r := metering.Record{ID: d.ID(), Key: k, Timestamp: d.Time(), Received: d.Time(), Workload: d.Text(), Quantity: int32(d.Int())}
	if n := d.Count(); n > 0 {
		r.Allocations = make([]metering.Allocation, n)
	}
	for i := range r.Allocations {
		a := &r.Allocations[i]
		a.Quantity = int32(d.Int())
		if n := d.Count(); n > 0 {
			a.Tags = make([]metering.Tag, n)
		}
		for j := range a.Tags {
			a.Tags[j] = metering.Tag{Key: d.Text(), Value: d.Text()}
		}
	}
	if err := d.End(); err != nil {
		return metering.Record{}, damaged(key, err)
	}
	return r, nil
}

func encodeRegistration(e *encoder, r *metering.Registration) {
	e.text(string(r.Product))
	e.text(string(r.Account))
	e.text(r.Workload)
	e.text(string(r.Platform))
	e.text(r.Region)
	e.int(int64(r.Heartbeat))
	e.time(r.Started)
	e.time(r.LastSeen)
	e.time(r.Stopped)
}

func decodeRegistration(id metering.ID, key, fields string) (metering.Registration, error) {
	d := store.Unpacker{Rest: fields}
	r := metering.Registration{
		ID: id, Product: metering.ProductCode(d.Text()), Account: metering.AccountID(d.Text()),
		Workload: d.Text(), Platform: metering.Platform(d.Text()), Region: d.Text(),
		Heartbeat: time.Duration(d.Int()), Started: d.Time(), LastSeen: d.Time(), Stopped: d.Time(),
	}
	if err := d.End(); err != nil {
		return metering.Registration{}, damaged(key, err)
	}
	return r, nil
}

// encodeEvent writes an event whose fields have been appended to its link's place.
func encodeEvent(e *encoder, ev *store.Event, fields []byte) {
	e.b = append(store.AppendLink(e.b, &ev.Link), fields...)
}

func decodeEvent(key, fields string) (store.Event, error) {
	k, u := keyReader{rest: key[1:]}, store.Unpacker{Rest: fields}
	ev := store.Event{Account: metering.AccountID(k.text()), Time: k.time(), ID: k.id()}
	if k.bad || k.rest != "" {
		return ev, damaged(key, errKey)
	}
	ev.Link = store.UnpackLink(&u)
	if u.Failed() {
		return ev, damaged(key, u.End())
	}
	if err := store.UnpackEvent(&ev, u.Rest); err != nil {
		return ev, damaged(key, err)
	}
	return ev, nil
}

func encodeKey(e *encoder, k *metering.Key) {
	e.uint(uint64(k.Kind))
	e.text(string(k.Account))
	e.text(k.Region)
	e.text(string(k.Product))
	e.text(k.Party)
	e.text(k.Dimension)
	e.int(int64(k.Hour))
}

func decodeKey(d *store.Unpacker) metering.Key {
	return metering.Key{
		Kind: metering.KeyKind(d.Uint()), Account: metering.AccountID(d.Text()), Region: d.Text(),
		Product: metering.ProductCode(d.Text()), Party: d.Text(), Dimension: d.Text(), Hour: metering.Hour(d.Int()),
	}
}

func encodeRefusal(e *encoder, r *store.Refusal) {
	e.text(string(r.Account))
	e.text(r.KeyID)
	e.text(r.Region)
	e.text(string(r.Operation))
	e.text(r.RequestID)
	e.text(string(r.Product))
	e.text(r.Reason)
	e.text(r.Detail)
	rec := r.Record
	switch {
	case rec == nil:
		e.uint(refusedCall)
		return
	case rec.Held == nil:
		e.uint(refusedRecord)
	default:
		e.uint(refusedHeld)
		e.id(rec.Held.ID)
		e.int(int64(rec.Held.Quantity))
	}
	encodeKey(e, &rec.Key)
	e.time(rec.Timestamp)
	e.int(int64(rec.Quantity))
}

// What a refusal is of; the numbers are stored.
const (
	refusedCall   = 0
	refusedRecord = 1
	refusedHeld   = 2 // a record whose key another holds
)

func decodeRefusal(key, fields string) (store.Refusal, error) {
	k, d := keyReader{rest: key[1:]}, store.Unpacker{Rest: fields}
	r := store.Refusal{Seller: metering.AccountID(k.text()), Time: k.time(), ID: k.id()}
	r.Account, r.KeyID, r.Region, r.Operation = metering.AccountID(d.Text()), d.Text(), d.Text(), metering.Operation(d.Text())
	r.RequestID, r.Product, r.Reason, r.Detail = d.Text(), metering.ProductCode(d.Text()), d.Text(), d.Text()
	if of := d.Uint(); of != refusedCall {
		r.Record = new(store.RefusedRecord)
		if of == refusedHeld {
			r.Record.Held = &store.Held{ID: d.ID(), Quantity: int32(d.Int())}
		}
		r.Record.Key, r.Record.Timestamp, r.Record.Quantity = decodeKey(&d), d.Time(), int32(d.Int())
	}
	return r, whole(key, &k, &d)
}

func encodeRedeemed(e *encoder, r *store.Redeemed) {
	e.text(string(r.Account))
	e.text(r.KeyID)
	e.time(r.First)
	e.time(r.Last)
	e.uint(uint64(r.Count))
}

func decodeRedeemed(key, fields string) (store.Redeemed, error) {
	d := store.Unpacker{Rest: fields}
	r := store.Redeemed{Account: metering.AccountID(d.Text()), KeyID: d.Text(), First: d.Time(), Last: d.Time(), Count: int(d.Uint())}
	if err := d.End(); err != nil {
		return store.Redeemed{}, damaged(key, err)
	}
	return r, nil
}

// whole says whether a key and its value were read to their ends.
func whole(key string, k *keyReader, d *store.Unpacker) error {
	if k.bad || k.rest != "" {
		return damaged(key, errKey)
	}
	if err := d.End(); err != nil {
		return damaged(key, err)
	}
	return nil
}

// binding is what a ClientToken is bound to.
type binding struct {
	hash   [32]byte
	answer metering.ID
}

func encodeBinding(e *encoder, b *binding) {
	e.b = append(e.b, b.hash[:]...)
	e.id(b.answer)
}

func decodeBinding(key, fields string) (binding, error) {
	var b binding
	if len(fields) != len(b.hash)+len(b.answer) {
		return b, damaged(key, errShort)
	}
	copy(b.hash[:], fields)
	copy(b.answer[:], fields[len(b.hash):])
	return b, nil
}

// last is a workload's last registration for a product.
type last struct {
	product metering.ProductCode
	id      metering.ID
}

func encodeLast(e *encoder, all []last) {
	e.uint(uint64(len(all)))
	for _, l := range all {
		e.text(string(l.product))
		e.id(l.id)
	}
}

func decodeLast(key, fields string) ([]last, error) {
	d := store.Unpacker{Rest: fields}
	all := make([]last, d.Count())
	for i := range all {
		all[i] = last{metering.ProductCode(d.Text()), d.ID()}
	}
	if err := d.End(); err != nil {
		return nil, damaged(key, err)
	}
	return all, nil
}

// version is a catalogue entry under one revision.
type version struct {
	number int64 // also in a history key
	by     string
	at     time.Time
	entry  string // as store.EncodeEntry has it; "": it was removed
}

func encodeVersion(e *encoder, v *version) {
	e.int(v.number)
	e.text(v.by)
	e.time(v.at)
	e.b = append(e.b, v.entry...)
}

func decodeVersion(key, fields string) (version, error) {
	d := store.Unpacker{Rest: fields}
	v := version{number: d.Int(), by: d.Text(), at: d.Time()}
	v.entry, d.Rest = d.Rest, ""
	if err := d.End(); err != nil {
		return version{}, damaged(key, err)
	}
	return v, nil
}
