package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Accesses is a page of accesses.
type Accesses struct {
	Accesses []Access `json:"accesses"`
	Next     string   `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// GrantedAccess is an access with its token, the one time that it is shown.
type GrantedAccess struct {
	Access
	Token string `json:"token" doc:"The bearer token. Shown this once."`
}

func (s *Service) serveAccesses(api huma.API) {
	huma.Register(api, operation(api, onlookers, "list-accesses", http.MethodGet, "/accesses", "List who holds tokens of this API"),
		func(ctx context.Context, in *struct{ Page }) (*body[Accesses], error) {
			page, err := entries(s.Store.Catalog(), store.KindAccess, in.Limit, in.Cursor,
				func(*store.Access) bool { return true },
				func(a *store.Access) (Access, error) { return accessOf(a), nil })
			return answer(s, ctx, Accesses{page.Items, page.Next}, err)
		})
	huma.Register(api, creates(operation(api, operators, "grant-access", http.MethodPost, "/accesses", "Make a token of this API for a role; it is shown this once")),
		func(ctx context.Context, in *struct {
			Body struct {
				Name    string             `json:"name" doc:"What the history will call its bearer. A name is granted once." example:"ci"`
				Role    store.AccessRole   `json:"role" enum:"operator,seller,read-only"`
				Account metering.AccountID `json:"account,omitempty" doc:"Of role seller: whose products it sees."`
			}
		},
		) (*body[GrantedAccess], error) {
			a, token, err := s.GrantAccess(ctx, in.Body.Name, in.Body.Role, in.Body.Account)
			if err == nil {
				s.shown(ctx, "access", a.Name)
			}
			return answer(s, ctx, GrantedAccess{a, string(token)}, err) // string: the one place that shows it
		})
	huma.Register(api, operation(api, operators, "revoke-access", http.MethodPost, "/accesses/{name}/revoke", "Let a token open nothing any more"),
		func(ctx context.Context, in *struct {
			Name string `path:"name"`
		},
		) (*body[Access], error) {
			out, err := s.RevokeAccess(ctx, in.Name)
			return answer(s, ctx, out, err)
		})
}
