package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
)

// Put changes the catalogue. Changes are made one after the other: what the next
// one is compared with is the catalogue in memory, which holds all that was
// acknowledged. So everything but the writing is done here, and the committer,
// which serves others, is not held up.
func (s *Store) Put(ctx context.Context, c store.Change) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := c.Check(); err != nil {
		return 0, err
	}
	if err := s.turn(ctx); err != nil {
		return 0, err
	}
	defer func() { <-s.puts }()
	revisions, err := c.Revise(s.catalog)
	if err != nil {
		return 0, err
	}
	if len(revisions) == 0 {
		return s.catalog.Revision(), nil
	}
	ch := change{keys: s.keys}
	for i := range revisions {
		if err := ch.add(&revisions[i]); err != nil {
			return 0, err
		}
	}
	if err := s.write(ctx, &ch); err != nil {
		return 0, err
	}
	entries, removed := store.Changed(revisions)
	s.catalog.Set(ch.revision, entries, removed)
	return ch.revision, nil
}

// turn waits until no other change is on its way.
func (s *Store) turn(ctx context.Context) error {
	if err := s.Err(); err != nil {
		return err
	}
	select {
	case s.puts <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return store.ErrClosed
	case <-s.fence.failed:
		return s.fence.cause
	}
}

// change is a change of the catalogue as it is written.
type change struct {
	keys      *envelope.Keys
	revision  int64 // the highest
	revisions []revision
	size      int // of their rows, in bytes
}

// add encodes a revision of an entry, with its secret sealed.
func (ch *change) add(r *store.CarriedRevision) error {
	var entry []byte
	if r.Entry != nil {
		var err error
		if entry, err = store.EncodeEntry(r.Entry, ch.keys); err != nil {
			return fmt.Errorf("embedded: %s %s: %w", r.Ref.Kind, r.Ref.Name, err)
		}
	}
	var e encoder
	encodeVersion(&e, &version{number: r.Number, by: r.By, at: r.At, entry: string(entry)})
	key := binary.BigEndian.AppendUint64(historyPrefix(r.Ref), uint64(r.Number))
	ch.revisions = append(ch.revisions, revision{string(key), e.b})
	ch.size += 2 * (len(key) + len(e.b))
	ch.revision = r.Number
	return e.err
}

// revision is one revision of an entry as it is written: to the history, and to
// the entry as it is.
type revision struct {
	key    string // in the history
	fields []byte // of a version
}

// current is the key of the entry as it is: that of the history, in the other
// family and without the number.
func (r *revision) current() string {
	return string(rune(familyEntry)) + r.key[1:len(r.key)-8]
}

// fill puts revisions into a batch.
func fill(batch *pebble.Batch, revisions []revision) error {
	for i := range revisions {
		r := &revisions[i]
		v, err := decodeVersion(r.key, string(r.fields))
		if err != nil {
			return err
		}
		now := r.current()
		if v.entry == "" {
			err = batch.Delete([]byte(now), nil)
		} else {
			err = setSealed(batch, now, r.fields)
		}
		if err := errors.Join(err, setSealed(batch, r.key, r.fields)); err != nil {
			return err
		}
	}
	return nil
}

// setSealed sets a key to a value of these fields.
func setSealed(batch *pebble.Batch, key string, fields []byte) error {
	op := batch.SetDeferred(len(key), 1+len(fields)+sumSize)
	copy(op.Key, key)
	op.Value[0] = valueVersion
	n := 1 + copy(op.Value[1:], fields)
	binary.LittleEndian.PutUint32(op.Value[n:], sum(key, op.Value[:n]))
	return op.Finish()
}

// setRevision sets the highest revision that was ever given: those of removed
// entries are in no entry's row.
func setRevision(batch *pebble.Batch, n int64) error {
	return setSealed(batch, string(rune(familyRevision)), binary.AppendVarint(nil, n))
}

func newBatch(ctx context.Context, batch *pebble.Batch) *request {
	return &request{ctx: ctx, batch: batch, forget: math.MinInt32, done: make(chan struct{})}
}

func historyPrefix(ref store.Ref) []byte {
	return appendText(appendText([]byte{familyHistory}, string(ref.Kind)), ref.Name)
}
