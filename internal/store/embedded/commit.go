package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/store"
)

const (
	// maxCalls and maxBytes bound a group: what a small call waits for is at
	// most a group of this size and one largest call.
	maxCalls = 256
	maxBytes = 2 << 20
	// depth is how many groups may wait for their sync while the next fills.
	depth = 2
)

// Append commits one call. Once the committer has taken it, it waits for the
// outcome, whatever becomes of ctx: the commit runs to its end.
func (s *Store) Append(ctx context.Context, c store.Call) (store.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return store.Outcome{}, err
	}
	had := s.takeEncoding()
	r, err := newRequest(ctx, c, had)
	if err == nil {
		err = s.commit(r)
	}
	if s.fence.err() == nil { // else the committer may still be at it
		s.giveEncoding(had)
	}
	if err != nil {
		return store.Outcome{}, err
	}
	return r.outcome, nil
}

// commit hands a request to the committer and waits for it to be settled.
func (s *Store) commit(r *request) error {
	if err := s.fence.err(); err != nil {
		return err
	}
	to := s.calls
	if r.batch != nil {
		to = s.batches // a change has asked for room before, and what expires makes some
	} else if err := s.room.err(); err != nil {
		return err
	}
	select {
	case to <- r:
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-s.closing:
		return store.ErrClosed
	case <-s.fence.failed:
		return s.fence.cause
	}
	return s.await(r)
}

// await waits until a request that was taken is settled.
func (s *Store) await(r *request) error {
	select {
	case <-r.done:
		return r.err
	case <-s.fence.failed:
	}
	select {
	case <-r.done: // it was settled before the store failed
		return r.err
	default:
		return unknown(s.fence.cause)
	}
}

func unknown(cause error) error { return fmt.Errorf("%w: %w", store.ErrUnknown, cause) }

// group is the requests of one commit.
type group struct {
	batch    *pebble.Batch // nil: nothing to write
	requests []*request
	synced   chan struct{} // closed when the group, and every one before, is durable
}

// committer decides and writes. Its fields are its own: one goroutine has them.
type committer struct {
	s       *Store
	groups  chan *group
	overlay map[string][]byte // what this group writes
	undo    []undo            // what the call at hand has put into overlay
	sets    []row             // what the call at hand writes
	scratch []byte
	values  encoder // of rows that are encoded here, for as long as the group

	chain  store.Chain
	fields []byte // of the event at hand

	days     []int32 // that tokens are filed under, newest first
	sections sections
	admitted map[string]struct{} // admissions that Pebble was found to have; they stay
}

type undo struct {
	key string
	was []byte
}

// run commits until the store is closed. What it does after the store has failed
// it does in vain: the fence lets nothing through.
func (c *committer) run() {
	defer close(c.s.done)
	synced := make(chan struct{})
	go func() {
		defer close(synced)
		for g := range c.groups {
			c.s.answer(g)
		}
	}()
	for {
		select {
		case first := <-c.s.calls:
			c.commit(c.gather(first))
		case r := <-c.s.batches:
			c.alone(r)
		case <-c.s.closing:
			close(c.groups)
			<-synced
			return
		}
	}
}

// gather makes a group of what waits.
func (c *committer) gather(first *request) *group {
	g := &group{requests: []*request{first}, synced: make(chan struct{})}
	for weight := first.weight; len(g.requests) < maxCalls && weight < maxBytes; {
		select {
		case r := <-c.s.calls:
			g.requests = append(g.requests, r)
			weight += r.weight
		default:
			return g
		}
	}
	return g
}

func (c *committer) commit(g *group) {
	batch := c.s.db.NewBatch()
	c.sections.tend()
	for _, r := range g.requests {
		c.undo, c.sets = c.undo[:0], c.sets[:0]
		chain := c.chain
		r.err = c.decide(r)
		if r.err == nil {
			r.err = write(batch, c.sets)
		}
		if r.err != nil {
			c.drop()
			c.chain = chain
		}
	}
	clear(c.overlay)
	c.values.forget(maxBytes)
	c.send(g, batch)
}

// alone commits a batch as a group of its own: there is nothing to decide, and
// what it deletes no other call of its group can have asked for.
func (c *committer) alone(r *request) {
	g := &group{requests: []*request{r}, synced: make(chan struct{})}
	if r.err = r.ctx.Err(); r.err != nil {
		c.groups <- g
		return
	}
	c.days = slices.DeleteFunc(c.days, func(day int32) bool { return day < r.forget })
	if r.imported {
		c.sections.forget()
	}
	if r.sealed != nil && c.chain.Head().Number == 0 {
		c.chain = store.NewChain(r.sealed.Hash())
	}
	c.send(g, r.batch)
}

// send gives a group to Pebble and to those that wait for its sync.
func (c *committer) send(g *group, batch *pebble.Batch) {
	if !batch.Empty() {
		g.batch = batch
		c.s.latest.Store(g) // before readers can see what it writes
		if err := c.s.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
			c.s.fence.fail(err)
		}
		c.s.wrote(batch.Len())
	}
	c.groups <- g
}

// drop takes back what the call at hand has put into the overlay.
func (c *committer) drop() {
	for i := len(c.undo) - 1; i >= 0; i-- {
		u := c.undo[i]
		if u.was == nil {
			delete(c.overlay, u.key)
		} else {
			c.overlay[u.key] = u.was
		}
	}
}

// write puts a decided call into the batch. It cannot fail half way: a batch
// refuses nothing but growing beyond 4 GiB, which it panics on.
func write(batch *pebble.Batch, sets []row) error {
	for _, set := range sets {
		op := batch.SetDeferred(len(set.key), len(set.value))
		copy(op.Key, set.key)
		copy(op.Value, set.value)
		if err := op.Finish(); err != nil {
			return err
		}
	}
	return nil
}

// answer waits until a group is durable and settles its requests. Groups come in
// order and a sync covers all that was written before it, so a group that wrote
// nothing is durable when its turn has come.
func (s *Store) answer(g *group) {
	if g.batch != nil {
		if err := g.batch.SyncWait(); err != nil {
			s.fence.fail(err)
		} else {
			// The batch may be used again. Close never fails on a synced one.
			s.fence.report(g.batch.Close())
		}
	}
	if cause := s.fence.err(); cause != nil {
		for _, r := range g.requests {
			r.err = unknown(cause)
			close(r.done)
		}
		return
	}
	close(g.synced)
	for _, r := range g.requests {
		close(r.done)
	}
	g.batch, g.requests = nil, nil // Store.latest may hold the group for long
}

// get returns the fields of a key's value as the call at hand has to see it.
func (c *committer) get(key string) (fields string, ok bool, err error) {
	if c.sections.free(key) { // in this group, too: what it sets is told first
		return "", false, nil
	}
	if value, ok := c.overlay[key]; ok {
		fields, err = unseal(key, value)
		return fields, err == nil, err
	}
	c.scratch = append(c.scratch[:0], key...)
	return c.s.lookup(key, c.scratch)
}

// lookup returns the fields of a key's value as Pebble has it.
func (s *Store) lookup(key string, same []byte) (fields string, ok bool, err error) {
	value, closer, err := s.db.Get(same)
	if errors.Is(err, pebble.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, readError(err)
	}
	fields, err = unseal(key, value)
	if err := errors.Join(err, closer.Close()); err != nil {
		return "", false, err
	}
	return fields, true, nil
}

// set writes a key with the call at hand.
func (c *committer) set(r row) {
	c.sections.add(r.key)
	c.undo = append(c.undo, undo{r.key, c.overlay[r.key]})
	c.overlay[r.key] = r.value
	c.sets = append(c.sets, r)
}

// put encodes a value and sets it.
func (c *committer) put(key string, encode func(*encoder)) error {
	r, err := c.encode(key, encode)
	if err == nil {
		c.set(r)
	}
	return err
}

// leave encodes a value and writes it with the call at hand, under a key that no
// call asks for.
func (c *committer) leave(key string, encode func(*encoder)) error {
	r, err := c.encode(key, encode)
	if err == nil {
		c.sets = append(c.sets, r)
	}
	return err
}

func (c *committer) encode(key string, encode func(*encoder)) (row, error) {
	at := c.values.begin()
	encode(&c.values)
	if err := c.values.err; err != nil {
		c.values.err = nil
		return row{}, err
	}
	return row{key, c.values.seal(key, at)}, nil
}
