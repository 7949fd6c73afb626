package postgres

import (
	"context"
	"encoding/json"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// part is a piece of what one table holds, on its way out, and where it ends; no
// place, if the table does.
type part struct {
	items []store.Item
	place any
}

// table is one that is carried: what comes after a place in it, in JSON; nil is
// before its first row.
type table func(ctx context.Context, s *Store, place json.RawMessage) (part, error)

// tables are those that hold anything, in the order in which they are carried: the
// catalogue first, so that what the rest refers to is there before it.
var tables = []table{
	outRevisions, outRecords, outTokens, outAdmissions, outRegistrations, outRedemptions, outEvents, outRefusals, outFloors, outDigests,
}

// outward is where an export stands: in which table, and after which row.
type outward struct {
	Table int
	Place json.RawMessage
}

// Export lists everything the store holds, table by table.
func (s *Store) Export(ctx context.Context, cursor string) (store.Page[store.Item], error) {
	var none store.Page[store.Item]
	l := list[store.Item, outward]{about: []any{"export"}}
	var at outward
	if cursor != "" {
		var err error
		if at, err = l.resume(cursor); err != nil || at.Table < 0 || at.Table >= len(tables) {
			return none, store.ErrCursor
		}
	}
	for at.Table < len(tables) {
		p, err := tables[at.Table](ctx, s, at.Place)
		if err != nil {
			return none, err
		}
		if p.place == nil {
			at = outward{Table: at.Table + 1}
		} else if at.Place, err = json.Marshal(p.place); err != nil {
			return none, err
		}
		if len(p.items) == 0 {
			continue
		}
		page := store.Page[store.Item]{Items: p.items}
		if at.Table < len(tables) {
			page.Next, err = l.cursor(at)
		}
		return page, err
	}
	return none, nil
}

// out reads a part of one table: at most a page of it, and no more than a page has
// bytes.
func out[T, At any](ctx context.Context, s *Store, from json.RawMessage, first At, sql string, key func(At) []any, scan pgx.RowToFunc[T], at func(*T) At, item func(*T) store.Item, size func(*T) int) (part, error) {
	start := first
	if from != nil {
		if err := json.Unmarshal(from, &start); err != nil {
			return part{}, store.ErrCursor
		}
	}
	l := list[T, At]{
		start: start, scan: scan, at: at, size: size,
		query: func(after At, limit int) (string, []any) { return sql, append(key(after), limit) },
	}
	rows, err := page(ctx, s, l, store.MaxPage, "")
	if err != nil {
		return part{}, err
	}
	var p part
	for i := range rows.Items {
		p.items = append(p.items, item(&rows.Items[i]))
	}
	if n := len(rows.Items); rows.Next != "" {
		p.place = at(&rows.Items[n-1])
	}
	return p, nil
}

func small[T any](*T) int { return sizeOfRow }

func outRevisions(ctx context.Context, s *Store, from json.RawMessage) (part, error) {
	type place struct {
		Kind, Name string
		Number     int64
	}
	return out(ctx, s, from, place{}, exportRevisions,
		func(p place) []any { return []any{p.Kind, p.Name, p.Number} }, s.scanRevision,
		func(r *store.CarriedRevision) place { return place{string(r.Ref.Kind), r.Ref.Name, r.Number} },
		func(r *store.CarriedRevision) store.Item { return store.Item{Revision: r} }, small)
}

func outRecords(ctx context.Context, s *Store, from json.RawMessage) (part, error) {
	type place struct {
		Account string
		byKey
	}
	return out(ctx, s, from, place{"", byKey{Hour: math.MinInt64}}, exportRecords,
		func(p place) []any {
			return []any{p.Account, p.Hour, p.Product, p.Kind, p.Party, p.Dimension, p.Region}
		}, scanRecord,
		func(r *metering.Record) place { return place{string(r.Key.Account), placeByKey(r)} },
		func(r *metering.Record) store.Item { return store.Item{Record: r} }, sizeOfRecord)
}

func outTokens(ctx context.Context, s *Store, from json.RawMessage) (part, error) {
	type place struct{ Account, Region, Value string }
	return out(ctx, s, from, place{}, exportTokens,
		func(p place) []any { return []any{p.Account, p.Region, p.Value} }, scanBinding,
		func(b *store.Binding) place { return place{string(b.Account), b.Region, b.Token.Value} },
		func(b *store.Binding) store.Item { return store.Item{Binding: b} }, small)
}

func scanBinding(row pgx.CollectableRow) (store.Binding, error) {
	var b store.Binding
	var hash []byte
	var answer [16]byte
	var day int64
	err := row.Scan(&b.Account, &b.Region, &b.Token.Value, &hash, &answer, &day)
	copy(b.Token.Hash[:], hash)
	b.Answer, b.Day = answer, int32(day)
	return b, err
}

func outAdmissions(ctx context.Context, s *Store, from json.RawMessage) (part, error) {
	type place struct{ Account, Workload, Product string }
	return out(ctx, s, from, place{}, exportAdmissions,
		func(p place) []any { return []any{p.Account, p.Workload, p.Product} }, pgx.RowToStructByPos[store.Admission],
		func(a *store.Admission) place { return place{string(a.Account), a.Workload, string(a.Product)} },
		func(a *store.Admission) store.Item { return store.Item{Admission: a} }, small)
}

func outRegistrations(ctx context.Context, s *Store, from json.RawMessage) (part, error) {
	type place struct {
		Account string
		ID      [16]byte
	}
	return out(ctx, s, from, place{}, exportRegistrations,
		func(p place) []any { return []any{p.Account, p.ID} }, scanCarriedRegistration,
		func(r *store.CarriedRegistration) place { return place{string(r.Account), r.ID} },
		func(r *store.CarriedRegistration) store.Item { return store.Item{Registration: r} }, small)
}

// lastColumn reads a row's last column and leaves the others to another scan.
type lastColumn struct {
	pgx.CollectableRow
	last any
}

func (r lastColumn) Scan(into ...any) error { return r.CollectableRow.Scan(append(into, r.last)...) }

func scanCarriedRegistration(row pgx.CollectableRow) (r store.CarriedRegistration, err error) {
	r.Registration, err = scanRegistration(lastColumn{row, &r.Last})
	return r, err
}

func outRedemptions(ctx context.Context, s *Store, from json.RawMessage) (part, error) {
	type place struct {
		Account string
		Token   []byte
	}
	return out(ctx, s, from, place{Token: []byte{}}, exportRedemptions,
		func(p place) []any { return []any{p.Account, p.Token} }, scanRedemption,
		func(r *redemption) place { return place{string(r.Account), r.token[:]} },
		func(r *redemption) store.Item {
			return store.Item{Redemption: &store.CarriedRedemption{Token: r.token, Redeemed: r.Redeemed}}
		}, small)
}

// happened is the place of what an account has left.
type happened struct {
	Account string
	At      int64
	ID      [16]byte
}

func (h happened) key() []any { return []any{h.Account, h.At, h.ID} }

func outEvents(ctx context.Context, s *Store, from json.RawMessage) (part, error) {
	return out(ctx, s, from, happened{At: math.MinInt64}, exportEvents, happened.key, scanEvent,
		happenedTo, func(ev *store.Event) store.Item { return store.Item{Event: ev} }, sizeOfEvent)
}

func outRefusals(ctx context.Context, s *Store, from json.RawMessage) (part, error) {
	return out(ctx, s, from, happened{At: math.MinInt64}, exportRefusals, happened.key, scanRefusal,
		func(r *store.Refusal) happened { return happened{string(r.Account), nanos(r.Time), r.ID} },
		func(r *store.Refusal) store.Item { return store.Item{Refusal: r} }, small)
}

func outFloors(ctx context.Context, s *Store, from json.RawMessage) (part, error) {
	return out(ctx, s, from, [16]byte{}, exportFloors, func(id [16]byte) []any { return []any{id} }, scanFloor,
		func(f *store.CarriedFloor) [16]byte { return f.Chain },
		func(f *store.CarriedFloor) store.Item { return store.Item{Floor: f} }, small)
}

func outDigests(ctx context.Context, s *Store, from json.RawMessage) (part, error) {
	return out(ctx, s, from, 0, findDigests, func(number int64) []any { return []any{number} }, scanDigest,
		func(d *store.TrailDigest) int64 { return d.Number },
		func(d *store.TrailDigest) store.Item { return store.Item{Digest: d} }, small)
}
