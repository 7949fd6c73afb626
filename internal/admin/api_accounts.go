package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Sellers is a page of sellers.
type Sellers struct {
	Sellers []Seller `json:"sellers"`
	Next    string   `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// Buyers is a page of buyers.
type Buyers struct {
	Buyers []Buyer `json:"buyers"`
	Next   string  `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// AccountPath names an account.
type AccountPath struct {
	Account metering.AccountID `path:"account" doc:"The account's id." example:"210987654321"`
}

// agree lets a body leave out what the path says already, and not contradict it.
func agree[T ~string](field string, inPath T, inBody *T) error {
	if *inBody != "" && *inBody != inPath {
		return invalid(field, "%q is not %q, which the path names", *inBody, inPath)
	}
	*inBody = inPath
	return nil
}

func (s *Service) seller(id metering.AccountID) (Seller, error) {
	a := s.Store.Catalog().Account(id)
	if a == nil || !a.Seller {
		return Seller{}, fmt.Errorf("seller %q: %w", id, ErrNotFound)
	}
	return sellerOf(a), nil
}

func (s *Service) buyer(id metering.AccountID) (Buyer, error) {
	a := s.Store.Catalog().Account(id)
	if a == nil || !a.Buyer {
		return Buyer{}, fmt.Errorf("buyer %q: %w", id, ErrNotFound)
	}
	return buyerOf(a), nil
}

// PutSeller makes an account a seller, or changes one.
func (s *Service) PutSeller(ctx context.Context, seller Seller) (Seller, error) {
	if _, err := s.Apply(ctx, &Catalog{Sellers: []Seller{seller}}, Applying{}); err != nil {
		return Seller{}, err
	}
	return s.seller(seller.Account)
}

// PutBuyer makes an account a buyer, or changes one.
func (s *Service) PutBuyer(ctx context.Context, buyer Buyer) (Buyer, error) {
	if _, err := s.Apply(ctx, &Catalog{Buyers: []Buyer{buyer}}, Applying{}); err != nil {
		return Buyer{}, err
	}
	return s.buyer(buyer.Account)
}

// SuspendBuyer stops accepting a buyer's usage, or begins again.
func (s *Service) SuspendBuyer(ctx context.Context, id metering.AccountID, suspended bool) (Buyer, error) {
	_, err := s.Apply(ctx, nil, Applying{from: func(known *store.Catalog, c *Catalog, _ *Applying) error {
		a := known.Account(id)
		if a == nil || !a.Buyer {
			return fmt.Errorf("buyer %q: %w", id, ErrNotFound)
		}
		b := buyerOf(a)
		b.Status = "active"
		if suspended {
			b.Status = "suspended"
		}
		c.Buyers = []Buyer{b}
		return nil
	}})
	if err != nil {
		return Buyer{}, err
	}
	return s.buyer(id)
}

// Remove takes an entry out of the catalogue, if nothing is built on it. One
// that is not there is no error.
func (s *Service) Remove(ctx context.Context, ref store.Ref) error {
	_, err := s.Apply(ctx, &Catalog{}, Applying{Remove: []store.Ref{ref}})
	return err
}

// removeAccount takes one role from an account, and the account when it has no
// other.
func (s *Service) removeAccount(ctx context.Context, id metering.AccountID, leave func(*store.Account)) error {
	_, err := s.Apply(ctx, nil, Applying{from: func(known *store.Catalog, _ *Catalog, how *Applying) error {
		a := known.Account(id)
		if a == nil {
			return nil
		}
		rest := store.Account(*a)
		leave(&rest)
		if rest.Seller || rest.Buyer {
			how.Put = []store.Entry{&rest}
		} else {
			how.Remove = []store.Ref{rest.Ref()}
		}
		return nil
	}})
	return err
}

func (s *Service) serveSellers(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-sellers", http.MethodGet, "/sellers", "List sellers"),
		func(ctx context.Context, in *struct{ Page }) (*body[Sellers], error) {
			b := bearerOf(ctx)
			page, err := entries(s.Store.Catalog(), store.KindAccount, in.Limit, in.Cursor,
				func(a *store.Account) bool { return a.Seller && b.sees(a.ID) },
				func(a *store.Account) (Seller, error) { return sellerOf((*metering.Account)(a)), nil })
			return answer(s, ctx, Sellers{page.Items, page.Next}, err)
		})
	huma.Register(api, operation(api, onlookers, "get-seller", http.MethodGet, "/sellers/{account}", "Show a seller"),
		func(ctx context.Context, in *AccountPath) (*body[Seller], error) {
			out, err := s.seller(in.Account)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "put-seller", http.MethodPut, "/sellers/{account}", "Make an account a seller, or change one"),
		func(ctx context.Context, in *struct {
			AccountPath
			Body Seller
		},
		) (*body[Seller], error) {
			if err := agree("account", in.Account, &in.Body.Account); err != nil {
				return nil, s.refusal(ctx, err)
			}
			out, err := s.PutSeller(ctx, in.Body)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "delete-seller", http.MethodDelete, "/sellers/{account}", "Let an account be a seller no more"),
		func(ctx context.Context, in *AccountPath) (*struct{}, error) {
			return s.done(ctx, s.removeAccount(ctx, in.Account, func(a *store.Account) { a.Seller = false }))
		})
}

func (s *Service) serveBuyers(api huma.API) {
	huma.Register(api, operation(api, onlookers, "list-buyers", http.MethodGet, "/buyers", "List buyers"),
		func(ctx context.Context, in *struct{ Page }) (*body[Buyers], error) {
			page, err := entries(s.Store.Catalog(), store.KindAccount, in.Limit, in.Cursor,
				func(a *store.Account) bool { return a.Buyer },
				func(a *store.Account) (Buyer, error) { return buyerOf((*metering.Account)(a)), nil })
			return answer(s, ctx, Buyers{page.Items, page.Next}, err)
		})
	huma.Register(api, operation(api, onlookers, "get-buyer", http.MethodGet, "/buyers/{account}", "Show a buyer"),
		func(ctx context.Context, in *AccountPath) (*body[Buyer], error) {
			out, err := s.buyer(in.Account)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "put-buyer", http.MethodPut, "/buyers/{account}", "Make an account a buyer, or change one"),
		func(ctx context.Context, in *struct {
			AccountPath
			Body Buyer
		},
		) (*body[Buyer], error) {
			if err := agree("account", in.Account, &in.Body.Account); err != nil {
				return nil, s.refusal(ctx, err)
			}
			out, err := s.PutBuyer(ctx, in.Body)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "delete-buyer", http.MethodDelete, "/buyers/{account}", "Let an account be a buyer no more"),
		func(ctx context.Context, in *AccountPath) (*struct{}, error) {
			return s.done(ctx, s.removeAccount(ctx, in.Account, func(a *store.Account) { a.Buyer = false }))
		})
	for _, verb := range []struct {
		name, summary string
		suspended     bool
	}{
		{"suspend", "Stop accepting a buyer's usage", true},
		{"resume", "Accept a suspended buyer's usage again", false},
	} {
		huma.Register(api, operation(api, operators, verb.name+"-buyer", http.MethodPost, "/buyers/{account}/"+verb.name, verb.summary),
			func(ctx context.Context, in *AccountPath) (*body[Buyer], error) {
				out, err := s.SuspendBuyer(ctx, in.Account, verb.suspended)
				return answer(s, ctx, out, err)
			})
	}
}
