package admin

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// RecordFilter picks records. What is zero does not narrow.
type RecordFilter struct {
	Product  metering.ProductCode
	Buyer    metering.AccountID
	From, To time.Time // the hours that overlap them, To excluded
}

// Records lists records that the bearer may see: hours ascending, of one product
// after the other.
func (s *Service) Records(ctx context.Context, f RecordFilter, limit int, cursor string) (store.Page[metering.Record], error) {
	queries, err := s.recordQueries(ctx, f)
	if err != nil {
		return store.Page[metering.Record]{}, err
	}
	return across(queries, limit, cursor, func(q store.RecordQuery, limit int, cursor string) (store.Page[metering.Record], error) {
		q.Limit, q.Cursor = limit, cursor
		return s.Store.Records(ctx, q)
	})
}

// recordQueries are the store's queries that make up a filter's: one for each
// product or, for one buyer, two, since a buyer's usage is reported by the seller
// and by the buyer's own workloads.
func (s *Service) recordQueries(ctx context.Context, f RecordFilter) (iter.Seq2[string, store.RecordQuery], error) {
	q := store.RecordQuery{From: minHour, To: maxHour}
	if !f.From.IsZero() {
		q.From = metering.HourOf(f.From)
	}
	if !f.To.IsZero() {
		q.To = metering.HourOf(f.To.Add(time.Hour - 1))
	}
	known := s.Store.Catalog()
	if f.Product != "" && !s.seesProduct(bearerOf(ctx), f.Product) {
		return nil, fmt.Errorf("product %q: %w", f.Product, ErrNotFound)
	}
	if f.Buyer != "" && bearerOf(ctx).Role != store.RoleSeller { // whose buyer it is otherwise, is not a seller's to know
		if b := known.Account(f.Buyer); b == nil || !b.Buyer {
			return nil, fmt.Errorf("buyer %q: %w", f.Buyer, ErrNotFound)
		}
	}
	one := func(p *metering.Product, yield func(string, store.RecordQuery) bool) bool {
		q := q
		q.Product, q.Buyer = p.Code, f.Buyer
		if f.Buyer == "" {
			return yield(string(p.Code), q)
		}
		q.Account = p.Seller
		if !yield(string(p.Code)+" seller", q) {
			return false
		}
		q.Account = f.Buyer
		return f.Buyer == p.Seller || yield(string(p.Code)+" workload", q) // after "seller", as names have to ascend
	}
	return func(yield func(string, store.RecordQuery) bool) {
		if f.Product != "" {
			one(known.Product(f.Product), yield)
			return
		}
		for e := range known.All(store.KindProduct) {
			p := (*metering.Product)(e.(*store.Product))
			if bearerOf(ctx).sees(p.Seller) && !one(p, yield) {
				return
			}
		}
	}, nil
}

// RefusalFilter picks refusals. What is zero does not narrow.
type RefusalFilter struct {
	Seller   metering.AccountID
	From, To time.Time // To excluded
}

// Refusals lists what was refused and what was answered 200 and does not count,
// oldest first, of one seller after the other: the losses that a client which
// looks at the status code alone never sees. Refusals that are about no seller's
// product are listed under the account that called. A seller sees its own.
func (s *Service) Refusals(ctx context.Context, f RefusalFilter, limit int, cursor string) (store.Page[store.Refusal], error) {
	callers, err := s.callersSeen(ctx, f.Seller)
	if err != nil {
		return store.Page[store.Refusal]{}, err
	}
	accounts := func(yield func(string, store.RefusalQuery) bool) {
		for _, a := range callers {
			if !yield(string(a), store.RefusalQuery{Seller: a, From: f.From, To: f.To}) {
				return
			}
		}
	}
	return across(accounts, limit, cursor, func(q store.RefusalQuery, limit int, cursor string) (store.Page[store.Refusal], error) {
		q.Limit, q.Cursor = limit, cursor
		return s.Store.Refusals(ctx, q)
	})
}

// callersSeen are the accounts that the bearer sees, of which one may be asked for.
func (s *Service) callersSeen(ctx context.Context, account metering.AccountID) ([]metering.AccountID, error) {
	notFound := fmt.Errorf("account %q: %w", account, ErrNotFound)
	if b := bearerOf(ctx); b.Role == store.RoleSeller {
		if account != "" && !b.sees(account) {
			return nil, notFound
		}
		account = b.Account
	}
	all := s.callers()
	switch {
	case account == "":
		return all, nil
	case !slices.Contains(all, account):
		return nil, notFound
	}
	return []metering.AccountID{account}, nil
}

// callers are the accounts that can have called: those of the catalogue, those of
// its keys, and the one of what an operator does to all, in order.
func (s *Service) callers() []metering.AccountID {
	known := s.Store.Catalog()
	all := map[metering.AccountID]bool{ofAll: true}
	for e := range known.All(store.KindAccount) {
		all[e.(*store.Account).ID] = true
	}
	for e := range known.All(store.KindCredential) {
		all[e.(*store.Credential).Account] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// across makes one list of several, one for each name; names ascend. Its cursor
// is a name and the cursor of that name's list; no name has a tilde.
func across[Q, T any](lists iter.Seq2[string, Q], limit int, cursor string, list func(q Q, limit int, cursor string) (store.Page[T], error)) (store.Page[T], error) {
	if limit == 0 {
		limit = store.MaxPage
	}
	at, inner, _ := strings.Cut(cursor, "~")
	known := cursor == ""
	var all store.Page[T]
	for name, q := range lists {
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
		page, err := list(q, limit-len(all.Items), from)
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

// entries lists catalogue entries of a kind that keep accepts, by name. The
// cursor is the last name listed.
func entries[E store.Entry, T any](known *store.Catalog, kind store.Kind, limit int, cursor string, keep func(E) bool, show func(E) (T, error)) (store.Page[T], error) {
	page := store.Page[T]{Items: []T{}}
	for {
		some := known.Page(kind, cursor, store.MaxPage)
		for _, e := range some {
			if e := e.(E); keep(e) {
				if len(page.Items) == limit {
					page.Next = cursor
					return page, nil
				}
				shown, err := show(e)
				if err != nil {
					return page, err
				}
				page.Items = append(page.Items, shown)
			}
			cursor = e.Ref().Name
		}
		if len(some) < store.MaxPage {
			return page, nil
		}
	}
}
