package admin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/store"
)

var (
	// ErrNotFound says that there is nothing of the name that was asked for.
	ErrNotFound = errors.New("not found")
	// ErrForbidden says that the bearer's role does not reach that far.
	ErrForbidden = errors.New("not with this role")
)

// StateError says that something cannot be done as things stand.
type StateError struct{ Reason string }

func (e *StateError) Error() string { return e.Reason }

// InputError says that what was asked for makes no sense, and which field.
type InputError struct{ Field, Reason string }

func (e *InputError) Error() string { return e.Field + ": " + e.Reason }

func invalid(field, format string, args ...any) error {
	return &InputError{field, fmt.Sprintf(format, args...)}
}

// edit is what one change does to the catalogue.
type edit struct {
	put    []store.Entry
	remove []store.Ref
}

// change reads the catalogue and edits it, as if nobody else did at that time:
// when somebody did, it is done anew.
func (s *Service) change(ctx context.Context, decide func(known *store.Catalog, now time.Time) (edit, error)) error {
	return s.again(func() error {
		known := s.Store.Catalog()
		base := known.Revision() // before anything is looked up
		now := s.Clock.Now()
		e, err := decide(known, now)
		if err != nil {
			return err
		}
		_, err = s.Store.Put(ctx, store.Change{By: bearerOf(ctx).Name, At: now, Entries: e.put, Remove: e.remove, Base: &base})
		return err
	})
}

// once makes something for an idempotency key, or finds what the same request
// has made before. Without a key it makes it. The request says what is made, and
// of what: a product may be named as an agreement is.
func (s *Service) once(ctx context.Context, key string, request any, decide func(known *store.Catalog, now time.Time) (edit, store.Ref, error)) (made store.Ref, again bool, err error) {
	receipt, err := receiptOf(ctx, key, request)
	if err != nil {
		return store.Ref{}, false, err
	}
	err = s.change(ctx, func(known *store.Catalog, now time.Time) (edit, error) {
		if receipt != nil {
			if made, again, err = receipt.kept(known); again || err != nil {
				return edit{}, err
			}
		}
		e, ref, err := decide(known, now)
		if err != nil {
			return edit{}, err
		}
		made = ref
		if receipt != nil {
			e.put = append(e.put, receipt.of(ref, now))
		}
		return e, nil
	})
	return made, again, err
}

// receipt is the key of a request, and a hash of what it asks for.
type receipt struct {
	name string
	hash [32]byte
}

func receiptOf(ctx context.Context, key string, request any) (*receipt, error) {
	if key == "" {
		return nil, nil
	}
	b, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return &receipt{bearerOf(ctx).Name + "/" + key, sha256.Sum256(b)}, nil
}

func (r *receipt) of(made store.Ref, now time.Time) *store.Receipt {
	return &store.Receipt{Key: r.name, Request: r.hash, Made: made, At: now}
}

// kept finds what the key has made before.
func (r *receipt) kept(known *store.Catalog) (made store.Ref, ok bool, err error) {
	before, ok := known.Get(store.Ref{Kind: store.KindReceipt, Name: r.name}).(*store.Receipt)
	switch {
	case !ok:
		return store.Ref{}, false, nil
	case before.Request != r.hash:
		return store.Ref{}, false, &StateError{"the idempotency key was used for another request"}
	}
	return before.Made, true, nil
}
