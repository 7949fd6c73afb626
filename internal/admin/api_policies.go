package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Policies is a page of policies.
type Policies struct {
	Policies []Policy `json:"policies"`
	Next     string   `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// PolicyPath names a policy.
type PolicyPath struct {
	Name string `path:"name" doc:"The policy's name." example:"resolve-only"`
}

func (s *Service) policy(name string) (Policy, error) {
	p := s.Store.Catalog().Policy(name)
	if p == nil {
		return Policy{}, fmt.Errorf("policy %q: %w", name, ErrNotFound)
	}
	return policyOf(p), nil
}

// PutPolicy makes a policy, or changes one.
func (s *Service) PutPolicy(ctx context.Context, p Policy) (Policy, error) {
	if _, err := s.Apply(ctx, &Catalog{Policies: []Policy{p}}, Applying{}); err != nil {
		return Policy{}, err
	}
	return s.policy(p.Name)
}

func (s *Service) servePolicies(api huma.API) {
	huma.Register(api, operation(api, onlookers, "list-policies", http.MethodGet, "/policies", "List policies"),
		func(ctx context.Context, in *struct{ Page }) (*body[Policies], error) {
			page, err := entries(s.Store.Catalog(), store.KindPolicy, in.Limit, in.Cursor,
				func(*store.Policy) bool { return true },
				func(p *store.Policy) (Policy, error) { return policyOf(p), nil })
			return answer(s, ctx, Policies{page.Items, page.Next}, err)
		})
	huma.Register(api, operation(api, onlookers, "get-policy", http.MethodGet, "/policies/{name}", "Show a policy"),
		func(ctx context.Context, in *PolicyPath) (*body[Policy], error) {
			out, err := s.policy(in.Name)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "put-policy", http.MethodPut, "/policies/{name}", "Make a policy, or change one"),
		func(ctx context.Context, in *struct {
			PolicyPath
			Body Policy
		},
		) (*body[Policy], error) {
			if err := agree("name", in.Name, &in.Body.Name); err != nil {
				return nil, s.refusal(ctx, err)
			}
			out, err := s.PutPolicy(ctx, in.Body)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "delete-policy", http.MethodDelete, "/policies/{name}", "Remove a policy that no role and no key is limited to"),
		func(ctx context.Context, in *PolicyPath) (*struct{}, error) {
			return s.done(ctx, s.Remove(ctx, store.Ref{Kind: store.KindPolicy, Name: in.Name}))
		})
}

// Roles is a page of roles.
type Roles struct {
	Roles []RoleState `json:"roles"`
	Next  string      `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// RolePath names a role.
type RolePath struct {
	Account metering.AccountID `path:"account" doc:"The account it belongs to." example:"210987654321"`
	Name    string             `path:"name" doc:"The role's name." example:"meter"`
}

// role is one that the bearer may see: a seller, those of its own account.
func (s *Service) role(ctx context.Context, account metering.AccountID, name string) (RoleState, error) {
	r := s.Store.Catalog().Role(account, name)
	if r == nil || !bearerOf(ctx).sees(r.Account) {
		return RoleState{}, noRole(account, name)
	}
	return roleStateOf(r), nil
}

func noRole(account metering.AccountID, name string) error {
	return fmt.Errorf("role %q of account %q: %w", name, account, ErrNotFound)
}

// PutRole makes a role, or changes one.
func (s *Service) PutRole(ctx context.Context, r Role) (RoleState, error) {
	if _, err := s.Apply(ctx, &Catalog{Roles: []Role{r}}, Applying{}); err != nil {
		return RoleState{}, err
	}
	return s.role(ctx, r.Account, r.Name)
}

// RevokeRole makes every session of a role worthless that was issued until now.
// Those that are issued from now on are good.
func (s *Service) RevokeRole(ctx context.Context, account metering.AccountID, name string) (RoleState, error) {
	_, err := s.Apply(ctx, nil, Applying{from: func(known *store.Catalog, _ *Catalog, how *Applying) error {
		was := known.Role(account, name)
		if was == nil || !bearerOf(ctx).sees(account) {
			return noRole(account, name)
		}
		revoked := *was
		if now := s.Clock.Truth(); now.After(was.Revoked) { // sessions go by the true time; one that was set back makes nothing good again
			revoked.Revoked = now
		}
		how.Put = []store.Entry{&revoked}
		return nil
	}})
	if err != nil {
		return RoleState{}, err
	}
	return s.role(ctx, account, name)
}

func (s *Service) serveRoles(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-roles", http.MethodGet, "/roles", "List roles"),
		func(ctx context.Context, in *struct {
			Account metering.AccountID `query:"account" doc:"Of one account."`
			Page
		},
		) (*body[Roles], error) {
			b := bearerOf(ctx)
			page, err := entries(s.Store.Catalog(), store.KindRole, in.Limit, in.Cursor,
				func(r *store.Role) bool {
					return b.sees(r.Account) && (in.Account == "" || in.Account == r.Account)
				},
				func(r *store.Role) (RoleState, error) { return roleStateOf(r), nil })
			return answer(s, ctx, Roles{page.Items, page.Next}, err)
		})
	const path = "/roles/{account}/{name}"
	huma.Register(api, operation(api, everyone, "get-role", http.MethodGet, path, "Show a role"),
		func(ctx context.Context, in *RolePath) (*body[RoleState], error) {
			out, err := s.role(ctx, in.Account, in.Name)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "put-role", http.MethodPut, path, "Make a role, or change one; its sessions go on"),
		func(ctx context.Context, in *struct {
			RolePath
			Body Role
		},
		) (*body[RoleState], error) {
			if err := agree("account", in.Account, &in.Body.Account); err != nil {
				return nil, s.refusal(ctx, err)
			}
			if err := agree("name", in.Name, &in.Body.Name); err != nil {
				return nil, s.refusal(ctx, err)
			}
			out, err := s.PutRole(ctx, in.Body)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, sellers, "revoke-role", http.MethodPost, path+"/revoke", "Make every session of a role worthless that was issued until now"),
		func(ctx context.Context, in *RolePath) (*body[RoleState], error) {
			out, err := s.RevokeRole(ctx, in.Account, in.Name)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "delete-role", http.MethodDelete, path, "Remove a role, and with it its sessions"),
		func(ctx context.Context, in *RolePath) (*struct{}, error) {
			return s.done(ctx, s.Remove(ctx, (&store.Role{Account: in.Account, Name: in.Name}).Ref()))
		})
}
