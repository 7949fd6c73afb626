package embedded

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/store"
)

// Expire lets go of refusals and of days of ClientTokens, a range at a time and
// not a key: what goes costs nothing until its space is taken back; and of events.
//
// The ranges are found before the committer is asked. What an Append puts into
// one of them meanwhile may go or stay: it came at the same time.
func (s *Store) Expire(ctx context.Context, e store.Expiry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !e.Refusals.IsZero() || !e.Tokens.IsZero() {
		r, err := s.expiry(ctx, e)
		if err != nil {
			return err
		}
		if err := s.commit(r); err != nil {
			return err
		}
	}
	if e.Events.IsZero() {
		return nil
	}
	s.sealing.Lock()
	defer s.sealing.Unlock()
	return store.ExpireTrail(ctx, s, e.Events, s.dropEvents)
}

func (s *Store) expiry(ctx context.Context, e store.Expiry) (*request, error) {
	end, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	r := newBatch(ctx, s.db.NewBatch())
	if !e.Refusals.IsZero() {
		if err := s.expireRefusals(ctx, r.batch, e); err != nil {
			return nil, err
		}
	}
	if !e.Tokens.IsZero() {
		r.forget = store.Day(e.Tokens)
		days, err := s.tokenDays()
		if err != nil {
			return nil, err
		}
		if n := len(days); n > 0 && days[n-1] < r.forget {
			if err := r.batch.DeleteRange([]byte{familyToken}, appendInt32([]byte{familyToken}, r.forget), nil); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// expireRefusals goes from seller to seller: two seeks for each, however many
// refusals there are.
func (s *Store) expireRefusals(ctx context.Context, batch *pebble.Batch, e store.Expiry) error {
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: []byte{familyRefusal}, UpperBound: []byte{familyRefusal + 1}})
	if err != nil {
		return readError(err)
	}
	for ok := it.First(); ok; {
		k := keyReader{rest: string(it.Key()[1:])}
		prefix := appendText([]byte{familyRefusal}, k.text())
		if first := k.time(); k.bad {
			err = damaged(string(it.Key()), errKey)
		} else if first.Before(e.Refusals) {
			_, upper := during(prefix, e.Refusals, e.Refusals)
			err = batch.DeleteRange(prefix, upper, nil)
		}
		if err != nil {
			break
		}
		ok = it.SeekGE(after(prefix))
	}
	if closed := closeIterator(it); err == nil {
		err = closed
	}
	return err
}

// dropEvents lets go of the oldest events of a chain, with all that they are found
// by.
func (s *Store) dropEvents(ctx context.Context, old []store.Event, floor store.CarriedFloor) error {
	end, err := s.begin()
	if err != nil {
		return err
	}
	r := newBatch(ctx, s.db.NewBatch())
	end()
	for i := range old {
		ev := &old[i]
		for _, key := range []string{eventKey(nil, ev.Account, ev.Time, ev.ID), byOperationKey(nil, ev), byPlaceKey(nil, ev.Chain, ev.Number)} {
			if err := r.batch.Delete([]byte(key), nil); err != nil {
				return err
			}
		}
	}
	if err := setSealed(r.batch, floorKey(floor.Chain), store.AppendPlace(nil, &floor.Place)); err != nil {
		return err
	}
	return s.commit(r)
}
