package admin

import (
	"context"
	"errors"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// EventFilter picks events. What is zero does not narrow.
type EventFilter struct {
	Account  metering.AccountID
	Event    metering.Operation
	Key      string    // the access key's id
	From, To time.Time // To excluded
}

// Events lists what was called, newest first, of one account after the other. A
// seller sees its own account's calls. Of one key's a page may hold fewer than asked
// for, or none, and yet have a next: it ends when it has looked at store.MaxPage.
func (s *Service) Events(ctx context.Context, f EventFilter, limit int, cursor string) (store.Page[store.Event], error) {
	callers, err := s.callersSeen(ctx, f.Account)
	if errors.Is(err, ErrNotFound) && f.Account.Valid() && bearerOf(ctx).sees(f.Account) {
		// Taking an account out of the catalogue hides nothing that it has called.
		past, failed := s.Store.Events(ctx, store.EventQuery{Account: f.Account, Limit: 1})
		switch {
		case failed != nil:
			err = failed
		case len(past.Items) > 0:
			callers, err = []metering.AccountID{f.Account}, nil
		}
	}
	if err != nil {
		return store.Page[store.Event]{}, err
	}
	queries := func(yield func(string, store.EventQuery) bool) {
		for _, a := range callers {
			q := store.EventQuery{Account: a, Operation: f.Event, From: f.From, To: f.To, Newest: true}
			if !yield(string(a), q) {
				return
			}
		}
	}
	return across(queries, limit, cursor, func(q store.EventQuery, limit int, cursor string) (store.Page[store.Event], error) {
		q.Limit, q.Cursor = limit, cursor
		if f.Key == "" {
			return s.Store.Events(ctx, q)
		}
		return s.eventsOf(ctx, f.Key, q)
	})
}

// eventsOf are those of one key among a query's. It asks for as many as it has room
// for, so that its page ends where the store's does.
func (s *Service) eventsOf(ctx context.Context, key string, q store.EventQuery) (store.Page[store.Event], error) {
	var found store.Page[store.Event]
	for limit, looked := q.Limit, 0; looked < store.MaxPage && len(found.Items) < limit; {
		q.Limit = limit - len(found.Items)
		page, err := s.Store.Events(ctx, q)
		if err != nil {
			return found, err
		}
		for i := range page.Items {
			if page.Items[i].Caller.KeyID == key {
				found.Items = append(found.Items, page.Items[i])
			}
		}
		looked += len(page.Items)
		if found.Next = page.Next; found.Next == "" {
			break
		}
		q.Cursor = page.Next
	}
	return found, nil
}
