package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/meterd/meterd/internal/store"
)

const (
	// groupTime bounds all that is done for a group before COMMIT, attempts
	// included.
	groupTime = 8 * time.Second
	// commitTime bounds the wait for COMMIT's answer. No setting of the server
	// ends the wait for a standby that is gone (reliability.md, P2).
	commitTime = 10 * time.Second
	// attempts bounds how often connections may break under one group.
	attempts = 4
)

var errBusy = fmt.Errorf("%w: it has too much to do", store.ErrUnavailable)

// committer takes calls that wait and commits them by groups.
type committer struct {
	s    *Store
	next *request // taken, and of no group yet
	// chain is where the events go; its zero value has not begun.
	chain store.Chain
}

func newCommitter(s *Store) *committer { return &committer{s: s} }

// run commits until the store is closed.
func (c *committer) run() {
	for {
		first := c.next
		c.next = nil
		if first == nil {
			select {
			case first = <-c.s.calls:
			case <-c.s.closing:
				return
			}
		}
		c.settle(c.gather(first))
	}
}

// settle commits a group and tells its callers. A call of a group whose outcome
// is not known is told nothing else: what it was refused for may be gone, too.
func (c *committer) settle(group []*request) {
	err := c.commit(group)
	if len(group) > 1 && ofOneCall(err) {
		// Calls never share a failure: the others have no part in it.
		for i := range group {
			c.settle(group[i : i+1])
		}
		return
	}
	for _, r := range group {
		if err != nil {
			r.outcome, r.err = store.Outcome{}, err
		}
		close(r.done)
	}
}

// commit tries until the group is committed, or it is known that it is not, or
// cannot be known. It works in its own time: callers that go away after it has
// begun change nothing.
func (c *committer) commit(group []*request) error {
	ctx, cancel := context.WithTimeout(context.Background(), groupTime)
	defer cancel()
	if c.chain.Head().Number == 0 { // it has no event yet, and begins after the newest digest
		c.chain = store.NewChain(*c.s.sealed.Load())
	}
	for broken := 0; ; {
		chain := c.chain
		err := c.s.within(ctx, func(tx *transaction) error { return c.s.try(ctx, tx, group, &chain) })
		switch {
		case err == nil:
			c.chain = chain
			return nil
		case errors.Is(err, store.ErrUnknown):
			c.chain = store.Chain{} // whether it goes on is not known: the next group begins another
			return err
		case again(err) && ctx.Err() == nil:
			pause(ctx, err)
		case lost(err) && ctx.Err() == nil && broken < attempts:
			broken++
		default:
			return definite(err)
		}
	}
}

// pause waits a little before an attempt that follows a conflict which the engine
// has found: those who were in it are not to meet again at once.
func pause(ctx context.Context, err error) {
	if errors.Is(err, errRaced) {
		return // whoever came first is done
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(1+rand.IntN(20))*time.Millisecond)
	defer cancel()
	<-ctx.Done()
}

// try decides a group on what is stored, and writes what was decided.
// Their events go to the end of the chain.
func (s *Store) try(ctx context.Context, tx *transaction, group []*request, chain *store.Chain) error {
	sh := newSheet(group)
	if err := sh.find(ctx, s, tx); err != nil {
		return err
	}
	// Between this and COMMIT lies no wait that is not bounded: what the calls
	// were checked against is fresh.
	if err := s.Err(); err != nil {
		return err
	}
	for _, r := range group {
		sh.decide(r)
	}
	sh.link(chain)
	written, err := sh.write(ctx, s, tx)
	if err != nil || written {
		return err
	}
	return s.waitAsIfWritten(ctx, tx, sh)
}

// waitAsIfWritten makes a transaction that has only read wait for the standby
// when it commits: what it has read may be there and not on the standby
// (reliability.md, P1).
func (s *Store) waitAsIfWritten(ctx context.Context, tx *transaction, sh *sheet) error {
	var b pgx.Batch
	switch {
	case s.engine.citus:
		b.Queue(s.sql(lockRecords), keyColumns(sh.wantedKeys())...)
		b.Queue(s.sql(lockTokens), sh.wantedTokens()...)
	case s.engine.standby:
		b.Queue(waitForStandby)
	default:
		return nil
	}
	return tx.conn.SendBatch(ctx, &b).Close()
}

// transaction is a connection in a transaction. Its first statements go with what
// is sent first.
type transaction struct {
	conn  *pgxpool.Conn
	begun bool
}

// open begins a batch, and the transaction with it. read has to be called for the
// answers before those of the batch.
func (t *transaction) open() (b *pgx.Batch, read func(pgx.BatchResults) error) {
	b = new(pgx.Batch)
	if t.begun {
		return b, func(pgx.BatchResults) error { return nil }
	}
	t.begun = true
	first := []string{begin, boundStatement, boundIdle}
	for _, statement := range first {
		b.Queue(statement)
	}
	return b, func(r pgx.BatchResults) error {
		for range first {
			if _, err := r.Exec(); err != nil {
				return err
			}
		}
		return nil
	}
}

// within runs a transaction: all that work does or nothing, durable when it
// returns nil. An error is definite unless it wraps [store.ErrUnknown].
func (s *Store) within(ctx context.Context, work func(*transaction) error) error {
	conn, err := s.writes.Acquire(ctx)
	if err != nil {
		s.lose(err, false)
		return err
	}
	defer conn.Release()
	tx := &transaction{conn: conn}
	if err := work(tx); err != nil {
		s.abandon(conn, err)
		return err
	}
	if !tx.begun {
		return nil
	}
	return s.finish(conn)
}

// abandon rolls back, or lets go of the connection if that cannot be.
func (s *Store) abandon(conn *pgxpool.Conn, cause error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTime)
	defer cancel()
	if !conn.Conn().IsClosed() {
		if _, err := conn.Exec(ctx, rollback); err == nil && !lost(cause) {
			return
		}
		_ = conn.Conn().Close(ctx)
	}
	s.lose(cause, false)
}

// finish commits. The context is its own: nothing that happens to a caller may cut
// it short.
func (s *Store) finish(conn *pgxpool.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.waits)
	defer cancel()
	delete(conn.Conn().PgConn().CustomData(), warning)
	tag, err := conn.Exec(ctx, commit)
	switch {
	case err == nil && tag.String() == "ROLLBACK":
		return fmt.Errorf("%w: %w", store.ErrUnavailable, pgx.ErrTxCommitRollback)
	case err != nil && rolledBack(err):
		return err
	case err != nil:
		_ = conn.Conn().Close(ctx)
		s.lose(err, true)
		return unknown(err)
	}
	if err := warningOf(conn); err != nil {
		s.log.Error("a commit may not have reached a standby", "error", err)
		s.lose(err, true)
		return unknown(err)
	}
	return nil
}

// warningOf is an error if the answer to a commit came with a warning: the wait
// for a standby was cancelled, so it is committed on the primary, and may be
// nowhere else (reliability.md, P2).
func warningOf(conn *pgxpool.Conn) error {
	text, warned := conn.Conn().PgConn().CustomData()[warning]
	if !warned {
		return nil
	}
	return fmt.Errorf("postgres: a commit was answered with a warning: %v", text)
}
