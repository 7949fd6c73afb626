package embedded

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/store"
)

// maxPageBytes ends a page before its limit: a thousand records with all their
// allocations would be 40 MB.
const maxPageBytes = 4 << 20

// list is a walk through one family of keys.
type list[T any] struct {
	lower, upper []byte
	// query is what else the walk is about; a cursor is good for one query.
	query []byte
	// newest turns the walk around: from the upper end down.
	newest bool
	// judge says whether a key belongs to the list and, if not, where to go on;
	// nil: the end. nil judge: every key belongs.
	judge func(key string) (ok bool, next []byte, err error)
	read  func(key, fields string) (T, error)

	last    string // the key of the last item of the page
	reading string // the key whose value is being read; "": none is
}

// page walks until the page is full. It returns what is durable.
func page[T any](ctx context.Context, s *Store, l list[T], limit int, cursor string) (store.Page[T], error) {
	var none store.Page[T]
	limit, err := store.PageSize(limit)
	if err != nil {
		return none, err
	}
	first, end := l.lower, l.upper
	if cursor != "" {
		if first, end, err = l.resume(cursor); err != nil {
			return none, err
		}
	}
	if string(first) >= string(end) {
		return none, nil
	}
	done, err := s.begin()
	if err != nil {
		return none, err
	}
	defer done()
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: first, UpperBound: end})
	if err != nil {
		return none, readError(err)
	}
	p, err := l.fill(ctx, it, limit)
	if closed := closeIterator(it); err == nil {
		err = closed // otherwise the same once more
	}
	switch {
	case err != nil && len(p.Items) > 0 && errors.Is(err, ErrDamaged):
		p.Next = l.cursor(l.last) // the next page begins with the damage
	case err != nil:
		return none, l.past(err, string(first))
	}
	return p, s.settle(ctx)
}

// past adds to the error of a damage where to go on: after the value, or after all
// that lies in the damaged table, and whatever else lies between.
func (l *list[T]) past(err error, first string) error {
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	to := l.reading
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		to = string(info.Bounds.End.Key)
		if l.newest {
			to = string(info.Bounds.Start)
		}
		err = fmt.Errorf("%w; %s was not looked at from %s to %s", err, info.Path, keyForPeople(first), keyForPeople(to))
	}
	damage := &store.DamageError{Err: err}
	if to >= first && to < string(l.upper) {
		damage.Next = l.cursor(to)
	}
	return damage
}

func (l *list[T]) fill(ctx context.Context, it *pebble.Iterator, limit int) (store.Page[T], error) {
	var (
		p     store.Page[T]
		bytes int
	)
	begin, next := it.First, it.Next
	if l.newest {
		begin, next = it.Last, it.Prev
	}
	for ok := begin(); ok; {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		at := string(it.Key())
		l.reading = at
		if l.judge != nil {
			mine, next, err := l.judge(at)
			if err != nil {
				return p, err
			}
			if !mine {
				if next == nil {
					break
				}
				ok = it.SeekGE(next)
				continue
			}
		}
		if len(p.Items) == limit || bytes >= maxPageBytes {
			p.Next = l.cursor(l.last)
			return p, nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return p, readError(err)
		}
		fields, err := unseal(at, value)
		if err != nil {
			return p, err
		}
		item, err := l.read(at, fields)
		if err != nil {
			return p, err
		}
		p.Items, l.last, bytes = append(p.Items, item), at, bytes+len(at)+len(value)
		l.reading = ""
		ok = next()
	}
	return p, nil
}

// A cursor is the last key that was shown, under a sum of it and of the query.
// The sum is against mistakes; what a reader may see is in the query, which
// every page is held against anew.
func (l *list[T]) cursor(key string) string {
	b := binary.BigEndian.AppendUint32(nil, l.sum(key))
	return base64.RawURLEncoding.EncodeToString(append(b, key...))
}

func (l *list[T]) resume(cursor string) (first, end []byte, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) < sumSize || binary.BigEndian.Uint32(b) != l.sum(string(b[sumSize:])) {
		return nil, nil, store.ErrCursor
	}
	key := b[sumSize:]
	if string(key) < string(l.lower) || string(key) >= string(l.upper) {
		return nil, nil, store.ErrCursor
	}
	if l.newest {
		return l.lower, key, nil
	}
	return append(key, 0), l.upper, nil // the least key above
}

func (l *list[T]) sum(key string) uint32 {
	way := []byte{0}
	if l.newest {
		way[0] = 1
	}
	return crc32.Checksum(slices.Concat(l.lower, []byte{0}, l.upper, way, l.query, []byte{0}, []byte(key)), castagnoli)
}

// during bounds a walk by time, to excluded; zero times are no bounds. prefix
// must end before the time.
func during(prefix []byte, from, to time.Time) (lower, upper []byte) {
	lower, upper = prefix, after(prefix)
	if !from.IsZero() {
		lower = appendTime(slices.Clone(prefix), from)
	}
	if !to.IsZero() {
		upper = appendTime(slices.Clone(prefix), to)
	}
	return lower, upper
}
