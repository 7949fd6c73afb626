package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/store"
)

// Expire lets go of refusals and of days of ClientTokens, in batches by key, each
// a transaction: none is large, and calls go on between them. Nodes may do so at
// once; whoever comes second finds less to do.
func (s *Store) Expire(ctx context.Context, e store.Expiry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.Err(); err != nil {
		return err
	}
	if !e.Refusals.IsZero() {
		err := s.expire(ctx, func(ctx context.Context, tx *transaction) (int, error) {
			return expireRefusals(ctx, tx, bound(e.Refusals))
		})
		if err != nil {
			return err
		}
	}
	if !e.Tokens.IsZero() {
		err := s.expire(ctx, func(ctx context.Context, tx *transaction) (int, error) {
			return expireTokens(ctx, tx, int64(store.Day(e.Tokens)))
		})
		if err != nil {
			return err
		}
	}
	if e.Events.IsZero() {
		return nil
	}
	return store.ExpireTrail(ctx, s, e.Events, s.dropEvents)
}

// expire runs batches until one finds nothing to do.
func (s *Store) expire(ctx context.Context, batch func(context.Context, *transaction) (int, error)) error {
	for {
		n := 0
		err := s.repeat(ctx, func(ctx context.Context, tx *transaction) (err error) {
			n, err = batch(ctx, tx)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

func expireRefusals(ctx context.Context, tx *transaction, before int64) (int, error) {
	type row struct {
		Account  string
		Happened int64
		ID       [16]byte
	}
	old, err := gone(ctx, tx, pgx.RowToStructByPos[row], expiredRefusals, before)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	_, err = tx.conn.Exec(ctx, deleteRefusals,
		column(old, func(r *row) string { return r.Account }),
		column(old, func(r *row) int64 { return r.Happened }),
		column(old, func(r *row) [16]byte { return r.ID }))
	return len(old), err
}

func expireTokens(ctx context.Context, tx *transaction, before int64) (int, error) {
	type row struct{ Account, Region, Value string }
	old, err := gone(ctx, tx, pgx.RowToStructByPos[row], expiredTokens, before)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	_, err = tx.conn.Exec(ctx, deleteTokens,
		column(old, func(r *row) string { return r.Account }),
		column(old, func(r *row) string { return r.Region }),
		column(old, func(r *row) string { return r.Value }), before)
	return len(old), err
}

// gone opens the transaction and lists what is to be let go of.
func gone[T any](ctx context.Context, tx *transaction, scan pgx.RowToFunc[T], sql string, before int64) ([]T, error) {
	b, begun := tx.open()
	b.Queue(sql, before)
	results := tx.conn.SendBatch(ctx, b)
	var all []T
	err := begun(results)
	if err == nil {
		var rows pgx.Rows
		if rows, err = results.Query(); err == nil {
			all, err = pgx.CollectRows(rows, scan)
		}
	}
	if closed := results.Close(); err == nil {
		err = closed
	}
	return all, err
}
