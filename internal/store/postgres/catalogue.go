package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
)

const (
	// lookTime bounds a look that finds nothing new.
	lookTime = 3 * time.Second
	// revisionsAtOnce is how many revisions a look reads in one statement.
	revisionsAtOnce = 1000
)

// refresh brings the catalogue in memory to what the database has.
func (s *Store) refresh() error {
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	select {
	case s.changes <- struct{}{}: // not beside a change of this node's
		defer func() { <-s.changes }()
	default:
		return s.stillKnown(ctx)
	}
	if err := s.catchUp(ctx); !errors.Is(err, errHalfCarried) {
		return err
	}
	return nil
}

// stillKnown looks whether the catalogue in memory is the newest while this node
// changes it, which may take longer than a reading stays good: until the change is
// committed it is, unless another node's came first.
func (s *Store) stillKnown(ctx context.Context) error {
	var revision int64
	var importing string
	err := s.writes.QueryRow(ctx, findRevision).Scan(&revision, &importing)
	if known := s.catalog.Revision(); err == nil && revision != known {
		err = fmt.Errorf("postgres: the catalogue is at revision %d, and at %d here, while it is changed", revision, known)
	}
	return err
}

// errHalfCarried says that the catalogue is being imported. It comes entry by
// entry and not revision by revision: what is not there yet would be taken for
// seen.
var errHalfCarried = fmt.Errorf("%w: an import is under way", store.ErrUnavailable)

// errRestored says that a database is older than what the node has seen of it.
var errRestored = errors.New("postgres: this is another database, or one that was restored; start meterd again")

// catchUp reads what the catalogue in memory has not seen. Whoever calls it holds
// s.changes.
func (s *Store) catchUp(ctx context.Context) error {
	var revision int64
	var importing string
	if err := s.writes.QueryRow(ctx, findRevision).Scan(&revision, &importing); err != nil {
		return err
	}
	known := s.catalog.Revision()
	if revision < known {
		return fmt.Errorf("%w: the catalogue's revision is %d and was %d before", errRestored, revision, known)
	}
	switch {
	case importing != "":
		return errHalfCarried
	case revision == known:
		return nil
	}
	// There is something new, and it may be much.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openTime)
	defer cancel()
	var fresh []store.CarriedRevision
	for last := known; last < revision; {
		rows, err := s.writes.Query(ctx, revisionsSince, last, revisionsAtOnce)
		if err != nil {
			return err
		}
		some, err := pgx.CollectRows(rows, s.scanRevision)
		if err != nil {
			return err
		}
		if len(some) == 0 {
			return fmt.Errorf("%w: the catalogue is at revision %d and has none after %d", ErrDamaged, revision, last)
		}
		for _, r := range some {
			if r.Number <= revision {
				fresh = append(fresh, r)
			}
		}
		last = some[len(some)-1].Number
	}
	entries, removed := store.Changed(fresh)
	s.catalog.Set(revision, entries, removed)
	return nil
}

// load reads the catalogue whole, as it is at one moment.
func (s *Store) load(ctx context.Context) error {
	began := time.Now()
	conn, err := s.writes.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, beginReading); err != nil {
		return err
	}
	defer conn.Exec(ctx, rollback) //nolint:errcheck // it has only read
	var revision int64
	var importing string
	if err := conn.QueryRow(ctx, findRevision).Scan(&revision, &importing); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, findEntries)
	if err != nil {
		return err
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.Entry, error) {
		var kind store.Kind
		var body string
		if err := row.Scan(&kind, &body); err != nil {
			return nil, err
		}
		e, _, err := s.decode(kind, body)
		return e, err
	})
	if err != nil {
		return err
	}
	s.catalog.Set(revision, entries, nil)
	s.health.good(began)
	return nil
}

// decode opens an entry. That the key is missing is no damage.
func (s *Store) decode(kind store.Kind, body string) (e store.Entry, current bool, err error) {
	e, current, err = store.DecodeEntry(kind, []byte(body), s.keys)
	if err != nil && !errors.Is(err, envelope.ErrKey) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return e, current, err
}

func (s *Store) scanRevision(row pgx.CollectableRow) (store.CarriedRevision, error) {
	var r store.CarriedRevision
	var changed int64
	var body string
	err := row.Scan(&r.Ref.Kind, &r.Ref.Name, &r.Number, &r.By, &changed, &body)
	if err != nil {
		return r, err
	}
	r.At = instant(changed)
	if body != "" {
		r.Entry, _, err = s.decode(r.Ref.Kind, body)
	}
	return r, err
}

// History lists an entry's revisions, oldest first.
func (s *Store) History(ctx context.Context, ref store.Ref) ([]store.Revision, error) {
	if err := store.CheckText(string(ref.Kind), ref.Name); err != nil {
		return nil, err
	}
	var all []store.Revision
	err := s.reading(ctx, func(ctx context.Context, conn querier) error {
		rows, err := conn.Query(ctx, findHistory, string(ref.Kind), ref.Name)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, s.scanRevision)
		all = all[:0]
		for _, r := range found {
			all = append(all, r.Revision)
		}
		return err
	})
	return all, err
}
