package postgres

import (
	"context"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// moment is the place of what happened at some time.
type moment struct {
	At int64
	ID [16]byte
}

// during bounds a list by time, to excluded; zero times are no bounds.
func during(from, to time.Time) (least, end int64) {
	least, end = math.MinInt64, math.MaxInt64
	if !from.IsZero() {
		least = bound(from)
	}
	if !to.IsZero() {
		end = bound(to)
	}
	return least, end
}

// bound is a time to compare with what is stored. One that could not be stored is
// before or after everything: as nanoseconds it would be another.
func bound(t time.Time) int64 {
	switch {
	case store.CheckTime(t) == nil:
		return t.UnixNano()
	case t.Before(time.Unix(0, 0)):
		return math.MinInt64
	}
	return math.MaxInt64
}

const sizeOfRow = 512 // about

// Registrations lists a product's registrations, oldest first.
func (s *Store) Registrations(ctx context.Context, q store.RegistrationQuery) (store.Page[metering.Registration], error) {
	if err := store.CheckText(string(q.Product)); err != nil {
		return store.Page[metering.Registration]{}, err
	}
	return page(ctx, s, list[metering.Registration, moment]{
		about: []any{"registrations", q.Product}, start: moment{At: math.MinInt64},
		query: func(after moment, limit int) (string, []any) {
			return registrationsByProduct, []any{string(q.Product), after.At, after.ID, limit}
		},
		scan: scanRegistration,
		at:   func(r *metering.Registration) moment { return moment{nanos(r.Started), r.ID} },
		size: func(*metering.Registration) int { return sizeOfRow },
	}, q.Limit, q.Cursor)
}

// Registration finds a registration by its id.
func (s *Store) Registration(ctx context.Context, id metering.ID) (metering.Registration, bool, error) {
	return find(ctx, s, registrationByID, scanRegistration, [16]byte(id))
}

// Refusals lists a seller's refusals, oldest first.
func (s *Store) Refusals(ctx context.Context, q store.RefusalQuery) (store.Page[store.Refusal], error) {
	if err := store.CheckText(string(q.Seller)); err != nil {
		return store.Page[store.Refusal]{}, err
	}
	least, end := during(q.From, q.To)
	return page(ctx, s, list[store.Refusal, moment]{
		about: []any{"refusals", q.Seller, least, end}, start: moment{At: math.MinInt64},
		query: func(after moment, limit int) (string, []any) {
			return refusalsBySeller, []any{string(q.Seller), least, end, after.At, after.ID, limit}
		},
		scan: scanRefusal,
		at:   func(r *store.Refusal) moment { return moment{nanos(r.Time), r.ID} },
		size: func(*store.Refusal) int { return sizeOfRow },
	}, q.Limit, q.Cursor)
}

// Admitted reports whether the workload was admitted for the product.
func (s *Store) Admitted(ctx context.Context, a store.Admission) (bool, error) {
	_, ok, err := find(ctx, s, findAdmission, pgx.RowTo[string], string(a.Account), a.Workload, string(a.Product))
	return ok, err
}

// Redeemed finds who has resolved a registration token.
func (s *Store) Redeemed(ctx context.Context, token [32]byte) (store.Redeemed, bool, error) {
	r, ok, err := find(ctx, s, findRedemption, scanRedemption, token[:])
	return r.Redeemed, ok, err
}

// find reads the first row of a query.
func find[T any](ctx context.Context, s *Store, sql string, scan pgx.RowToFunc[T], args ...any) (item T, ok bool, err error) {
	err = s.reading(ctx, func(ctx context.Context, conn querier) error {
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, scan)
		if ok = err == nil && len(all) > 0; ok {
			item = all[0]
		}
		return err
	})
	return item, ok, err
}
