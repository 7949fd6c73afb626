package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"

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
	if err := checkChange(&c); err != nil {
		return 0, err
	}
	if err := s.turn(ctx); err != nil {
		return 0, err
	}
	defer func() { <-s.puts }()
	base := s.catalog.Revision()
	if c.Base != nil && *c.Base != base {
		return 0, fmt.Errorf("%w: it is at revision %d, not %d", store.ErrConflict, base, *c.Base)
	}
	ch := change{s: s, by: c.By, at: plain(c.At), revision: base, pending: make(map[store.Ref]string, len(c.Entries))}
	for _, e := range c.Entries {
		if err := ch.put(e); err != nil {
			return 0, err
		}
	}
	for _, ref := range c.Remove {
		if err := ch.remove(ref); err != nil {
			return 0, err
		}
	}
	if ch.revision == base {
		return base, nil
	}
	if err := s.write(ctx, &ch); err != nil {
		return 0, err
	}
	s.catalog.Set(ch.revision, ch.entries, ch.removed)
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

func checkChange(c *store.Change) error {
	if err := checkText(c.By); err != nil {
		return err
	}
	put := make(map[store.Ref]bool, len(c.Entries))
	for _, e := range c.Entries {
		if e == nil {
			return errors.New("embedded: an entry is nil")
		}
		ref := e.Ref()
		if err := checkText(ref.Name); err != nil {
			return err
		}
		put[ref] = true
	}
	for _, ref := range c.Remove {
		if err := errors.Join(checkText(string(ref.Kind)), checkText(ref.Name)); err != nil {
			return err
		}
		if put[ref] {
			return fmt.Errorf("embedded: %s %s is put and removed in one change", ref.Kind, ref.Name)
		}
	}
	return nil
}

// change is a store.Change in the making.
type change struct {
	s        *Store
	by       string
	at       time.Time
	revision int64         // the highest that is given
	entries  []store.Entry // copies that nobody else can change
	removed  []store.Ref

	revisions []revision
	size      int // of their rows, in bytes
	// pending are what the change has made of entries, in plain; "": it was
	// removed.
	pending map[store.Ref]string
}

// put adds an entry, if it differs from what is there. Secrets are sealed with
// fresh randomness: what is compared is plain.
func (ch *change) put(given store.Entry) error {
	ref := given.Ref()
	fail := func(err error) error { return fmt.Errorf("embedded: %s %s: %w", ref.Kind, ref.Name, err) }
	b, err := store.EncodeEntry(given, nil)
	if err != nil {
		return fail(err)
	}
	e, _, err := store.DecodeEntry(ref.Kind, b, nil)
	if err != nil {
		return fail(err)
	}
	was, err := ch.plain(ref)
	if err != nil {
		return fail(err)
	}
	if now := string(b); was != now {
		ch.pending[ref] = now
		if b, err = store.EncodeEntry(e, ch.s.keys); err != nil {
			return fail(err)
		}
		ch.entries = append(ch.entries, e)
		return ch.write(ref, string(b))
	}
	return nil
}

func (ch *change) remove(ref store.Ref) error {
	was, err := ch.plain(ref)
	if err != nil || was == "" {
		return err
	}
	ch.pending[ref] = ""
	ch.removed = append(ch.removed, ref)
	return ch.write(ref, "")
}

// plain is an entry as the change has to see it; "": there is none.
func (ch *change) plain(ref store.Ref) (string, error) {
	if was, ok := ch.pending[ref]; ok {
		return was, nil
	}
	e := ch.s.catalog.Get(ref)
	if e == nil {
		return "", nil
	}
	b, err := store.EncodeEntry(e, nil)
	return string(b), err
}

// write adds a revision of an entry.
func (ch *change) write(ref store.Ref, entry string) error {
	ch.revision++
	var e encoder
	encodeVersion(&e, &version{number: ch.revision, by: ch.by, at: ch.at, entry: entry})
	key := binary.BigEndian.AppendUint64(historyPrefix(ref), uint64(ch.revision))
	ch.revisions = append(ch.revisions, revision{string(key), e.b})
	ch.size += 2 * (len(key) + len(e.b))
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
