package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Tokens is a page of registration tokens.
type Tokens struct {
	Tokens []TokenState `json:"tokens"`
	Next   string       `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// IssuedToken is a registration token, the one time that it is shown.
type IssuedToken struct {
	TokenState
	Token string `json:"token,omitempty" doc:"What the buyer's browser posts as x-amzn-marketplace-token. Shown this once; absent when an idempotency key is repeated."`
}

// TokenPath names a registration token.
type TokenPath struct {
	ID string `path:"id" doc:"The token's id, or the first eight and more letters of it."`
}

// seesToken: a token is seen by who sees its product.
func (s *Service) seesToken(ctx context.Context, t *store.RegistrationToken) bool {
	b := bearerOf(ctx)
	a := s.Store.Catalog().Agreement(t.Agreement)
	return b.Role != store.RoleSeller || a != nil && s.seesProduct(b, a.Product)
}

func (s *Service) serveTokens(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-tokens", http.MethodGet, "/tokens", "List registration tokens: their state, and who redeemed them"),
		func(ctx context.Context, in *struct {
			Agreement metering.AgreementID `query:"agreement" doc:"Of one agreement."`
			Page
		},
		) (*body[Tokens], error) {
			page, err := entries(s.Store.Catalog(), store.KindToken, in.Limit, in.Cursor,
				func(t *store.RegistrationToken) bool {
					return (in.Agreement == "" || in.Agreement == t.Agreement) && s.seesToken(ctx, t)
				},
				func(t *store.RegistrationToken) (TokenState, error) {
					return s.tokenState(ctx, (*metering.RegistrationToken)(t))
				})
			return answer(s, ctx, Tokens{page.Items, page.Next}, err)
		})
	huma.Register(api, operation(api, everyone, "get-token", http.MethodGet, "/tokens/{id}", "Show a registration token's state"),
		func(ctx context.Context, in *TokenPath) (*body[TokenState], error) {
			t, err := s.findToken(in.ID)
			if err == nil && !s.seesToken(ctx, t) {
				err = fmt.Errorf("token %q: %w", in.ID, ErrNotFound)
			}
			if err != nil {
				return nil, s.refusal(ctx, err)
			}
			out, err := s.tokenState(ctx, (*metering.RegistrationToken)(t))
			return answer(s, ctx, out, err)
		})
	huma.Register(api, creates(operation(api, operators, "issue-token", http.MethodPost, "/tokens", "Issue a registration token for an agreement")),
		func(ctx context.Context, in *struct {
			Idempotency
			Body struct {
				Agreement metering.AgreementID `json:"agreement" doc:"The agreement's id." example:"agmt-0001"`
			}
		},
		) (*made[IssuedToken], error) {
			token, state, err := s.IssueToken(ctx, in.Body.Agreement, in.Key)
			if err != nil {
				return nil, s.refusal(ctx, err)
			}
			if token != "" {
				s.shown(ctx, "registration token", state.ID)
			}
			return madeOf(token == "", IssuedToken{state, string(token)}), nil // string: the one place that shows it
		})
	huma.Register(api, operation(api, operators, "expire-token", http.MethodPost, "/tokens/{id}/expire", "Let a registration token be resolved no more"),
		func(ctx context.Context, in *TokenPath) (*body[TokenState], error) {
			out, err := s.ExpireToken(ctx, in.ID)
			return answer(s, ctx, out, err)
		})
}
