package postgres

import (
	"context"
	"time"
)

// SetWait sets the longest wait for COMMIT's answer. It is for tests, before the
// first call.
func (s *Store) SetWait(d time.Duration) { s.waits = d }

// CommitFailed commits a transaction in which a statement has failed, as if nobody
// had looked.
func (s *Store) CommitFailed(ctx context.Context) error {
	return s.within(ctx, func(tx *transaction) error {
		b, _ := tx.open()
		b.Queue("SELECT 1/0")
		_ = tx.conn.SendBatch(ctx, b).Close()
		return nil
	})
}
