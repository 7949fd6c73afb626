package postgres

import (
	"context"
	"strings"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// byID is a record's place where records are listed by hour and id.
type byID struct {
	Hour int64
	ID   [16]byte
}

func placeByID(r *metering.Record) byID { return byID{int64(r.Key.Hour), r.ID} }

// byKey is a record's place where an account's are listed by key.
type byKey struct {
	Hour      int64
	Product   string
	Kind      int64
	Party     string
	Dimension string
	Region    string
}

func placeByKey(r *metering.Record) byKey {
	k := &r.Key
	return byKey{int64(k.Hour), string(k.Product), int64(k.Kind), k.Party, k.Dimension, k.Region}
}

// Records lists records, hours ascending, each query in the order of the index
// that has what it asks for: an account's by key; a product's, a buyer's and all
// of them by id within the hour.
func (s *Store) Records(ctx context.Context, q store.RecordQuery) (store.Page[metering.Record], error) {
	if err := q.Check(); err != nil {
		return store.Page[metering.Record]{}, err
	}
	about := []any{"records", q.Product, q.Account, q.Party, q.Buyer, q.From, q.To}
	if q.Account != "" && q.Party == "" && q.Buyer == "" {
		return page(ctx, s, list[metering.Record, byKey]{
			about: about, start: byKey{Hour: int64(q.From) - 1},
			query: func(after byKey, limit int) (string, []any) { return recordsOfAccount(&q, after, limit) },
			scan:  scanRecord, at: placeByKey, size: sizeOfRecord,
		}, q.Limit, q.Cursor)
	}
	return page(ctx, s, list[metering.Record, byID]{
		about: about, start: byID{Hour: int64(q.From) - 1},
		query: func(after byID, limit int) (string, []any) { return recordsByHour(&q, after, limit) },
		scan:  scanRecord, at: placeByID, size: sizeOfRecord,
	}, q.Limit, q.Cursor)
}

func recordsOfAccount(q *store.RecordQuery, after byKey, limit int) (string, []any) {
	args := []any{
		string(q.Account), int64(q.From), int64(q.To),
		after.Hour, after.Product, after.Kind, after.Party, after.Dimension, after.Region, limit,
	}
	if q.Product == "" {
		return recordsByAccount, args
	}
	return recordsByAccountAndProduct, append(args, string(q.Product))
}

func recordsByHour(q *store.RecordQuery, after byID, limit int) (string, []any) {
	args := []any{string(q.Product), int64(q.From), int64(q.To), after.Hour, after.ID, limit}
	switch {
	case q.Buyer != "":
		return recordsByBuyer, append(args, string(q.Account), string(q.Buyer))
	case q.Party != "":
		return recordsByParty, append(args, string(q.Account), buyersOf(q), q.Party)
	case q.Product == "":
		return recordsAll, args[1:]
	}
	return recordsByProduct, args
}

// buyersOf are the buyers that a party's records can be of: the one it names, and
// the account itself, whose runtimes are parties of their own.
func buyersOf(q *store.RecordQuery) []string {
	buyer, _, _ := strings.Cut(q.Party, "/")
	return []string{buyer, string(q.Account)}
}

func sizeOfRecord(r *metering.Record) int {
	const perTag, others = 40, 256
	n := others
	for i := range r.Allocations {
		n += perTag
		for _, tag := range r.Allocations[i].Tags {
			n += perTag + len(tag.Key) + len(tag.Value)
		}
	}
	return n
}
