package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Agreements is a page of agreements.
type Agreements struct {
	Agreements []AgreementState `json:"agreements"`
	Next       string           `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// AgreementPath names an agreement.
type AgreementPath struct {
	ID metering.AgreementID `path:"id" doc:"The agreement's id." example:"agmt-0001"`
}

func (s *Service) agreement(ctx context.Context, id metering.AgreementID) (AgreementState, error) {
	a := s.Store.Catalog().Agreement(id)
	if a == nil || !s.seesProduct(bearerOf(ctx), a.Product) {
		return AgreementState{}, fmt.Errorf("agreement %q: %w", id, ErrNotFound)
	}
	return s.agreementState(a), nil
}

// PutAgreement makes an agreement, or changes one.
func (s *Service) PutAgreement(ctx context.Context, a Agreement) (AgreementState, error) {
	if _, err := s.Apply(ctx, &Catalog{Agreements: []Agreement{a}}, Applying{}); err != nil {
		return AgreementState{}, err
	}
	return s.agreement(ctx, a.ID)
}

func (s *Service) serveAgreements(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-agreements", http.MethodGet, "/agreements", "List agreements"),
		func(ctx context.Context, in *struct {
			Product metering.ProductCode     `query:"product" doc:"Of one product."`
			Buyer   metering.AccountID       `query:"buyer" doc:"Of one buyer."`
			Status  metering.AgreementStatus `query:"status" enum:"pending,active,suspended,ending,ended" doc:"Of one status."`
			Page
		},
		) (*body[Agreements], error) {
			b := bearerOf(ctx)
			page, err := entries(s.Store.Catalog(), store.KindAgreement, in.Limit, in.Cursor,
				func(a *store.Agreement) bool {
					return (in.Product == "" || in.Product == a.Product) && (in.Buyer == "" || in.Buyer == a.Buyer) &&
						(in.Status == "" || in.Status == a.Status) && s.seesProduct(b, a.Product)
				},
				func(a *store.Agreement) (AgreementState, error) {
					return s.agreementState((*metering.Agreement)(a)), nil
				})
			return answer(s, ctx, Agreements{page.Items, page.Next}, err)
		})
	huma.Register(api, creates(operation(api, operators, "create-agreement", http.MethodPost, "/agreements", "Make an agreement; one that is there with the same facts stays as it is")),
		func(ctx context.Context, in *struct{ Body Agreement }) (*made[AgreementState], error) {
			out, again, err := s.CreateAgreement(ctx, in.Body)
			if err != nil {
				return nil, s.refusal(ctx, one(err))
			}
			return madeOf(again, out), nil
		})
	huma.Register(api, operation(api, everyone, "get-agreement", http.MethodGet, "/agreements/{id}", "Show an agreement"),
		func(ctx context.Context, in *AgreementPath) (*body[AgreementState], error) {
			out, err := s.agreement(ctx, in.ID)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "put-agreement", http.MethodPut, "/agreements/{id}", "Make an agreement, or change one"),
		func(ctx context.Context, in *struct {
			AgreementPath
			Body Agreement
		},
		) (*body[AgreementState], error) {
			if err := agree("id", in.ID, &in.Body.ID); err != nil {
				return nil, s.refusal(ctx, err)
			}
			out, err := s.PutAgreement(ctx, in.Body)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "delete-agreement", http.MethodDelete, "/agreements/{id}", "Remove an agreement that was never metered, and its tokens"),
		func(ctx context.Context, in *AgreementPath) (*struct{}, error) {
			return s.done(ctx, s.Remove(ctx, store.Ref{Kind: store.KindAgreement, Name: string(in.ID)}))
		})
	for _, turn := range []struct {
		name, summary string
		do            func(context.Context, metering.AgreementID) (AgreementState, error)
	}{
		{"activate", "Open an agreement that is pending or suspended", s.ActivateAgreement},
		{"suspend", "Close an active agreement until it is activated again", s.SuspendAgreement},
	} {
		huma.Register(api, operation(api, operators, turn.name+"-agreement", http.MethodPost, "/agreements/{id}/"+turn.name, turn.summary),
			func(ctx context.Context, in *AgreementPath) (*body[AgreementState], error) {
				out, err := turn.do(ctx, in.ID)
				return answer(s, ctx, out, err)
			})
	}
	huma.Register(api, operation(api, operators, "end-agreement", http.MethodPost, "/agreements/{id}/end", "Wind an agreement down: the seller has the final reporting hour"),
		func(ctx context.Context, in *struct {
			AgreementPath
			AtOnce bool `query:"at_once" doc:"End it without the final hour."`
		},
		) (*body[AgreementState], error) {
			out, err := s.EndAgreement(ctx, in.ID, in.AtOnce)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "renew-agreement", http.MethodPost, "/agreements/{id}/renew", "Let an agreement go on, under its license"),
		func(ctx context.Context, in *struct {
			AgreementPath
			Expires time.Time `query:"expires" doc:"When its entitlements expire from now on."`
		},
		) (*body[AgreementState], error) {
			out, err := s.RenewAgreement(ctx, in.ID, in.Expires)
			return answer(s, ctx, out, err)
		})
}
