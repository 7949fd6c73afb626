package embedded

import (
	"context"
	"errors"
	"math"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Records lists records, hours ascending. Only what was asked for is looked at:
// in each hour that holds anything, the walk jumps to the product, the account
// and the party, and from there to the next hour. Hours without records cost
// nothing.
func (s *Store) Records(ctx context.Context, q store.RecordQuery) (store.Page[metering.Record], error) {
	if err := q.Check(); err != nil {
		return store.Page[metering.Record]{}, err
	}
	about := appendText(nil, string(q.Product))
	about = appendText(about, string(q.Account))
	return page(ctx, s, list[metering.Record]{
		lower: seekHour(&q, q.From),
		upper: hourKey(nil, q.To),
		query: appendText(appendText(about, q.Party), string(q.Buyer)),
		judge: func(key string) (bool, []byte, error) { return judgeRecord(&q, key) },
		read:  decodeRecord,
	}, q.Limit, q.Cursor)
}

// judgeRecord says whether a record's key is asked for and, if not, the least
// key above it that may be.
func judgeRecord(q *store.RecordQuery, key string) (bool, []byte, error) {
	k, err := parseRecordKey(key)
	if err != nil {
		return false, nil, damaged(key, err)
	}
	if q.Product != "" {
		switch {
		case k.Product < q.Product:
			return false, seekHour(q, k.Hour), nil
		case k.Product > q.Product:
			return false, nextHour(q, k.Hour), nil
		}
	}
	if q.Account != "" {
		switch {
		case k.Account < q.Account:
			return false, seekAccount(q, k.Hour, k.Product), nil
		case k.Account > q.Account && q.Product != "":
			return false, nextHour(q, k.Hour), nil
		case k.Account > q.Account:
			return false, after(appendText(hourKey(nil, k.Hour), string(k.Product))), nil
		}
	}
	if q.Party != "" {
		switch {
		case k.Party < q.Party:
			return false, seekRecord(k.Hour, k.Product, k.Account, k.Kind, q.Party), nil
		case k.Party > q.Party && k.Kind == math.MaxUint8:
			return false, nextHour(q, k.Hour), nil
		case k.Party > q.Party:
			return false, seekRecord(k.Hour, k.Product, k.Account, k.Kind+1, q.Party), nil
		}
	}
	if q.Buyer != "" && k.Buyer() != q.Buyer {
		return false, seekBuyer(q, &k), nil
	}
	return true, nil, nil
}

// seekBuyer is the least key above one of another buyer that may be the buyer's.
// A kind's keys of one buyer are those of the party "buyer", and from "buyer/" on.
func seekBuyer(q *store.RecordQuery, k *metering.Key) []byte {
	buyer := string(q.Buyer)
	of := func(kind metering.KeyKind) []byte {
		return append(seekRecord(k.Hour, k.Product, k.Account, 0, ""), byte(kind))
	}
	switch {
	case k.Kind >= metering.KindRuntime: // all of them are of the calling account, which is another
		return nextHour(q, k.Hour)
	case k.Party < buyer:
		return appendText(of(k.Kind), buyer)
	case k.Party < buyer+"/":
		return append(append(of(k.Kind), buyer...), '/')
	case k.Kind+1 < metering.KindRuntime:
		return appendText(of(k.Kind+1), buyer)
	case q.Account == q.Buyer:
		return of(metering.KindRuntime)
	}
	return nextHour(q, k.Hour)
}

func nextHour(q *store.RecordQuery, h metering.Hour) []byte {
	if h == math.MaxInt32 {
		return nil
	}
	return seekHour(q, h+1)
}

// seekHour is the least key of an hour that may be asked for.
func seekHour(q *store.RecordQuery, h metering.Hour) []byte { return seekAccount(q, h, q.Product) }

func seekAccount(q *store.RecordQuery, h metering.Hour, p metering.ProductCode) []byte {
	if q.Buyer != "" {
		return seekRecord(h, p, q.Account, metering.KindLegacy, string(q.Buyer))
	}
	return seekRecord(h, p, q.Account, 0, "")
}

// seekRecord is the least key of an hour from a product on, from an account of
// it on, from a kind and party of it on; what is empty ends the key.
func seekRecord(h metering.Hour, p metering.ProductCode, a metering.AccountID, kind metering.KeyKind, party string) []byte {
	b := hourKey(nil, h)
	if p == "" {
		return b
	}
	b = appendText(b, string(p))
	if a == "" {
		return b
	}
	b = appendText(b, string(a))
	if kind == 0 {
		return b
	}
	return appendText(append(b, byte(kind)), party)
}

// Admitted reports whether the workload was admitted for the product.
func (s *Store) Admitted(ctx context.Context, a store.Admission) (bool, error) {
	_, ok, err := s.find(ctx, admissionKey(&a))
	return ok, err
}

// Registration finds a registration by its id.
func (s *Store) Registration(ctx context.Context, id metering.ID) (metering.Registration, bool, error) {
	key := registrationKey(id)
	fields, ok, err := s.find(ctx, key)
	if err != nil || !ok {
		return metering.Registration{}, false, err
	}
	r, err := decodeRegistration(id, key, fields)
	return r, err == nil, err
}

// Redeemed finds who has resolved a registration token.
func (s *Store) Redeemed(ctx context.Context, token [32]byte) (store.Redeemed, bool, error) {
	key := redemptionKey(token)
	fields, ok, err := s.find(ctx, key)
	if err != nil || !ok {
		return store.Redeemed{}, false, err
	}
	r, err := decodeRedeemed(key, fields)
	return r, err == nil, err
}

// find looks a key up for a reader.
func (s *Store) find(ctx context.Context, key string) (fields string, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return "", false, err
	}
	end, err := s.begin()
	if err != nil {
		return "", false, err
	}
	defer end()
	fields, ok, err = s.lookup(key, []byte(key))
	if err != nil {
		return "", false, err
	}
	return fields, ok, s.settle(ctx)
}

// Registrations lists a product's registrations, oldest first.
func (s *Store) Registrations(ctx context.Context, q store.RegistrationQuery) (store.Page[metering.Registration], error) {
	if err := store.CheckText(string(q.Product)); err != nil {
		return store.Page[metering.Registration]{}, err
	}
	prefix := appendText([]byte{familyByProduct}, string(q.Product))
	return page(ctx, s, list[metering.Registration]{
		lower: prefix,
		upper: after(prefix),
		read: func(key, _ string) (metering.Registration, error) {
			k := keyReader{rest: key[len(prefix):]}
			k.time()
			id := k.id()
			main := registrationKey(id)
			fields, err := s.indexed(key, main)
			if err != nil {
				return metering.Registration{}, err
			}
			return decodeRegistration(id, main, fields)
		},
	}, q.Limit, q.Cursor)
}

// indexed follows an index to what it points at.
func (s *Store) indexed(index, main string) (string, error) {
	fields, ok, err := s.lookup(main, []byte(main))
	if err == nil && !ok {
		err = damaged(index, errors.New("what it points at is missing"))
	}
	return fields, err
}

// Refusals lists a seller's refusals, oldest first.
func (s *Store) Refusals(ctx context.Context, q store.RefusalQuery) (store.Page[store.Refusal], error) {
	if err := store.CheckText(string(q.Seller)); err != nil {
		return store.Page[store.Refusal]{}, err
	}
	lower, upper := during(appendText([]byte{familyRefusal}, string(q.Seller)), q.From, q.To)
	return page(ctx, s, list[store.Refusal]{lower: lower, upper: upper, read: decodeRefusal}, q.Limit, q.Cursor)
}
