package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Quotas is a page of quotas.
type Quotas struct {
	Quotas []QuotaState `json:"quotas"`
	Next   string       `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// QuotaPath names a quota.
type QuotaPath struct {
	Account   metering.AccountID `path:"account" doc:"The account that it is for, or every." example:"111122223333"`
	Operation metering.Operation `path:"operation" doc:"The operation." example:"MeterUsage"`
}

func (p QuotaPath) ref() store.Ref {
	q := &store.Quota{Account: p.Account, Operation: p.Operation}
	if q.Account == store.EveryAccount {
		q.Account = ""
	}
	return q.Ref()
}

// quota is one that was set, or the standard.
func (s *Service) quota(ctx context.Context, p QuotaPath) (QuotaState, error) {
	q, ok := s.Store.Catalog().Get(p.ref()).(*store.Quota)
	switch standard := s.standardQuota(p.Operation); {
	case ok && s.seesQuota(ctx, q):
		return s.quotaStateOf(q), nil
	case p.Account == store.EveryAccount && standard != nil:
		return *standard, nil
	}
	return QuotaState{}, fmt.Errorf("quota %s/%s: %w", p.Account, p.Operation, ErrNotFound)
}

// seesQuota: a seller sees its own quotas, and those of every account.
func (s *Service) seesQuota(ctx context.Context, q *store.Quota) bool {
	return q.Account == "" || bearerOf(ctx).sees(q.Account)
}

// quotas lists what was set, and the standards that hold where nothing was; of an
// account, what holds for it. Accounts ascend, and what is for all comes last.
func (s *Service) quotas(ctx context.Context, account metering.AccountID, limit int, cursor string) Quotas {
	known := s.Store.Catalog()
	all := []QuotaState{}
	for e := range known.All(store.KindQuota) {
		if q := e.(*store.Quota); account == "" && q.Account != "" && s.seesQuota(ctx, q) {
			all = append(all, s.quotaStateOf(q))
		}
	}
	for _, op := range slices.Sorted(slices.Values(quotaOperations)) {
		if q := known.Quota(account, op); q != nil && s.seesQuota(ctx, q) {
			all = append(all, s.quotaStateOf(q))
		} else if standard := s.standardQuota(op); standard != nil {
			all = append(all, *standard)
		}
	}
	name := func(q QuotaState) string { return string(q.Account) + "/" + string(q.Operation) }
	if account == "" {
		slices.SortFunc(all, func(a, b QuotaState) int { return cmp.Compare(name(a), name(b)) })
		all = slices.DeleteFunc(all, func(q QuotaState) bool { return name(q) <= cursor })
	} else {
		all = slices.DeleteFunc(all, func(q QuotaState) bool { return string(q.Operation) <= cursor })
	}
	page := Quotas{Quotas: all}
	if len(all) > limit {
		page.Quotas = all[:limit]
		if page.Next = string(all[limit-1].Operation); account == "" {
			page.Next = name(all[limit-1])
		}
	}
	return page
}

// PutQuota sets a quota, for the very next call.
func (s *Service) PutQuota(ctx context.Context, q Quota) (QuotaState, error) {
	if _, err := s.Apply(ctx, &Catalog{Quotas: []Quota{q}}, Applying{}); err != nil {
		return QuotaState{}, err
	}
	return s.quota(ctx, QuotaPath{q.Account, q.Operation})
}

// RemoveQuota lets what is for every account hold again, or the standard.
func (s *Service) RemoveQuota(ctx context.Context, p QuotaPath) error {
	return s.Remove(ctx, p.ref())
}

func (s *Service) serveQuotas(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-quotas", http.MethodGet, "/quotas", "List quotas: what was set, and the standards that hold beside it"),
		func(ctx context.Context, in *struct {
			Account metering.AccountID `query:"account" doc:"What holds for one account."`
			Page
		},
		) (*body[Quotas], error) {
			if in.Account != "" && (!in.Account.Valid() || !bearerOf(ctx).sees(in.Account)) {
				return nil, s.refusal(ctx, fmt.Errorf("account %q: %w", in.Account, ErrNotFound))
			}
			return &body[Quotas]{s.quotas(ctx, in.Account, in.Limit, in.Cursor)}, nil
		})
	const path = "/quotas/{account}/{operation}"
	huma.Register(api, operation(api, everyone, "get-quota", http.MethodGet, path, "Show a quota"),
		func(ctx context.Context, in *QuotaPath) (*body[QuotaState], error) {
			out, err := s.quota(ctx, *in)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "put-quota", http.MethodPut, path, "Set a quota, for the very next call"),
		func(ctx context.Context, in *struct {
			QuotaPath
			Body Quota
		},
		) (*body[QuotaState], error) {
			if err := agree("account", in.Account, &in.Body.Account); err != nil {
				return nil, s.refusal(ctx, err)
			}
			if err := agree("operation", in.Operation, &in.Body.Operation); err != nil {
				return nil, s.refusal(ctx, err)
			}
			out, err := s.PutQuota(ctx, in.Body)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "delete-quota", http.MethodDelete, path, "Remove a quota: every account's holds again, or the standard"),
		func(ctx context.Context, in *QuotaPath) (*struct{}, error) {
			return s.done(ctx, s.RemoveQuota(ctx, *in))
		})
}
