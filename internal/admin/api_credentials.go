package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Credentials is a page of access keys.
type Credentials struct {
	Credentials []CredentialState `json:"credentials"`
	Next        string            `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// MadeCredential is an access key with its secret, the one time that it is
// shown.
type MadeCredential struct {
	CredentialState
	SecretAccessKey string `json:"secret_access_key,omitempty" doc:"Shown this once; absent when an idempotency key is repeated."`
}

// CredentialPath names an access key.
type CredentialPath struct {
	ID string `path:"id" doc:"The access key id." example:"AKIAMETERDSELLER0001"`
}

// credential is one that the bearer may see, and change: a seller, the users of
// its own account.
func (s *Service) credential(ctx context.Context, id string) (*store.Credential, error) {
	c := s.Store.Catalog().Credential(id)
	if c == nil || !bearerOf(ctx).sees(c.Account) {
		return nil, fmt.Errorf("credential %q: %w", id, ErrNotFound)
	}
	return c, nil
}

func (s *Service) serveCredentials(api huma.API) {
	shown := func(ctx context.Context, c CredentialState, secret store.Secret, err error) (*made[MadeCredential], error) {
		if err != nil {
			return nil, s.refusal(ctx, one(err))
		}
		if secret != "" {
			s.shown(ctx, "access key", c.AccessKeyID)
		}
		return madeOf(secret == "", MadeCredential{c, string(secret)}), nil // string: the one place that shows it
	}
	huma.Register(api, operation(api, everyone, "list-credentials", http.MethodGet, "/credentials", "List access keys"),
		func(ctx context.Context, in *struct {
			Account metering.AccountID `query:"account" doc:"Of one account."`
			Page
		},
		) (*body[Credentials], error) {
			b := bearerOf(ctx)
			page, err := entries(s.Store.Catalog(), store.KindCredential, in.Limit, in.Cursor,
				func(c *store.Credential) bool {
					return b.sees(c.Account) && (in.Account == "" || in.Account == c.Account)
				},
				func(c *store.Credential) (CredentialState, error) { return s.credentialState(c), nil })
			return answer(s, ctx, Credentials{page.Items, page.Next}, err)
		})
	huma.Register(api, operation(api, everyone, "get-credential", http.MethodGet, "/credentials/{id}", "Show an access key"),
		func(ctx context.Context, in *CredentialPath) (*body[CredentialState], error) {
			c, err := s.credential(ctx, in.ID)
			if err != nil {
				return nil, s.refusal(ctx, err)
			}
			return answer(s, ctx, s.credentialState(c), nil)
		})
	huma.Register(api, creates(operation(api, sellers, "create-credential", http.MethodPost, "/credentials", "Make an access key; its secret is shown this once")),
		func(ctx context.Context, in *struct {
			Idempotency
			Body NewCredential
		},
		) (*made[MadeCredential], error) {
			if b := bearerOf(ctx); b.Role == store.RoleSeller && (!b.sees(in.Body.Account) || in.Body.Workload != "") {
				return nil, s.refusal(ctx, fmt.Errorf("%w: a seller makes keys of users of its own account", ErrForbidden))
			}
			c, secret, err := s.CreateCredential(ctx, in.Body, in.Key)
			return shown(ctx, c, secret, err)
		})
	huma.Register(api, creates(operation(api, sellers, "rotate-credential", http.MethodPost, "/credentials/{id}/rotate", "Make another key of the same principal; the one before signs until it is disabled")),
		func(ctx context.Context, in *struct {
			Idempotency
			CredentialPath
		},
		) (*made[MadeCredential], error) {
			old, err := s.credential(ctx, in.ID)
			if err == nil && old.Workload != "" && bearerOf(ctx).Role == store.RoleSeller {
				err = fmt.Errorf("%w: a seller makes keys of users of its own account", ErrForbidden)
			}
			if err != nil {
				return nil, s.refusal(ctx, err)
			}
			c, secret, err := s.RotateCredential(ctx, in.ID, in.Key)
			return shown(ctx, c, secret, err)
		})
	for _, verb := range []struct {
		name, summary string
		active        bool
	}{
		{"disable", "Let an access key sign nothing", false},
		{"enable", "Let a disabled access key sign again", true},
	} {
		huma.Register(api, operation(api, sellers, verb.name+"-credential", http.MethodPost, "/credentials/{id}/"+verb.name, verb.summary),
			func(ctx context.Context, in *CredentialPath) (*body[CredentialState], error) {
				if _, err := s.credential(ctx, in.ID); err != nil {
					return nil, s.refusal(ctx, err)
				}
				out, err := s.SetCredential(ctx, in.ID, verb.active)
				return answer(s, ctx, out, err)
			})
	}
	huma.Register(api, operation(api, operators, "delete-credential", http.MethodDelete, "/credentials/{id}", "Remove an access key"),
		func(ctx context.Context, in *CredentialPath) (*struct{}, error) {
			return s.done(ctx, s.Remove(ctx, store.Ref{Kind: store.KindCredential, Name: in.ID}))
		})
}

// creates marks an operation as one that makes something.
func creates(o huma.Operation) huma.Operation {
	o.DefaultStatus = http.StatusCreated
	return o
}
