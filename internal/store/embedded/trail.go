package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

func eventKey(b []byte, account metering.AccountID, t time.Time, id metering.ID) string {
	return stampKey(appendText(append(b, familyEvent), string(account)), t, id)
}

// byOperationKey is the index by which events of one operation are found.
func byOperationKey(b []byte, ev *store.Event) string {
	b = appendText(append(b, familyByOperation), string(ev.Account))
	return stampKey(appendText(b, string(ev.Operation)), ev.Time, ev.ID)
}

func placesOf(b []byte, chain metering.ID) []byte {
	return append(append(b, familyByPlace), chain[:]...)
}

// byPlaceKey is the index by which a chain is walked.
func byPlaceKey(b []byte, chain metering.ID, number int64) string {
	return string(binary.BigEndian.AppendUint64(placesOf(b, chain), uint64(number)))
}

// parsePlace reads what byPlaceKey wrote.
func parsePlace(key string) (chain metering.ID, number int64, err error) {
	k := keyReader{rest: key[1:]}
	chain = k.id()
	number = int64(binary.BigEndian.Uint64([]byte(k.take(8))))
	if k.bad || k.rest != "" {
		return chain, number, damaged(key, errKey)
	}
	return chain, number, nil
}

// putEvent writes an event that is linked, and what it is found by.
func putEvent(put func(key string, encode func(*encoder)) error, ev *store.Event, fields []byte) error {
	var room [keyRoom]byte
	key := eventKey(room[:0], ev.Account, ev.Time, ev.ID)
	if err := put(key, func(e *encoder) { encodeEvent(e, ev, fields) }); err != nil {
		return err
	}
	if err := put(byOperationKey(room[:0], ev), func(*encoder) {}); err != nil {
		return err
	}
	return put(byPlaceKey(room[:0], ev.Chain, ev.Number), func(e *encoder) { e.b = append(e.b, key[1:]...) })
}

// Events lists events by time. Those of one operation are found by an index of
// their own: a few among millions cost a few.
func (s *Store) Events(ctx context.Context, q store.EventQuery) (store.Page[store.Event], error) {
	if err := q.Check(); err != nil {
		return store.Page[store.Event]{}, err
	}
	if q.Account == "" {
		return page(ctx, s, list[store.Event]{lower: []byte{familyEvent}, upper: []byte{familyEvent + 1}, read: decodeEvent}, q.Limit, q.Cursor)
	}
	all := appendText([]byte{familyEvent}, string(q.Account))
	if q.Operation == "" {
		lower, upper := during(all, q.From, q.To)
		return page(ctx, s, list[store.Event]{lower: lower, upper: upper, newest: q.Newest, read: decodeEvent}, q.Limit, q.Cursor)
	}
	some := appendText(appendText([]byte{familyByOperation}, string(q.Account)), string(q.Operation))
	lower, upper := during(some, q.From, q.To)
	return page(ctx, s, list[store.Event]{
		lower: lower, upper: upper, newest: q.Newest,
		read: func(key, _ string) (store.Event, error) {
			return s.eventAt(key, string(slices.Concat(all, []byte(key[len(some):]))))
		},
	}, q.Limit, q.Cursor)
}

// eventAt reads the event that an index points at.
func (s *Store) eventAt(index, main string) (store.Event, error) {
	fields, err := s.indexed(index, main)
	if err != nil {
		return store.Event{}, err
	}
	return decodeEvent(main, fields)
}

// Trail lists a chain's events.
func (s *Store) Trail(ctx context.Context, q store.TrailQuery) (store.Page[store.Event], error) {
	return page(ctx, s, list[store.Event]{
		lower: []byte(byPlaceKey(nil, q.Chain, q.After+1)),
		upper: after(placesOf(nil, q.Chain)),
		read:  s.eventInPlace,
	}, q.Limit, q.Cursor)
}

// eventInPlace reads the event that a place points at, which has to know that it
// is there.
func (s *Store) eventInPlace(key, fields string) (store.Event, error) {
	chain, number, err := parsePlace(key)
	if err != nil {
		return store.Event{}, err
	}
	ev, err := s.eventAt(key, string(rune(familyEvent))+fields)
	if err == nil && (ev.Chain != chain || ev.Number != number) {
		err = damaged(key, fmt.Errorf("what it points at is %s", ev.Link))
	}
	return ev, err
}

// Extents lists the chains: two seeks for each, however long they are.
func (s *Store) Extents(ctx context.Context) ([]store.Extent, error) {
	end, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	extents, err := s.extents(ctx)
	if errors.Is(err, ErrDamaged) {
		return nil, &store.DamageError{Err: err}
	}
	if err != nil {
		return nil, err
	}
	return extents, s.settle(ctx)
}

func (s *Store) extents(ctx context.Context) ([]store.Extent, error) {
	var all []store.Extent
	at := make(map[metering.ID]int) // where in all a chain is
	err := s.each([]byte{familyFloor}, func(key, fields string) error {
		floor, err := decodeFloor(key, fields)
		at[floor.Chain] = len(all)
		all = append(all, store.Extent{Chain: floor.Chain, Floor: floor.Place, Head: floor.Place})
		return err
	})
	if err != nil {
		return nil, err
	}
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: []byte{familyByPlace}, UpperBound: []byte{familyByPlace + 1}})
	if err != nil {
		return nil, readError(err)
	}
	for ok := it.First(); ok; {
		chain, _, err := parsePlace(string(it.Key()))
		if err != nil {
			return nil, errors.Join(err, it.Close())
		}
		end := after(placesOf(nil, chain))
		it.SeekLT(end)
		head, err := s.placeAt(it)
		if err != nil {
			return nil, errors.Join(err, it.Close())
		}
		i, known := at[chain]
		if !known {
			i, all = len(all), append(all, store.Extent{Chain: chain})
		}
		all[i].Head = head
		ok = it.SeekGE(end)
	}
	return all, closeIterator(it)
}

// placeAt is the place, in its chain, of the event that the iterator's row of the
// index points at.
func (s *Store) placeAt(it *pebble.Iterator) (store.Place, error) {
	key := string(it.Key())
	value, err := it.ValueAndErr()
	if err != nil {
		return store.Place{}, readError(err)
	}
	fields, err := unseal(key, value)
	if err != nil {
		return store.Place{}, err
	}
	ev, err := s.eventInPlace(key, fields)
	return store.Place{Number: ev.Number, Hash: ev.Hash()}, err
}

func floorKey(chain metering.ID) string { return string(append([]byte{familyFloor}, chain[:]...)) }

func decodeFloor(key, fields string) (store.CarriedFloor, error) {
	k, u := keyReader{rest: key[1:]}, store.Unpacker{Rest: fields}
	f := store.CarriedFloor{Chain: k.id(), Place: store.UnpackPlace(&u)}
	return f, whole(key, &k, &u)
}

func digestKey(number int64) string {
	return string(binary.BigEndian.AppendUint64([]byte{familyDigest}, uint64(number)))
}

func decodeDigest(key, fields string) (store.TrailDigest, error) {
	d, err := store.UnpackDigest(fields)
	if err == nil && key != digestKey(d.Number) {
		err = errKey
	}
	if err != nil {
		return d, damaged(key, err)
	}
	return d, nil
}

// Digests lists the digests after a number.
func (s *Store) Digests(ctx context.Context, q store.DigestQuery) (store.Page[store.TrailDigest], error) {
	return page(ctx, s, list[store.TrailDigest]{
		lower: []byte(digestKey(q.After + 1)), upper: []byte{familyDigest + 1}, read: decodeDigest,
	}, q.Limit, q.Cursor)
}

// lastDigest is the newest digest; nil if there is none.
func (s *Store) lastDigest() (*store.TrailDigest, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{familyDigest}, UpperBound: []byte{familyDigest + 1}})
	if err != nil {
		return nil, readError(err)
	}
	if !it.Last() {
		return nil, closeIterator(it)
	}
	key := string(it.Key())
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, errors.Join(readError(err), it.Close())
	}
	fields, err := unseal(key, value)
	if err != nil {
		return nil, errors.Join(err, it.Close())
	}
	d, err := decodeDigest(key, fields)
	return &d, errors.Join(err, closeIterator(it))
}

// newChain begins a chain of events after the newest digest.
func (s *Store) newChain() (store.Chain, error) {
	d, err := s.lastDigest()
	if err != nil || d == nil {
		return store.NewChain([32]byte{}), err
	}
	return store.NewChain(d.Hash()), nil
}

// Seal makes the next digest. The committer's chain begins after it, if it has not
// begun.
func (s *Store) Seal(ctx context.Context, at time.Time) (store.TrailDigest, bool, error) {
	var none store.TrailDigest
	s.sealing.Lock()
	defer s.sealing.Unlock()
	extents, err := s.Extents(ctx)
	if err != nil {
		return none, false, err
	}
	r, d, err := s.seal(ctx, extents, at)
	if r == nil || err != nil {
		return none, false, err
	}
	return d, true, s.commit(r)
}

func (s *Store) seal(ctx context.Context, extents []store.Extent, at time.Time) (*request, store.TrailDigest, error) {
	end, err := s.begin()
	if err != nil {
		return nil, store.TrailDigest{}, err
	}
	defer end()
	last, err := s.lastDigest()
	if err != nil {
		return nil, store.TrailDigest{}, err
	}
	d, news := store.NextDigest(last, extents, at)
	if !news {
		return nil, d, nil
	}
	r := newBatch(ctx, s.db.NewBatch())
	r.sealed = &d
	return r, d, setSealed(r.batch, digestKey(d.Number), store.AppendDigest(nil, &d))
}
