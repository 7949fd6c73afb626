package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// keptEvent is an event that is linked, and all that it says as it is stored.
type keptEvent struct {
	*store.Event
	body []byte
}

func keepEvent(ev *store.Event, fields []byte) keptEvent {
	return keptEvent{ev, append(store.AppendLink(make([]byte, 0, 64+len(fields)), &ev.Link), fields...)}
}

// link gives the group's events their places at the end of a chain. One that
// begins is written down.
func (sh *sheet) link(chain *store.Chain) {
	if len(sh.events) > 0 && chain.Head().Number == 0 {
		sh.floors = append(sh.floors, store.CarriedFloor{Chain: chain.ID()})
	}
	var fields []byte
	for i := range sh.events {
		ev := sh.events[i].Event
		fields = store.AppendEvent(fields[:0], ev)
		chain.Link(ev, fields)
		sh.events[i] = keepEvent(ev, fields)
	}
}

// scanEvent reads eventColumns.
func scanEvent(row pgx.CollectableRow) (store.Event, error) {
	var (
		ev        store.Event
		happened  int64
		id, chain [16]byte
		number    int64
		operation metering.Operation
		body      []byte
	)
	if err := row.Scan(&ev.Account, &happened, &id, &operation, &chain, &number, &body); err != nil {
		return ev, err
	}
	ev.Time, ev.ID = instant(happened), id
	u := store.Unpacker{Rest: string(body)}
	ev.Link = store.UnpackLink(&u)
	err := store.UnpackEvent(&ev, u.Rest)
	if ok := ev.Operation == operation && ev.Chain == chain && ev.Number == number; err == nil && !ok {
		err = fmt.Errorf("its columns do not say what it says")
	}
	if err != nil {
		ev.Chain, ev.Number = chain, number
		return ev, fmt.Errorf("%w: event %s of account %s: %w", ErrDamaged, ev.ID, ev.Account, err)
	}
	return ev, nil
}

func momentOf(ev *store.Event) moment { return moment{nanos(ev.Time), ev.ID} }

// lastID is no less than any id.
var lastID = [16]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Events lists events by time. Those of one operation have an index of their own:
// a few among millions cost a few.
func (s *Store) Events(ctx context.Context, q store.EventQuery) (store.Page[store.Event], error) {
	if err := q.Check(); err != nil {
		return store.Page[store.Event]{}, err
	}
	if q.Account == "" {
		return page(ctx, s, allEvents(), q.Limit, q.Cursor)
	}
	least, end := during(q.From, q.To)
	start, byAccount, byOperation := moment{At: math.MinInt64}, eventsByAccount, eventsByOperation
	if q.Newest {
		start, byAccount, byOperation = moment{math.MaxInt64, lastID}, newestByAccount, newestByOperation
	}
	return page(ctx, s, list[store.Event, moment]{
		about: []any{"events", q.Account, q.Operation, least, end, q.Newest}, start: start,
		query: func(after moment, limit int) (string, []any) {
			args := []any{string(q.Account), least, end, after.At, after.ID, limit}
			if q.Operation == "" {
				return byAccount, args
			}
			return byOperation, append(args, string(q.Operation))
		},
		scan: scanEvent, at: momentOf, size: sizeOfEvent,
	}, q.Limit, q.Cursor)
}

func allEvents() list[store.Event, happened] {
	return list[store.Event, happened]{
		about: []any{"all events"}, start: happened{At: math.MinInt64},
		query: func(after happened, limit int) (string, []any) { return exportEvents, append(after.key(), limit) },
		scan:  scanEvent, at: happenedTo, size: sizeOfEvent,
	}
}

func happenedTo(ev *store.Event) happened {
	return happened{string(ev.Account), nanos(ev.Time), ev.ID}
}

// sizeOfEvent is about how many bytes an event takes.
func sizeOfEvent(ev *store.Event) int { return sizeOfRow + 64*len(ev.Records) }

// Trail lists a chain's events.
func (s *Store) Trail(ctx context.Context, q store.TrailQuery) (store.Page[store.Event], error) {
	return page(ctx, s, list[store.Event, int64]{
		about: []any{"trail", q.Chain}, start: q.After,
		query: func(after int64, limit int) (string, []any) {
			return eventsByPlace, []any{[16]byte(q.Chain), after, limit}
		},
		scan: scanEvent, at: func(ev *store.Event) int64 { return ev.Number }, size: sizeOfEvent,
	}, q.Limit, q.Cursor)
}

// chainsAtOnce is how many chains are looked at in one read, which has its own time
// for it: of chains there are more with every start of a node.
const chainsAtOnce = 256

// Extents lists the chains: a query for each, however long they are.
func (s *Store) Extents(ctx context.Context) ([]store.Extent, error) {
	var all []store.Extent
	for after := (metering.ID{}); ; after = all[len(all)-1].Chain {
		var some []store.Extent
		err := s.reading(ctx, func(ctx context.Context, conn querier) (err error) {
			some, err = extentsAfter(ctx, conn, after)
			return err
		})
		if err != nil || len(some) == 0 {
			return all, err
		}
		all = append(all, some...)
	}
}

// extentsAfter lists some chains by their ids. Where a chain begins is read after
// where it ends: of one whose events expire in between, it says where it has ended.
func extentsAfter(ctx context.Context, conn querier, after metering.ID) ([]store.Extent, error) {
	rows, err := conn.Query(ctx, findChains, [16]byte(after), chainsAtOnce)
	if err != nil {
		return nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	var b pgx.Batch
	heads := make(map[metering.ID]store.Place, len(ids))
	for _, id := range ids {
		b.Queue(lastByPlace, id).Query(func(rows pgx.Rows) error {
			last, err := pgx.CollectRows(rows, scanEvent)
			if len(last) > 0 {
				heads[id] = store.Place{Number: last[0].Number, Hash: last[0].Hash()}
			}
			return damage(err)
		})
	}
	var floors []store.CarriedFloor
	b.Queue(findFloors, ids).Query(func(rows pgx.Rows) (err error) {
		floors, err = pgx.CollectRows(rows, scanFloor)
		return damage(err)
	})
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	slices.SortFunc(floors, func(a, b store.CarriedFloor) int { return bytes.Compare(a.Chain[:], b.Chain[:]) })
	some := make([]store.Extent, len(floors))
	for i, floor := range floors {
		some[i] = store.Extent{Chain: floor.Chain, Floor: floor.Place, Head: floor.Place}
		if head := heads[floor.Chain]; head.Number > floor.Number {
			some[i].Head = head
		}
	}
	return some, nil
}

// damage marks an error of what is damaged, for those who go on without.
func damage(err error) error {
	if errors.Is(err, ErrDamaged) {
		return &store.DamageError{Err: err}
	}
	return err
}

// scanFloor reads a chain and its floor.
func scanFloor(row pgx.CollectableRow) (store.CarriedFloor, error) {
	var (
		f    store.CarriedFloor
		id   [16]byte
		hash []byte
	)
	if err := row.Scan(&id, &f.Number, &hash); err != nil {
		return f, err
	}
	f.Chain = id
	if copy(f.Hash[:], hash) != len(hash) || len(hash) != len(f.Hash) {
		return f, fmt.Errorf("%w: the floor of chain %s has a hash of %d bytes", ErrDamaged, f.Chain, len(hash))
	}
	return f, nil
}

func scanDigest(row pgx.CollectableRow) (store.TrailDigest, error) {
	var body []byte
	var number int64
	if err := row.Scan(&number, &body); err != nil {
		return store.TrailDigest{}, err
	}
	d, err := store.UnpackDigest(string(body))
	if err == nil && d.Number != number {
		err = fmt.Errorf("it says that it is digest %d", d.Number)
	}
	if err != nil {
		d.Number = number
		err = fmt.Errorf("%w: digest %d of the trail: %w", ErrDamaged, number, err)
	}
	return d, err
}

// Digests lists the digests after a number.
func (s *Store) Digests(ctx context.Context, q store.DigestQuery) (store.Page[store.TrailDigest], error) {
	return page(ctx, s, list[store.TrailDigest, int64]{
		about: []any{"digests"}, start: q.After,
		query: func(after int64, limit int) (string, []any) { return findDigests, []any{after, limit} },
		scan:  scanDigest, at: func(d *store.TrailDigest) int64 { return d.Number },
		size: func(d *store.TrailDigest) int { return 64 + 96*len(d.Extents) },
	}, q.Limit, q.Cursor)
}

// Seal makes the next digest. Of nodes that do so at once one succeeds; what the
// others saw will be in the next one.
func (s *Store) Seal(ctx context.Context, at time.Time) (store.TrailDigest, bool, error) {
	last, known, err := find(ctx, s, lastDigest, scanDigest)
	if err != nil {
		return store.TrailDigest{}, false, err
	}
	extents, err := s.Extents(ctx)
	if err != nil {
		return store.TrailDigest{}, false, err
	}
	before := &last
	if !known {
		before = nil
	}
	d, news := store.NextDigest(before, extents, at)
	if known {
		newest := last.Hash() // another node may have made it
		s.sealed.Store(&newest)
	}
	if !news {
		return d, false, nil
	}
	made, err := s.execute(ctx, wanted{insertDigests, digestColumns([]*store.TrailDigest{&d})})
	if err != nil || made[0] == 0 {
		return d, false, err
	}
	hash := d.Hash()
	s.sealed.Store(&hash)
	return d, true, nil
}

// wanted is a statement and its arguments.
type wanted struct {
	sql  string
	args []any
}

// execute runs statements in a transaction of their own, and returns how many rows
// each has touched.
func (s *Store) execute(ctx context.Context, all ...wanted) (rows []int64, err error) {
	err = s.repeat(ctx, func(ctx context.Context, tx *transaction) error {
		rows = rows[:0]
		b, begun := tx.open()
		for _, w := range all {
			b.Queue(w.sql, w.args...)
		}
		results := tx.conn.SendBatch(ctx, b)
		err := begun(results)
		for range all {
			if err == nil {
				tag, failed := results.Exec()
				rows, err = append(rows, tag.RowsAffected()), failed
			}
		}
		if closed := results.Close(); err == nil {
			err = closed
		}
		return err
	})
	return rows, err
}

// loadTrail learns what chains begin after.
func (s *Store) loadTrail(ctx context.Context) error {
	d, known, err := find(ctx, s, lastDigest, scanDigest)
	after := new([32]byte)
	if known {
		*after = d.Hash()
	}
	s.sealed.Store(after)
	return err
}

// dropEvents lets go of the oldest events of a chain.
func (s *Store) dropEvents(ctx context.Context, old []store.Event, floor store.CarriedFloor) error {
	_, err := s.execute(ctx,
		wanted{insertChains, chainColumns([]store.CarriedFloor{floor})},
		wanted{deleteEvents, []any{
			column(old, func(ev *store.Event) string { return string(ev.Account) }),
			column(old, func(ev *store.Event) int64 { return nanos(ev.Time) }),
			column(old, func(ev *store.Event) [16]byte { return ev.ID }),
		}})
	return err
}
