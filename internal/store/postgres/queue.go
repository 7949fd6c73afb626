package postgres

import (
	"context"
	"time"

	"github.com/meterd/meterd/internal/store"
)

// What bounds a group: statements stay small, transactions short, and a small
// call does not wait for long behind large ones (distributed-sql.md 5.4, rule 7).
const (
	maxCalls = 40
	maxRows  = 1000
	maxBytes = 2 << 20
)

// queueTime is how long a call may wait for a committer. One that none has taken
// by then is refused: nothing of it was written.
const queueTime = 5 * time.Second

// request is a call on its way through a committer. All of it that does not depend
// on what is stored is encoded before it gets there.
type request struct {
	ctx     context.Context
	call    store.Call   // its records as they are read back
	kept    []keptRecord // of call.Records, in order
	rows    int          // at the least
	weight  int          // in bytes, about
	outcome store.Outcome
	err     error
	done    chan struct{} // closed when the above is settled
}

func newRequest(ctx context.Context, c store.Call) (*request, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	r := &request{ctx: ctx, call: c.AsKept(), done: make(chan struct{}), rows: len(c.Records) + 1}
	r.kept = make([]keptRecord, len(c.Records))
	for i := range r.kept {
		var err error
		if r.kept[i], err = keepRecord(&r.call.Records[i]); err != nil {
			return nil, err
		}
		r.weight += r.kept[i].weight()
	}
	return r, nil
}

// Append commits one call. Once a committer has taken it, it waits for the
// outcome, whatever becomes of ctx: the commit runs to its end.
func (s *Store) Append(ctx context.Context, c store.Call) (store.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return store.Outcome{}, err
	}
	r, err := newRequest(ctx, c)
	if err != nil {
		return store.Outcome{}, err
	}
	if err := s.Err(); err != nil {
		return store.Outcome{}, err
	}
	patience := time.NewTimer(queueTime)
	defer patience.Stop()
	select {
	case s.calls <- r:
	case <-ctx.Done():
		return store.Outcome{}, ctx.Err()
	case <-s.closing:
		return store.Outcome{}, store.ErrClosed
	case <-patience.C:
		return store.Outcome{}, errBusy
	}
	<-r.done
	if r.err != nil {
		return store.Outcome{}, r.err
	}
	return r.outcome, nil
}

// gather makes a group of a first call and of what waits. On Citus a group is of
// one account, which is one shard: a call of another is for the next group.
func (c *committer) gather(first *request) []*request {
	group := []*request{first}
	rows, weight := first.rows, first.weight
	for len(group) < maxCalls && rows < maxRows && weight < maxBytes {
		select {
		case r := <-c.s.calls:
			if c.s.engine.citus && r.call.Account != first.call.Account || rows+r.rows > maxRows {
				c.next = r
				return group
			}
			group = append(group, r)
			rows, weight = rows+r.rows, weight+r.weight
		default:
			return group
		}
	}
	return group
}
