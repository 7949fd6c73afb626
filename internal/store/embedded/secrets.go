package embedded

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterd/meterd/internal/store"
)

// secretKinds are the kinds of entry that hold a secret.
var secretKinds = []store.Kind{store.KindCredential, store.KindSigningKey, store.KindSessionKey}

// sealSecrets seals every secret that is not sealed under the current key, in
// the history too, before the store serves. What they were must leave the disk
// as well: the tables that hold it are written anew, and the logs that do are
// let go of with the database, which is therefore opened again. A row says that
// all this is on its way, for it may be cut short after the last secret was
// sealed. remains: an earlier change may have left secrets without rows.
func (s *Store) sealSecrets(dir string, remains bool) error {
	scrub := string(rune(familyScrub))
	_, begun, err := s.lookup(scrub, []byte(scrub))
	if err != nil {
		return err
	}
	stale, err := s.staleSecrets()
	if err != nil {
		return err
	}
	if s.keys == nil || len(stale) == 0 && !begun && !remains {
		return nil
	}
	batch := s.db.NewBatch()
	if err := setSealed(batch, scrub, nil); err != nil {
		return err
	}
	for i := range stale {
		if err := setSealed(batch, stale[i].key, stale[i].fields); err != nil {
			return err
		}
		if batch.Len() >= partSize {
			if err := batch.Commit(pebble.Sync); err != nil {
				return err
			}
			batch = s.db.NewBatch()
		}
	}
	if err := errors.Join(batch.Commit(pebble.Sync), s.db.Flush()); err != nil {
		return err
	}
	for _, family := range []byte{familyEntry, familyHistory, familyPart} {
		if err := s.db.Compact(context.Background(), []byte{family}, []byte{family + 1}, false); err != nil {
			return err
		}
	}
	if err := s.reopen(dir); err != nil { // closing waits until the old files are gone
		return err
	}
	s.fence.log.Info("secrets of the catalogue were sealed under the current key", "count", len(stale))
	return s.db.Delete([]byte(scrub), pebble.Sync)
}

// staleSecrets are the rows whose secrets are not sealed as they are to be, with
// fields in which they are. It opens every secret: one that cannot be opened is
// an error at the start, and not when it is asked for.
func (s *Store) staleSecrets() ([]revision, error) {
	var stale []revision
	for _, family := range []byte{familyEntry, familyHistory} {
		for _, kind := range secretKinds {
			err := s.each(appendText([]byte{family}, string(kind)), func(key, fields string) error {
				v, err := decodeVersion(key, fields)
				if err != nil || v.entry == "" {
					return err
				}
				e, current, err := s.decodeEntry(key, kind, v.entry)
				if err != nil || current {
					return err
				}
				b, err := store.EncodeEntry(e, s.keys)
				if err != nil {
					return damaged(key, err)
				}
				v.entry = string(b)
				var enc encoder
				encodeVersion(&enc, &v)
				stale = append(stale, revision{key, enc.b})
				return enc.err
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return stale, nil
}

// reopen closes the database and opens it again.
func (s *Store) reopen(dir string) error {
	err := s.db.Close()
	s.db = nil
	if err != nil {
		return err
	}
	s.db, err = pebble.Open(dir, s.options(false))
	return err
}
