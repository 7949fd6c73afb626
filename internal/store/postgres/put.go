package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/store"
)

// changeTime bounds a change of the catalogue before COMMIT.
const changeTime = 60 * time.Second

// Put changes the catalogue. A change is worked out against the catalogue in
// memory and believed only if the database is still at its revision; if not, the
// node reads what is new and works it out again, unless the change says what it
// was made from.
func (s *Store) Put(ctx context.Context, c store.Change) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := c.Check(); err != nil {
		return 0, err
	}
	if err := s.Err(); err != nil {
		return 0, err
	}
	select {
	case s.changes <- struct{}{}:
		defer func() { <-s.changes }()
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-s.closing:
		return 0, store.ErrClosed
	}
	for {
		revisions, err := c.Revise(s.catalog)
		base := s.catalog.Revision()
		last := base + int64(len(revisions))
		if err == nil {
			err = s.change(ctx, base, last, revisions)
		}
		switch {
		case err == nil && len(revisions) == 0:
			return base, nil
		case err == nil:
			entries, removed := store.Changed(revisions)
			s.catalog.Set(last, entries, removed)
			return last, nil
		case errors.Is(err, errRaced):
			if err := s.lookBehind(ctx); err != nil {
				return 0, definite(err)
			}
		default:
			return 0, err
		}
	}
}

// lookBehind catches up with whoever came first. It is bounded: meanwhile the node
// does not look at the catalogue otherwise.
func (s *Store) lookBehind(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	return s.catchUp(ctx)
}

// change writes revisions, unless the catalogue is no longer what they were worked
// out against. It may be none: that a change changes nothing is only a guess, too,
// until the database has said that it is at the revision that was looked at.
func (s *Store) change(ctx context.Context, base, last int64, revisions []store.CarriedRevision) error {
	rows, err := s.keepRevisions(revisions)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTime)
	defer cancel()
	return s.repeat(ctx, func(ctx context.Context, tx *transaction) error {
		b, begun := tx.open()
		b.Queue(raiseRevision, base, last)
		results := tx.conn.SendBatch(ctx, b)
		err := begun(results)
		raised := int64(0)
		if err == nil {
			tag, failed := results.Exec()
			raised, err = tag.RowsAffected(), failed
		}
		if closed := results.Close(); err == nil {
			err = closed
		}
		if err == nil && raised == 0 {
			return errRaced
		}
		if err != nil {
			return err
		}
		return writeRevisions(ctx, tx, rows)
	})
}

// repeat runs a transaction, again if the engine or the connection ask for it, but
// not if it was raced: what it would write is then no longer right.
func (s *Store) repeat(ctx context.Context, work func(context.Context, *transaction) error) error {
	for broken := 0; ; broken++ {
		err := s.within(ctx, func(tx *transaction) error { return work(ctx, tx) })
		switch {
		case err == nil, errors.Is(err, store.ErrUnknown), errors.Is(err, errRaced):
			return err
		case ctx.Err() != nil || broken == attempts || !again(err) && !lost(err):
			return definite(err)
		}
		pause(ctx, err)
	}
}

// keptRevision is a revision as it is stored: its entry with its secret sealed.
type keptRevision struct {
	*store.CarriedRevision
	body string // "": it was removed
}

func (s *Store) keepRevisions(revisions []store.CarriedRevision) ([]keptRevision, error) {
	rows := make([]keptRevision, len(revisions))
	for i := range revisions {
		rows[i].CarriedRevision = &revisions[i]
		if revisions[i].Entry == nil {
			continue
		}
		b, err := store.EncodeEntry(revisions[i].Entry, s.keys)
		if err != nil {
			return nil, fmt.Errorf("postgres: %s %s: %w", revisions[i].Ref.Kind, revisions[i].Ref.Name, err)
		}
		rows[i].body = string(b)
	}
	return rows, nil
}

// writeRevisions writes the history and the entries as they are after it, a
// thousand rows at a time. Rows of one entry come in order.
func writeRevisions(ctx context.Context, tx *transaction, rows []keptRevision) error {
	for chunk := range slices.Chunk(rows, maxRows) {
		last := make(map[store.Ref]int, len(chunk))
		for i := range chunk {
			last[chunk[i].Ref] = i
		}
		var there, gone []keptRevision
		for i, r := range chunk {
			switch {
			case last[r.Ref] != i:
			case r.body == "":
				gone = append(gone, r)
			default:
				there = append(there, r)
			}
		}
		var b pgx.Batch
		b.Queue(insertRevisions, append(refColumns(chunk),
			column(chunk, func(r *keptRevision) string { return r.By }),
			column(chunk, func(r *keptRevision) int64 { return nanos(r.At) }),
			column(chunk, func(r *keptRevision) string { return r.body }))...)
		b.Queue(upsertEntries, append(refColumns(there), column(there, func(r *keptRevision) string { return r.body }))...)
		b.Queue(deleteEntries, refColumns(gone)...)
		if err := tx.conn.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
	}
	return nil
}

// refColumns are the first three arguments of statements about the catalogue.
func refColumns(rows []keptRevision) []any {
	return []any{
		column(rows, func(r *keptRevision) string { return string(r.Ref.Kind) }),
		column(rows, func(r *keptRevision) string { return r.Ref.Name }),
		column(rows, func(r *keptRevision) int64 { return r.Number }),
	}
}
