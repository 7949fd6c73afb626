package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// naiveCallers is how many connections the naive store has.
const naiveCallers = 64

// naiveTable has what PostgreSQL needs to say who holds a key, and nothing else:
// neither events nor refusals.
const naiveTable = `CREATE TABLE records (
	hour integer, account text, region text, kind smallint, product text, party text, dimension text,
	id uuid NOT NULL, quantity integer NOT NULL, used timestamptz NOT NULL, received timestamptz NOT NULL,
	workload text NOT NULL, allocations jsonb,
	PRIMARY KEY (hour, account, region, kind, product, party, dimension))`

const (
	naiveInsert = `INSERT INTO records VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`
	naiveHolder = `SELECT id, quantity, used, received, workload, allocations FROM records
	WHERE hour = $1 AND account = $2 AND region = $3 AND kind = $4 AND product = $5 AND party = $6 AND dimension = $7`
)

// naiveStore is the store that one writes first: an INSERT for each record, each in
// a transaction of its own. Its catalogue is in memory.
type naiveStore struct {
	*embedded.Store
	pool *pgxpool.Pool
}

func openNaive(ctx context.Context, catalog *embedded.Store, url string) (*naiveStore, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = naiveCallers, naiveCallers
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	_, err = pool.Exec(ctx, naiveTable)
	return &naiveStore{catalog, pool}, err
}

// Append stores a call's records, one after the other.
func (s *naiveStore) Append(ctx context.Context, c store.Call) (out store.Outcome, err error) {
	out.Holders = make([]*metering.Record, len(c.Records))
	for i := range c.Records {
		if out.Holders[i], err = s.take(ctx, &c.Records[i]); err != nil {
			return out, err
		}
	}
	if c.After != nil {
		_, err = c.After(out)
	}
	return out, err
}

// take returns who holds a record's key when it has been tried.
func (s *naiveStore) take(ctx context.Context, r *metering.Record) (*metering.Record, error) {
	k := &r.Key
	key := []any{int32(k.Hour), string(k.Account), k.Region, int16(k.Kind), string(k.Product), k.Party, k.Dimension}
	var allocations []byte
	if len(r.Allocations) > 0 {
		var err error
		if allocations, err = json.Marshal(r.Allocations); err != nil {
			return r, err
		}
	}
	done, err := s.pool.Exec(ctx, naiveInsert, append(key, [16]byte(r.ID), r.Quantity, r.Timestamp, r.Received, r.Workload, allocations)...)
	if err != nil || done.RowsAffected() == 1 {
		return r, err
	}
	holder := &metering.Record{Key: *k}
	var id [16]byte
	var used, received time.Time
	row := s.pool.QueryRow(ctx, naiveHolder, key...)
	if err := row.Scan(&id, &holder.Quantity, &used, &received, &holder.Workload, &allocations); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return r, store.ErrUnavailable
		}
		return r, err
	}
	holder.ID, holder.Timestamp, holder.Received = id, used, received
	if allocations != nil {
		err = json.Unmarshal(allocations, &holder.Allocations)
	}
	return holder, err
}
