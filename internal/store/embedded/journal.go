package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/store"
)

// partSize bounds what a change of the catalogue writes at once. Calls wait for
// the syncs of what was written before them: 100 MB at once were measured to hold
// them up for a second.
const partSize = 1 << 20

// write writes a change: all of it or nothing. A small one is one batch. A large
// one goes to the journal first, part by part, then a row that says that all of
// it is there: with that row it holds, whatever happens. Then the parts are
// carried out, and the journal is emptied. Calls go on in between; nobody reads
// what is not in the catalogue in memory yet.
func (s *Store) write(ctx context.Context, ch *change) error {
	if ch.size <= s.part {
		batch := s.db.NewBatch()
		if err := errors.Join(fill(batch, ch.revisions), setRevision(batch, ch.revision)); err != nil {
			return err
		}
		return s.commit(newBatch(ctx, batch))
	}
	parts := split(ch.revisions, s.part)
	if err := s.journal(ctx, parts, ch.revision); err != nil {
		return err
	}
	// From here on it holds: who is not told so is told that it may.
	for _, part := range parts {
		if err := s.carryOut(part); err != nil {
			return unknown(err)
		}
	}
	if err := s.settleJournal(ch.revision); err != nil {
		return unknown(err)
	}
	return nil
}

// split cuts a change into parts of about a size in bytes.
func split(all []revision, size int) [][]revision {
	var parts [][]revision
	from, bytes := 0, 0
	for i := range all {
		bytes += 2 * (len(all[i].key) + len(all[i].fields))
		if bytes >= size || i == len(all)-1 {
			parts = append(parts, all[from:i+1])
			from, bytes = i+1, 0
		}
	}
	return parts
}

// journal writes the parts, and then that they are all there. An error is
// definite unless it is the last row that failed.
func (s *Store) journal(ctx context.Context, parts [][]revision, number int64) error {
	for i, part := range parts {
		batch := s.db.NewBatch()
		err := setSealed(batch, partKey(i), encodePart(part))
		if err == nil {
			err = s.commit(newBatch(ctx, batch))
		}
		if err != nil {
			return s.giveUp(err)
		}
	}
	batch := s.db.NewBatch()
	fields := binary.AppendVarint(binary.AppendUvarint(nil, uint64(len(parts))), number)
	err := setSealed(batch, string(rune(familyWhole)), fields)
	if err == nil {
		err = s.commit(newBatch(ctx, batch))
	}
	if err != nil && !errors.Is(err, store.ErrUnknown) {
		return s.giveUp(err)
	}
	return err
}

// giveUp drops a journal that is not whole. What remains after a failure is
// dropped when the store is opened.
func (s *Store) giveUp(why error) error {
	if cause := s.fence.err(); cause != nil {
		return cause // without the row that says it is whole, nothing of it holds
	}
	batch := s.db.NewBatch()
	err := dropJournal(batch)
	if err == nil {
		err = s.commit(newBatch(context.Background(), batch))
	}
	if err != nil {
		s.fence.report(err)
	}
	return why
}

func dropJournal(batch *pebble.Batch) error {
	return errors.Join(
		batch.DeleteRange([]byte{familyPart}, []byte{familyPart + 1}, nil),
		batch.Delete([]byte{familyWhole}, nil),
	)
}

func (s *Store) carryOut(part []revision) error {
	batch := s.db.NewBatch()
	if err := fill(batch, part); err != nil {
		return err
	}
	return s.commit(newBatch(context.Background(), batch))
}

func (s *Store) settleJournal(number int64) error {
	batch := s.db.NewBatch()
	if err := errors.Join(setRevision(batch, number), dropJournal(batch)); err != nil {
		return err
	}
	return s.commit(newBatch(context.Background(), batch))
}

func partKey(i int) string {
	return string(binary.BigEndian.AppendUint32([]byte{familyPart}, uint32(i)))
}

func encodePart(part []revision) []byte {
	b := binary.AppendUvarint(nil, uint64(len(part)))
	for i := range part {
		b = append(binary.AppendUvarint(b, uint64(len(part[i].key))), part[i].key...)
		b = append(binary.AppendUvarint(b, uint64(len(part[i].fields))), part[i].fields...)
	}
	return b
}

func decodePart(key, fields string) ([]revision, error) {
	d := store.Unpacker{Rest: fields}
	part := make([]revision, d.Count())
	for i := range part {
		part[i] = revision{d.Text(), []byte(d.Text())}
		if k := part[i].key; !d.Failed() && (len(k) < 9 || k[0] != familyHistory) {
			return nil, damaged(key, errKey)
		}
	}
	if err := d.End(); err != nil {
		return nil, damaged(key, err)
	}
	return part, nil
}

// resume ends a large change that was cut short: it is carried out if it was
// whole, and dropped if it was not. It reports whether there was one.
func (s *Store) resume() (found bool, err error) {
	whole := string(rune(familyWhole))
	fields, held, err := s.lookup(whole, []byte(whole))
	if err != nil {
		return false, err
	}
	if !held {
		err := s.each([]byte{familyPart}, func(string, string) error { found = true; return nil })
		if !found || err != nil {
			return false, err
		}
		batch := s.db.NewBatch()
		return true, errors.Join(dropJournal(batch), batch.Commit(pebble.Sync))
	}
	d := store.Unpacker{Rest: fields}
	parts, number := d.Uint(), d.Int()
	if err := d.End(); err != nil {
		return false, damaged(whole, err)
	}
	var keys []string
	err = s.each([]byte{familyPart}, func(key, fields string) error {
		part, err := decodePart(key, fields)
		if err != nil {
			return err
		}
		keys = append(keys, key)
		batch := s.db.NewBatch()
		return errors.Join(fill(batch, part), batch.Commit(pebble.Sync))
	})
	if err != nil {
		return false, err
	}
	if uint64(len(keys)) != parts || !slices.IsSorted(keys) {
		return false, damaged(whole, errors.New("parts of a change are missing"))
	}
	batch := s.db.NewBatch()
	return true, errors.Join(setRevision(batch, number), dropJournal(batch), batch.Commit(pebble.Sync))
}
