package admin

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Records lists a product's records of the hours that overlap from and to, to
// excluded, hours ascending; zero times are no bounds. Without a product it lists
// those of every product, one product after the other.
func (s *Service) Records(ctx context.Context, product metering.ProductCode, from, to time.Time, limit int, cursor string) (store.Page[metering.Record], error) {
	q := store.RecordQuery{Product: product, From: minHour, To: maxHour, Limit: limit, Cursor: cursor}
	if !from.IsZero() {
		q.From = metering.HourOf(from)
	}
	if !to.IsZero() {
		q.To = metering.HourOf(to.Add(time.Hour - 1))
	}
	if product != "" {
		if s.Store.Catalog().Product(product) == nil {
			return store.Page[metering.Record]{}, fmt.Errorf("product %q: %w", product, ErrNotFound)
		}
		return s.Store.Records(ctx, q)
	}
	return across(names(s.Store.Catalog().All(store.KindProduct)), limit, cursor, func(name string, limit int, cursor string) (store.Page[metering.Record], error) {
		q.Product, q.Limit, q.Cursor = metering.ProductCode(name), limit, cursor
		return s.Store.Records(ctx, q)
	})
}

// Refusals lists what a seller was answered 200 for and what does not count,
// oldest first: the losses that a client which looks at the status code alone
// never sees. Without a seller it lists those of every seller, one after the
// other. Zero times are no bounds; to is excluded.
func (s *Service) Refusals(ctx context.Context, seller metering.AccountID, from, to time.Time, limit int, cursor string) (store.Page[store.Refusal], error) {
	q := store.RefusalQuery{Seller: seller, From: from, To: to, Limit: limit, Cursor: cursor}
	if seller != "" {
		if a := s.Store.Catalog().Account(seller); a == nil || !a.Seller {
			return store.Page[store.Refusal]{}, fmt.Errorf("seller %q: %w", seller, ErrNotFound)
		}
		return s.Store.Refusals(ctx, q)
	}
	return across(names(s.Store.Catalog().All(store.KindAccount)), limit, cursor, func(name string, limit int, cursor string) (store.Page[store.Refusal], error) {
		q.Seller, q.Limit, q.Cursor = metering.AccountID(name), limit, cursor
		return s.Store.Refusals(ctx, q)
	})
}

// No hour that a record can be of lies outside these.
const (
	minHour = metering.Hour(-1 << 31)
	maxHour = metering.Hour(1<<31 - 1)
)

func names(entries iter.Seq[store.Entry]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for e := range entries {
			if !yield(e.Ref().Name) {
				return
			}
		}
	}
}

// across makes one list of several, one for each name in ascending order. Its
// cursor is a name and the cursor of that name's list; no name has a tilde.
func across[T any](names iter.Seq[string], limit int, cursor string, list func(name string, limit int, cursor string) (store.Page[T], error)) (store.Page[T], error) {
	if limit == 0 {
		limit = store.MaxPage
	}
	at, inner, _ := strings.Cut(cursor, "~")
	known := cursor == ""
	var all store.Page[T]
	for name := range names {
		if name < at {
			continue
		}
		var from string
		if name == at {
			from, known = inner, true
		}
		if !known {
			break
		}
		if len(all.Items) >= limit {
			all.Next = name + "~"
			return all, nil
		}
		page, err := list(name, limit-len(all.Items), from)
		if err != nil {
			return store.Page[T]{}, err
		}
		all.Items = append(all.Items, page.Items...)
		if page.Next != "" {
			all.Next = name + "~" + page.Next
			return all, nil
		}
	}
	if !known {
		return store.Page[T]{}, store.ErrCursor
	}
	return all, nil
}
