package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/store"
)

// secretKinds are the kinds of entry that hold a secret.
var secretKinds = []string{string(store.KindCredential), string(store.KindSigningKey), string(store.KindSessionKey)}

// keptSecret is a row whose secret is not sealed as it is to be.
type keptSecret struct {
	kind, name string
	revision   int64
	body       string // as it is to be
}

// sealSecrets seals every secret that is not sealed under the current key, in the
// history too, before the store serves. It opens every secret: one that cannot be
// opened is an error at the start, and not when it is asked for. What the rows
// were stays in the database's files until it has cleaned up after itself.
func (s *Store) sealSecrets(ctx context.Context) error {
	sealed := 0
	for _, t := range []struct{ find, seal string }{{currentSecrets, sealEntry}, {formerSecrets, sealRevision}} {
		stale, err := s.staleSecrets(ctx, t.find)
		if err != nil {
			return err
		}
		if s.keys == nil {
			continue
		}
		for _, row := range stale {
			err := s.repeat(ctx, func(ctx context.Context, tx *transaction) error {
				b, begun := tx.open()
				b.Queue(t.seal, row.kind, row.name, row.revision, row.body)
				results := tx.conn.SendBatch(ctx, b)
				if err := begun(results); err != nil {
					_ = results.Close() // says the same
					return err
				}
				return results.Close()
			})
			if err != nil {
				return err
			}
		}
		sealed += len(stale)
	}
	if sealed > 0 {
		s.log.Info("secrets of the catalogue were sealed under the current key", "count", sealed)
	}
	return nil
}

func (s *Store) staleSecrets(ctx context.Context, sql string) ([]keptSecret, error) {
	rows, err := s.writes.Query(ctx, sql, secretKinds)
	if err != nil {
		return nil, err
	}
	var stale []keptSecret
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
		var r keptSecret
		if err := row.Scan(&r.kind, &r.name, &r.revision, &r.body); err != nil {
			return struct{}{}, err
		}
		e, current, err := s.decode(store.Kind(r.kind), r.body)
		if err != nil || current {
			return struct{}{}, err
		}
		b, err := store.EncodeEntry(e, s.keys)
		r.body = string(b)
		stale = append(stale, r)
		return struct{}{}, err
	})
	return stale, err
}
