package embedded

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// carried are the families that are carried to another store, in their order: the
// catalogue first, so that what the rest refers to is there before it. All others
// are made of these.
var carried = []byte{
	familyHistory, familyRecord, familyToken, familyAdmission, familyRegistration, familyRedemption, familyEvent, familyRefusal, familyFloor, familyDigest,
}

// Export lists everything the store holds, family by family. A cursor is the
// family and, within it, a cursor of its own.
func (s *Store) Export(ctx context.Context, cursor string) (store.Page[store.Item], error) {
	var none store.Page[store.Item]
	at, within := 0, ""
	if cursor != "" {
		if at = slices.Index(carried, cursor[0]); at < 0 {
			return none, store.ErrCursor
		}
		within = cursor[1:]
	}
	for ; at < len(carried); at, within = at+1, "" {
		family := carried[at]
		p, err := page(ctx, s, list[store.Item]{
			lower: []byte{family}, upper: []byte{family + 1}, query: []byte("export"), read: s.carry,
		}, 0, within)
		if err != nil {
			return none, err
		}
		switch {
		case p.Next != "":
			p.Next = string(rune(family)) + p.Next
		case at+1 < len(carried):
			p.Next = string(rune(carried[at+1]))
		}
		if len(p.Items) > 0 || p.Next == "" {
			return p, nil
		}
	}
	return none, nil
}

// carry reads an item from a row of one of the carried families.
func (s *Store) carry(key, fields string) (item store.Item, err error) {
	k := keyReader{rest: key[1:]}
	switch key[0] {
	case familyHistory:
		item.Revision, err = s.carryRevision(key, fields)
	case familyRecord:
		r, failed := decodeRecord(key, fields)
		item.Record, err = &r, failed
	case familyToken:
		item.Binding, err = carryBinding(key, fields)
	case familyAdmission:
		a := store.Admission{}
		a.Account, a.Workload, a.Product = metering.AccountID(k.text()), k.text(), metering.ProductCode(k.text())
		item.Admission, err = &a, whole(key, &k, &store.Unpacker{Rest: fields})
	case familyRegistration:
		item.Registration, err = s.carryRegistration(key, fields)
	case familyRedemption:
		item.Redemption, err = carryRedemption(key, fields)
	case familyEvent:
		ev, failed := decodeEvent(key, fields)
		item.Event, err = &ev, failed
	case familyRefusal:
		r, failed := decodeRefusal(key, fields)
		item.Refusal, err = &r, failed
	case familyFloor:
		f, failed := decodeFloor(key, fields)
		item.Floor, err = &f, failed
	case familyDigest:
		d, failed := decodeDigest(key, fields)
		item.Digest, err = &d, failed
	}
	return item, err
}

func (s *Store) carryRevision(key, fields string) (*store.CarriedRevision, error) {
	k := keyReader{rest: key[1:]}
	r := &store.CarriedRevision{Ref: store.Ref{Kind: store.Kind(k.text()), Name: k.text()}}
	number := int64(binary.BigEndian.Uint64([]byte(k.take(8))))
	v, err := decodeVersion(key, fields)
	if err != nil {
		return nil, err
	}
	if k.bad || k.rest != "" || v.number != number {
		return nil, damaged(key, errKey)
	}
	r.Number, r.By, r.At = v.number, v.by, v.at
	if v.entry != "" {
		r.Entry, _, err = s.decodeEntry(key, r.Ref.Kind, v.entry)
	}
	return r, err
}

func carryBinding(key, fields string) (*store.Binding, error) {
	k := keyReader{rest: key[1:]}
	b := &store.Binding{Day: k.int32()}
	b.Account, b.Region, b.Token.Value = metering.AccountID(k.text()), k.text(), k.text()
	if k.bad || k.rest != "" {
		return nil, damaged(key, errKey)
	}
	bound, err := decodeBinding(key, fields)
	b.Token.Hash, b.Answer = bound.hash, bound.answer
	return b, err
}

func (s *Store) carryRegistration(key, fields string) (*store.CarriedRegistration, error) {
	k := keyReader{rest: key[1:]}
	id := k.id()
	if k.bad || k.rest != "" {
		return nil, damaged(key, errKey)
	}
	r, err := decodeRegistration(id, key, fields)
	if err != nil {
		return nil, err
	}
	index := workloadKey(r.Account, r.Workload)
	fields, _, err = s.lookup(index, []byte(index))
	if err != nil {
		return nil, err
	}
	var lasts []last
	if fields != "" {
		if lasts, err = decodeLast(index, fields); err != nil {
			return nil, err
		}
	}
	return &store.CarriedRegistration{Registration: r, Last: slices.Contains(lasts, last{r.Product, id})}, nil
}

func carryRedemption(key, fields string) (*store.CarriedRedemption, error) {
	r := &store.CarriedRedemption{}
	if len(key) != 1+len(r.Token) {
		return nil, damaged(key, errKey)
	}
	copy(r.Token[:], key[1:])
	var err error
	r.Redeemed, err = decodeRedeemed(key, fields)
	return r, err
}
