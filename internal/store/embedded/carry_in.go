package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/store"
)

// Import writes a part of what another store exported, in one batch with where the
// import stands. Like a change of the catalogue it is worked out here, one after
// the other, and handed to the committer to be written.
func (s *Store) Import(ctx context.Context, part []store.Item, at string) error {
	if err := errors.Join(ctx.Err(), store.CheckText(at)); err != nil {
		return err
	}
	if err := s.turn(ctx); err != nil {
		return err
	}
	defer func() { <-s.puts }()
	if err := s.importable(); err != nil {
		return err
	}
	in := intake{s: s, batch: s.db.NewBatch(), lasts: make(map[string][]last), newest: make(map[string]int64)}
	for i := range part {
		err := part[i].Check()
		if err == nil {
			err = in.bring(&part[i])
		}
		if err != nil {
			return err
		}
	}
	if err := in.end(at); err != nil {
		return err
	}
	r := newBatch(ctx, in.batch)
	r.imported = true
	return s.commit(r)
}

// Importing is where an import stands that has not come to its end.
func (s *Store) Importing(ctx context.Context) (string, error) {
	key := string(rune(familyImport))
	at, _, err := s.find(ctx, key)
	return at, err
}

// importable refuses a store that holds anything, unless an import is under way.
func (s *Store) importable() error {
	key := string(rune(familyImport))
	if _, begun, err := s.lookup(key, []byte(key)); begun || err != nil {
		return err
	}
	it, err := s.db.NewIter(nil)
	if err != nil {
		return readError(err)
	}
	holds := it.First()
	if err := closeIterator(it); err != nil {
		return err
	}
	if holds {
		return store.ErrNotEmpty
	}
	return nil
}

// intake is a part on its way into the store. What depends on what is there, an
// earlier part or this one once before, is looked up and kept beside the batch.
type intake struct {
	s        *Store
	batch    *pebble.Batch
	lasts    map[string][]last // by a workload's key
	newest   map[string]int64  // by an entry's place in the history: its last revision
	revision int64             // the highest of the part
}

func (in *intake) bring(item *store.Item) error {
	switch {
	case item.Record != nil:
		return in.put(string(recordKey(nil, &item.Record.Key)), func(e *encoder) { encodeRecord(e, item.Record) })
	case item.Registration != nil:
		return in.bringRegistration(item.Registration)
	case item.Admission != nil:
		return in.put(admissionKey(item.Admission), func(*encoder) {})
	case item.Redemption != nil:
		return in.put(redemptionKey(item.Redemption.Token), func(e *encoder) { encodeRedeemed(e, &item.Redemption.Redeemed) })
	case item.Binding != nil:
		b := item.Binding
		key := tokenKey(b.Day, &store.Call{Account: b.Account, Region: b.Region, Token: &b.Token})
		return in.put(key, func(e *encoder) { encodeBinding(e, &binding{b.Token.Hash, b.Answer}) })
	case item.Event != nil:
		return in.bringEvent(item.Event)
	case item.Refusal != nil:
		r := item.Refusal
		key := stampKey(appendText([]byte{familyRefusal}, string(r.Seller)), r.Time, r.ID)
		return in.put(key, func(e *encoder) { encodeRefusal(e, r) })
	case item.Floor != nil:
		return in.put(floorKey(item.Floor.Chain), func(e *encoder) { e.b = store.AppendPlace(e.b, &item.Floor.Place) })
	case item.Digest != nil:
		return in.put(digestKey(item.Digest.Number), func(e *encoder) { e.b = store.AppendDigest(e.b, item.Digest) })
	}
	return in.bringRevision(item.Revision)
}

func (in *intake) put(key string, encode func(*encoder)) error {
	var e encoder
	at := e.begin()
	encode(&e)
	if e.err != nil {
		return e.err
	}
	return in.batch.Set([]byte(key), e.seal(key, at), nil)
}

func (in *intake) bringRegistration(r *store.CarriedRegistration) error {
	byProduct := stampKey(appendText([]byte{familyByProduct}, string(r.Product)), r.Started, r.ID)
	err := errors.Join(
		in.put(registrationKey(r.ID), func(e *encoder) { encodeRegistration(e, &r.Registration) }),
		in.put(byProduct, func(*encoder) {}),
	)
	if err != nil || !r.Last {
		return err
	}
	key := workloadKey(r.Account, r.Workload)
	all, known := in.lasts[key]
	if !known {
		fields, ok, err := in.s.lookup(key, []byte(key))
		if ok {
			all, err = decodeLast(key, fields)
		}
		if err != nil {
			return err
		}
	}
	i := slices.IndexFunc(all, func(l last) bool { return l.product == r.Product })
	if i < 0 {
		i, all = len(all), append(all, last{product: r.Product})
	}
	all[i].id = r.ID
	in.lasts[key] = all
	return in.put(key, func(e *encoder) { encodeLast(e, all) })
}

func (in *intake) bringEvent(ev *store.Event) error {
	return putEvent(in.put, ev, store.AppendEvent(nil, ev))
}

// bringRevision writes a revision to the history and, if there is no later one,
// to the entry as it is: a part may come twice, and after others.
func (in *intake) bringRevision(r *store.CarriedRevision) error {
	ch := change{keys: in.s.keys}
	if err := ch.add(r); err != nil {
		return err
	}
	place := string(historyPrefix(r.Ref))
	newest, known := in.newest[place]
	if !known {
		var err error
		if newest, err = in.s.newestRevision(place); err != nil {
			return err
		}
	}
	in.revision = max(in.revision, r.Number)
	in.newest[place] = max(newest, r.Number)
	if r.Number < newest {
		return setSealed(in.batch, ch.revisions[0].key, ch.revisions[0].fields)
	}
	return fill(in.batch, ch.revisions)
}

// newestRevision is the number of an entry's last revision; 0: it has none.
func (s *Store) newestRevision(place string) (int64, error) {
	prefix := []byte(place)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return 0, readError(err)
	}
	number := int64(0)
	if it.Last() {
		k := keyReader{rest: string(it.Key()[len(prefix):])}
		if number = int64(binary.BigEndian.Uint64([]byte(k.take(8)))); k.bad || k.rest != "" {
			return 0, errors.Join(damaged(string(it.Key()), errKey), it.Close())
		}
	}
	return number, closeIterator(it)
}

// end adds the catalogue's revision, and where the import stands.
func (in *intake) end(at string) error {
	was, err := in.s.revision()
	if err != nil {
		return err
	}
	if in.revision > was {
		if err := setRevision(in.batch, in.revision); err != nil {
			return err
		}
	}
	key := string(rune(familyImport))
	if at == "" {
		return in.batch.Delete([]byte(key), nil)
	}
	return setSealed(in.batch, key, []byte(at))
}
