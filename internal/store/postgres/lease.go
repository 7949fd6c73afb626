package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// leaseEvery is how often a node says that it lives, and looks who else does.
	leaseEvery = 2 * time.Second
	// leaseTime bounds that. It is little: the look at the catalogue waits for it.
	leaseTime = time.Second
)

// Nodes is how many nodes serve from the database, this one among them, as far as
// it has seen: within some seconds of one that comes or dies, and at once of one
// that is closed. Stores that were opened under another name are none.
func (s *Store) Nodes() int { return max(int(s.nodes.Load()), 1) }

// renew renews the node's lease, if it serves, and counts those that live. What
// cannot be counted stays as it was: a database that is out of reach is noticed by
// whoever has more to do with it.
func (s *Store) renew() {
	if !s.serves || time.Since(s.renewed) < leaseEvery {
		return
	}
	s.renewed = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), leaseTime)
	defer cancel()
	live, err := s.takeLease(ctx)
	if err != nil {
		s.log.Warn("the node's lease was not renewed", "error", err)
		return
	}
	if was := s.nodes.Swap(live); was != live {
		s.log.Info("nodes that serve from the database", "now", live, "before", was)
	}
}

func (s *Store) takeLease(ctx context.Context) (live int64, err error) {
	var b pgx.Batch
	if s.engine.standby {
		b.Queue(commitLightly)
	}
	b.Queue(takeLease, s.node)
	b.Queue(countLeases).QueryRow(func(row pgx.Row) error { return row.Scan(&live) })
	return live, s.writes.SendBatch(ctx, &b).Close()
}

// dropLease gives the node's part of the quotas to the others, and takes out what
// nodes have left that died.
func (s *Store) dropLease() {
	if !s.serves || s.writes == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseTime)
	defer cancel()
	rows, err := s.writes.Query(ctx, findOldLeases)
	if err == nil {
		var gone []string
		if gone, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			_, err = s.writes.Exec(ctx, dropLeases, append(gone, s.node))
		}
	}
	if err != nil {
		s.log.Warn("the node's lease was not given back, and runs out by itself", "error", err)
	}
}
