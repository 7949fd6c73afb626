package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Bearer is who asks: the history names it, and its role says what it may do.
type Bearer struct {
	Name    string
	Role    store.AccessRole
	Account metering.AccountID // of store.RoleSeller
}

// operator is the bearer of the service's own token, and this process itself.
var operator = Bearer{Name: "operator", Role: store.RoleOperator}

type bearerKey struct{}

func withBearer(ctx context.Context, b Bearer) context.Context {
	return context.WithValue(ctx, bearerKey{}, b)
}

func bearerOf(ctx context.Context) Bearer {
	if b, ok := ctx.Value(bearerKey{}).(Bearer); ok {
		return b
	}
	return operator
}

// sees reports whether what is a seller's is shown to the bearer.
func (b Bearer) sees(seller metering.AccountID) bool {
	return b.Role != store.RoleSeller || b.Account == seller
}

// seesProduct reports whether a product and what hangs on it is shown.
func (s *Service) seesProduct(b Bearer, code metering.ProductCode) bool {
	p := s.Store.Catalog().Product(code)
	return p != nil && b.sees(p.Seller)
}

// Access is a token that opens the API, as the API shows it.
type Access struct {
	Name    string             `json:"name" doc:"What the history calls its bearer." example:"ci"`
	Role    store.AccessRole   `json:"role" enum:"operator,seller,read-only"`
	Account metering.AccountID `json:"account,omitempty" doc:"Of role seller: whose products it sees."`
	Created time.Time          `json:"created"`
	Revoked *time.Time         `json:"revoked,omitempty" doc:"Since when it opens nothing."`
}

func accessOf(a *store.Access) Access {
	return Access{a.Name, a.Role, a.Account, a.Created.UTC(), shownTime(a.Revoked)}
}

// shownTime is a time that may be none.
func shownTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// accessName leaves the operator's own name to its own token.
var accessName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// accessPrefix leads an access's token, so that one that leaks is known for what
// it is.
const accessPrefix = "meterd_"

// GrantAccess makes a token that opens the API, and shows it this once. A name
// is granted once.
func (s *Service) GrantAccess(ctx context.Context, name string, role store.AccessRole, account metering.AccountID) (Access, store.Secret, error) {
	var b [32]byte
	rand.Read(b[:])
	token := store.Secret(accessPrefix + base64.RawURLEncoding.EncodeToString(b[:]))
	made := &store.Access{Name: name, Hash: sha256.Sum256([]byte(token)), Role: role, Account: account}
	err := s.change(ctx, func(known *store.Catalog, now time.Time) (edit, error) {
		seller := known.Account(account)
		switch {
		case !accessName.MatchString(name) || name == operator.Name || name == housekeeper.Name:
			return edit{}, invalid("name", "%q is not a name: a to z, 0 to 9, and . _ - inside; not %s, not %s", name, operator.Name, housekeeper.Name)
		case role == store.RoleSeller && (seller == nil || !seller.Seller):
			return edit{}, invalid("account", "%q is not one of the sellers", account)
		case role != store.RoleSeller && account != "":
			return edit{}, invalid("account", "is for role seller only")
		case known.Get(made.Ref()) != nil:
			return edit{}, &StateError{fmt.Sprintf("access %q was granted before: revoke it, and grant another under another name", name)}
		}
		made.Created = now
		return edit{put: []store.Entry{made}}, nil
	})
	if err != nil {
		return Access{}, "", err
	}
	return accessOf(made), token, nil
}

// RevokeAccess lets a token open nothing any more. One that was revoked stays
// so.
func (s *Service) RevokeAccess(ctx context.Context, name string) (Access, error) {
	var out Access
	err := s.change(ctx, func(known *store.Catalog, now time.Time) (edit, error) {
		a, ok := known.Get(store.Ref{Kind: store.KindAccess, Name: name}).(*store.Access)
		if !ok {
			return edit{}, fmt.Errorf("access %q: %w", name, ErrNotFound)
		}
		revoked := *a
		if a.Revoked.IsZero() {
			revoked.Revoked = now
		}
		out = accessOf(&revoked)
		return edit{put: []store.Entry{&revoked}}, nil
	})
	return out, err
}

// bearer finds who a token belongs to. Hashes are compared, so that the time it
// takes tells nothing of the token, not even its length.
func (s *Service) bearer(token string) (Bearer, bool) {
	hash := sha256.Sum256([]byte(token))
	if s.Token != "" && hash == sha256.Sum256([]byte(string(s.Token))) {
		return operator, true
	}
	known := s.Store.Catalog()
	a := known.Access(hash)
	if a == nil || !a.Revoked.IsZero() {
		return Bearer{}, false
	}
	if a.Role == store.RoleSeller {
		if seller := known.Account(a.Account); seller == nil || !seller.Seller { // it is one no more
			return Bearer{}, false
		}
	}
	return Bearer{Name: a.Name, Role: a.Role, Account: a.Account}, true
}
