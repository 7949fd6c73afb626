package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Revision is one change of an entry: who made it, when, and what changed.
type Revision struct {
	Number int64         `json:"number" doc:"The catalogue's revision that it made."`
	By     string        `json:"by" doc:"Who made it: operator, or the name of an access."`
	At     time.Time     `json:"at"`
	Action Action        `json:"action" enum:"create,update,remove"`
	Fields []FieldChange `json:"fields" doc:"What the entry was before, and after, field by field."`
}

// Revisions are all changes of an entry, oldest first.
type Revisions struct {
	Revisions []Revision `json:"revisions"`
}

// History lists the changes of an entry, oldest first.
func (s *Service) History(ctx context.Context, ref store.Ref) ([]Revision, error) {
	if strings.ContainsRune(ref.Name, 0) { // no store keeps one
		return nil, fmt.Errorf("%s %q: %w", ref.Kind, ref.Name, ErrNotFound)
	}
	states, err := s.Store.History(ctx, ref)
	if err != nil {
		return nil, err
	}
	all := []Revision{}
	var before store.Entry
	for _, state := range states {
		if sees, err := s.seesEntry(ctx, state.Entry, state.Number); err != nil {
			return nil, err
		} else if !sees { // what another has of it is as if it were not there
			state.Entry = nil
		}
		if before == nil && state.Entry == nil {
			continue
		}
		r := Revision{Number: state.Number, By: state.By, At: state.At.UTC(), Action: ActionUpdate}
		switch {
		case before == nil:
			r.Action = ActionCreate
		case state.Entry == nil:
			r.Action = ActionRemove
		}
		if r.Fields, err = fieldChanges(before, state.Entry); err != nil {
			return nil, err
		}
		before = state.Entry
		all = append(all, r)
	}
	if len(all) == 0 && ref.Kind != store.KindCompat { // readings hold before any is chosen
		return nil, fmt.Errorf("%s %q: %w", ref.Kind, ref.Name, ErrNotFound)
	}
	return all, nil
}

// seesEntry: a seller sees what was of its products and its account when the
// revision was made.
func (s *Service) seesEntry(ctx context.Context, e store.Entry, revision int64) (bool, error) {
	b := bearerOf(ctx)
	if b.Role != store.RoleSeller {
		return true, nil
	}
	switch e := e.(type) {
	case *store.Account:
		return b.sees(e.ID), nil
	case *store.Product:
		return b.sees(e.Seller), nil
	case *store.Agreement:
		return s.sawProduct(ctx, e.Product, revision)
	case *store.Credential:
		return b.sees(e.Account), nil
	case *store.Role:
		return b.sees(e.Account), nil
	case *store.Quota:
		return s.seesQuota(ctx, e), nil
	case *store.SigningKey:
		return s.sawProduct(ctx, e.Product, revision)
	case *store.RegistrationToken:
		return s.seesToken(ctx, e), nil
	}
	return false, nil
}

// sawProduct reports whether a product was the bearer's at a revision: it may
// have been another's since, or before.
func (s *Service) sawProduct(ctx context.Context, code metering.ProductCode, revision int64) (bool, error) {
	states, err := s.Store.History(ctx, store.Ref{Kind: store.KindProduct, Name: string(code)})
	sees := false
	for _, state := range states {
		if p, ok := state.Entry.(*store.Product); ok && state.Number <= revision {
			sees = bearerOf(ctx).sees(p.Seller)
		}
	}
	return sees, err
}

func (s *Service) serveHistory(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-history", http.MethodGet, "/history", "List the changes of an entry: who, when, and what it was before"),
		func(ctx context.Context, in *struct {
			Kind store.Kind `query:"kind" required:"true" enum:"account,product,agreement,workload,policy,role,credential,token,signing_key,access,compat,quota" doc:"The kind of entry. Sellers and buyers are accounts."`
			Name string     `query:"name" required:"true" doc:"Its name: a code, an id; of a signing key, the product's code, a slash and the version; of a role, its account, a slash and its name; of a quota, its account or every, a slash and the operation."`
		},
		) (*body[Revisions], error) {
			all, err := s.History(ctx, store.Ref{Kind: in.Kind, Name: in.Name})
			return answer(s, ctx, Revisions{all}, err)
		})
}

func (s *Service) serveCompat(api huma.API) {
	huma.Register(api, operation(api, everyone, "get-compat", http.MethodGet, "/compat", "Show which readings of AWS hold"),
		func(context.Context, *struct{}) (*body[Compat], error) {
			return &body[Compat]{compatOf(s.Store.Catalog().Compat())}, nil
		})
	huma.Register(api, operation(api, operators, "put-compat", http.MethodPut, "/compat", "Choose readings of AWS, for the very next call"),
		func(ctx context.Context, in *struct{ Body Compat }) (*body[Compat], error) {
			_, err := s.Apply(ctx, &Catalog{Compat: &in.Body}, Applying{})
			return answer(s, ctx, compatOf(s.Store.Catalog().Compat()), err)
		})
}
