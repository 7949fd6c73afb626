package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/store"
)

// load reads what is kept in memory, the catalogue and the days that hold
// tokens, and returns the committer. What Pebble shows after opening is durable:
// it writes what it found in its log to a table first.
func (s *Store) load() (*committer, error) {
	c := &committer{
		s: s, groups: make(chan *group, depth), overlay: make(map[string][]byte),
		sections: newSections(s), admitted: make(map[string]struct{}),
	}
	var entries []store.Entry
	revision, err := s.revision()
	if err != nil {
		return nil, err
	}
	err = s.each([]byte{familyEntry}, func(key, fields string) error {
		k := keyReader{rest: key[1:]}
		kind := store.Kind(k.text())
		v, err := decodeVersion(key, fields)
		if err != nil {
			return err
		}
		e, _, err := s.decodeEntry(key, kind, v.entry)
		if err != nil {
			return err
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.catalog.Set(revision, entries, nil)
	if c.days, err = s.tokenDays(); err != nil {
		return nil, err
	}
	c.chain, err = s.newChain()
	return c, err
}

// revision is the highest that was ever given.
func (s *Store) revision() (int64, error) {
	key := string(rune(familyRevision))
	fields, ok, err := s.lookup(key, []byte(key))
	if err != nil || !ok {
		return 0, err
	}
	d := store.Unpacker{Rest: fields}
	n := d.Int()
	if err := d.End(); err != nil {
		return 0, damaged(key, err)
	}
	return n, nil
}

// decodeEntry opens an entry. That the key is missing is no damage.
func (s *Store) decodeEntry(key string, kind store.Kind, text string) (e store.Entry, current bool, err error) {
	e, current, err = store.DecodeEntry(kind, []byte(text), s.keys)
	if err != nil && !errors.Is(err, envelope.ErrKey) {
		err = damaged(key, err)
	}
	return e, current, err
}

// each goes through all keys with a prefix.
func (s *Store) each(prefix []byte, f func(key, fields string) error) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return readError(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		key := string(it.Key())
		value, err := it.ValueAndErr()
		if err != nil {
			return readError(errors.Join(err, it.Close()))
		}
		fields, err := unseal(key, value)
		if err == nil {
			err = f(key, fields)
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return closeIterator(it)
}

// closeIterator ends an iterator. Closing returns what it met on its way, too.
func closeIterator(it *pebble.Iterator) error {
	if err := it.Close(); err != nil {
		return readError(err)
	}
	return nil
}

// tokenDays lists the days that hold tokens, newest first, at one seek each.
func (s *Store) tokenDays() ([]int32, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{familyToken}, UpperBound: []byte{familyToken + 1}})
	if err != nil {
		return nil, readError(err)
	}
	var days []int32
	for ok := it.Last(); ok; {
		k := keyReader{rest: string(it.Key()[1:])}
		day := k.int32()
		if k.bad {
			return nil, errors.Join(damaged(string(it.Key()), errKey), it.Close())
		}
		days = append(days, day)
		if day == math.MinInt32 {
			break
		}
		ok = it.SeekLT(appendInt32([]byte{familyToken}, day))
	}
	return days, closeIterator(it)
}

// History lists an entry's revisions, oldest first.
func (s *Store) History(ctx context.Context, ref store.Ref) ([]store.Revision, error) {
	if err := errors.Join(store.CheckText(string(ref.Kind)), store.CheckText(ref.Name)); err != nil {
		return nil, err
	}
	end, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	// A change that is being written is not shown before the catalogue has it.
	latest := s.catalog.Revision()
	var all []store.Revision
	prefix := historyPrefix(ref)
	err = s.each(prefix, func(key, fields string) error {
		v, err := decodeVersion(key, fields)
		if err != nil {
			return err
		}
		if int64(binary.BigEndian.Uint64([]byte(key[len(prefix):]))) != v.number {
			return damaged(key, errKey)
		}
		if v.number > latest {
			return nil
		}
		r := store.Revision{Number: v.number, By: v.by, At: v.at}
		if v.entry != "" {
			if r.Entry, _, err = s.decodeEntry(key, ref.Kind, v.entry); err != nil {
				return err
			}
		}
		all = append(all, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, ctx.Err()
}
