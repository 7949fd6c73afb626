package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Workloads is a page of workloads.
type Workloads struct {
	Workloads []Workload `json:"workloads"`
	Next      string     `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// WorkloadPath names a workload.
type WorkloadPath struct {
	ID string `path:"id" doc:"The workload's id. A slash in it is written %2F." example:"i-0abc"`
}

func (s *Service) workload(id string) (Workload, error) {
	w := s.Store.Catalog().Workload(id)
	if w == nil {
		return Workload{}, fmt.Errorf("workload %q: %w", id, ErrNotFound)
	}
	return workloadOf(w), nil
}

// PutWorkload makes a workload known, or changes one.
func (s *Service) PutWorkload(ctx context.Context, w Workload) (Workload, error) {
	if _, err := s.Apply(ctx, &Catalog{Workloads: []Workload{w}}, Applying{}); err != nil {
		return Workload{}, err
	}
	return s.workload(w.ID)
}

func (s *Service) serveWorkloads(api huma.API) {
	huma.Register(api, operation(api, onlookers, "list-workloads", http.MethodGet, "/workloads", "List workloads"),
		func(ctx context.Context, in *struct {
			Account metering.AccountID `query:"account" doc:"Of one account."`
			Page
		},
		) (*body[Workloads], error) {
			page, err := entries(s.Store.Catalog(), store.KindWorkload, in.Limit, in.Cursor,
				func(w *store.Workload) bool { return in.Account == "" || in.Account == w.Account },
				func(w *store.Workload) (Workload, error) { return workloadOf((*metering.Workload)(w)), nil })
			return answer(s, ctx, Workloads{page.Items, page.Next}, err)
		})
	huma.Register(api, operation(api, onlookers, "get-workload", http.MethodGet, "/workloads/{id}", "Show a workload"),
		func(ctx context.Context, in *WorkloadPath) (*body[Workload], error) {
			out, err := s.workload(in.ID)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "put-workload", http.MethodPut, "/workloads/{id}", "Make a workload known, or change one"),
		func(ctx context.Context, in *struct {
			WorkloadPath
			Body Workload
		},
		) (*body[Workload], error) {
			if err := agree("id", in.ID, &in.Body.ID); err != nil {
				return nil, s.refusal(ctx, err)
			}
			out, err := s.PutWorkload(ctx, in.Body)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "delete-workload", http.MethodDelete, "/workloads/{id}", "Remove a workload that never metered"),
		func(ctx context.Context, in *WorkloadPath) (*struct{}, error) {
			return s.done(ctx, s.Remove(ctx, store.Ref{Kind: store.KindWorkload, Name: in.ID}))
		})
}
