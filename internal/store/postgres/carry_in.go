package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Importing is where an import stands that has not come to its end.
func (s *Store) Importing(ctx context.Context) (string, error) {
	at := ""
	err := s.reading(ctx, func(ctx context.Context, conn querier) error {
		rows, err := conn.Query(ctx, findRevision)
		if err != nil {
			return err
		}
		at, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (at string, err error) {
			var revision int64
			err = row.Scan(&revision, &at)
			return at, err
		})
		return err
	})
	return at, err
}

// errImporting says that an import was found elsewhere than it was left.
var errImporting = errors.New("postgres: another import is under way")

// Import takes a part of what another store exported, in one transaction.
func (s *Store) Import(ctx context.Context, part []store.Item, at string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	was, err := s.Importing(ctx)
	if err != nil {
		return err
	}
	sh, revisions, err := s.sort(part)
	if err != nil {
		return err
	}
	last := int64(0)
	for _, r := range revisions {
		last = max(last, r.Number)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTime)
	defer cancel()
	err = s.repeat(ctx, func(ctx context.Context, tx *transaction) error {
		if err := s.stand(ctx, tx, was, at, last); err != nil {
			return err
		}
		if err := writeRevisions(ctx, tx, revisions); err != nil {
			return err
		}
		return sh.bring(ctx, s, tx)
	})
	if errors.Is(err, errRaced) {
		return errImporting
	}
	return err
}

// stand writes down where the import stands with a part, if it still stands where
// it was left, and refuses to begin one in a store that holds anything.
func (s *Store) stand(ctx context.Context, tx *transaction, was, at string, revision int64) error {
	b, begun := tx.open()
	b.Queue(standImport, was, at, revision) // first: of two imports one waits here for the other
	b.Queue(holdsAnything)
	results := tx.conn.SendBatch(ctx, b)
	var holds bool
	var stood int64
	err := begun(results)
	if err == nil {
		tag, failed := results.Exec()
		stood, err = tag.RowsAffected(), failed
	}
	if err == nil {
		err = results.QueryRow().Scan(&holds)
	}
	if closed := results.Close(); err == nil {
		err = closed
	}
	switch {
	case err != nil:
		return err
	case was == "" && holds:
		return store.ErrNotEmpty
	case stood == 0:
		return errRaced
	}
	return nil
}

// sort puts a part's items where their rows are written from: on a sheet, and the
// revisions beside it.
func (s *Store) sort(part []store.Item) (*sheet, []keptRevision, error) {
	sh := newSheet(nil)
	var revisions []store.CarriedRevision
	for i := range part {
		if err := part[i].Check(); err != nil {
			return nil, nil, err
		}
		switch item := &part[i]; {
		case item.Record != nil:
			if err := sh.bringRecord(item.Record); err != nil {
				return nil, nil, err
			}
		case item.Registration != nil:
			r := &item.Registration.Registration
			sh.registrations[registrationKey{r.Account, r.ID}] = &replaced[metering.Registration]{now: *r}
			if item.Registration.Last {
				w := workload{r.Account, r.Workload}
				if sh.running[w] == nil {
					sh.running[w] = make(map[metering.ProductCode]*replaced[metering.ID])
				}
				sh.running[w][r.Product] = &replaced[metering.ID]{now: r.ID}
			}
		case item.Admission != nil:
			sh.admissions = append(sh.admissions, *item.Admission)
		case item.Redemption != nil:
			sh.redeemed[item.Redemption.Token] = &replaced[store.Redeemed]{now: item.Redemption.Redeemed}
		case item.Binding != nil:
			b := item.Binding
			key := tokenKey{b.Account, b.Region, b.Token.Value}
			sh.bound[key] = binding{b.Token.Hash, b.Answer, b.Day}
			sh.tokens = append(sh.tokens, key)
		case item.Event != nil:
			sh.bringEvent(item.Event)
		case item.Refusal != nil:
			kept, err := keepRefusal(item.Refusal)
			if err != nil {
				return nil, nil, err
			}
			sh.refusals = append(sh.refusals, kept)
		case item.Floor != nil:
			sh.bringFloor(*item.Floor)
		case item.Digest != nil:
			sh.digests = append(sh.digests, item.Digest)
		case item.Revision != nil:
			revisions = append(revisions, *item.Revision)
		}
	}
	kept, err := s.keepRevisions(revisions)
	return sh, kept, err
}

func (sh *sheet) bringRecord(r *metering.Record) error {
	kept, err := keepRecord(r)
	if err != nil {
		return err
	}
	sh.records = append(sh.records, &kept)
	return nil
}

// bringEvent brings the event's chain, too. Its floor, if it has one, comes later.
func (sh *sheet) bringEvent(ev *store.Event) {
	sh.events = append(sh.events, keepEvent(ev, store.AppendEvent(nil, ev)))
	sh.bringFloor(store.CarriedFloor{Chain: ev.Chain})
}

func (sh *sheet) bringFloor(f store.CarriedFloor) {
	i := slices.IndexFunc(sh.floors, func(other store.CarriedFloor) bool { return other.Chain == f.Chain })
	switch {
	case i < 0:
		sh.floors = append(sh.floors, f)
	case sh.floors[i].Number < f.Number:
		sh.floors[i] = f
	}
}

// bring writes what the part has brought. What is there was brought by the same
// part, whose answer was lost.
func (sh *sheet) bring(ctx context.Context, s *Store, tx *transaction) error {
	_, err := sh.write(ctx, s, tx)
	if errors.Is(err, errRaced) {
		return nil
	}
	return err
}
