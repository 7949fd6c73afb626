package admin

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// CredentialState is an access key as the API shows it.
type CredentialState struct {
	Credential
	Created  *time.Time `json:"created,omitempty"`
	LastUsed *time.Time `json:"last_used,omitempty" doc:"When a request was last signed with it, since this server started."`
}

func (s *Service) credentialState(c *store.Credential) CredentialState {
	out := CredentialState{Credential: credentialOf(c), Created: shownTime(c.Created)}
	if s.LastUsed != nil {
		if at, ok := s.LastUsed(c.KeyID); ok {
			out.LastUsed = shownTime(at)
		}
	}
	return out
}

// rootUser is the user whose key is made when none is named.
const rootUser = "root"

// NewCredential says whom a key is made for.
type NewCredential struct {
	Account  metering.AccountID `json:"account" doc:"The account that it belongs to." example:"210987654321"`
	User     string             `json:"user,omitempty" doc:"The user of the account that it stands for. Default root."`
	Workload string             `json:"workload,omitempty" doc:"The workload that it stands for, in place of a user."`
	Policy   string             `json:"policy,omitempty" doc:"The policy it is limited to. Default: all that its account may do."`
}

// CreateCredential makes an access key. Its secret is shown this once; a request
// of the same idempotency key finds the key again and not the secret.
func (s *Service) CreateCredential(ctx context.Context, n NewCredential, key string) (c CredentialState, secret store.Secret, err error) {
	if n.Workload == "" && n.User == "" {
		n.User = rootUser
	}
	return s.makeCredential(ctx, n, key, []any{"create credential", n})
}

// RotateCredential makes another key of the same principal. The one before goes
// on signing until it is disabled: both can be in use while clients change over.
func (s *Service) RotateCredential(ctx context.Context, keyID, key string) (c CredentialState, secret store.Secret, err error) {
	old := s.Store.Catalog().Credential(keyID)
	if old == nil {
		return CredentialState{}, "", fmt.Errorf("credential %q: %w", keyID, ErrNotFound)
	}
	return s.makeCredential(ctx, NewCredential{old.Account, old.User, old.Workload, old.Policy}, key, []any{"rotate credential", keyID})
}

func (s *Service) makeCredential(ctx context.Context, n NewCredential, key string, request any) (CredentialState, store.Secret, error) {
	receipt, err := receiptOf(ctx, key, request)
	if err != nil {
		return CredentialState{}, "", err
	}
	id, secret := newAccessKey()
	how := Applying{}
	if receipt != nil {
		how.receipt, how.made = receipt, store.Ref{Kind: store.KindCredential, Name: id}
	}
	plan, err := s.Apply(ctx, &Catalog{Credentials: []Credential{{
		AccessKeyID: id, SecretAccessKey: string(secret), Account: n.Account, User: n.User, Workload: n.Workload, Policy: n.Policy,
	}}}, how)
	if err != nil {
		return CredentialState{}, "", err
	}
	if plan.found != nil {
		id, secret = plan.found.Name, ""
	}
	c := s.Store.Catalog().Credential(id)
	if c == nil {
		return CredentialState{}, "", fmt.Errorf("credential %q: %w", id, ErrNotFound)
	}
	return s.credentialState(c), secret, nil
}

// newAccessKey makes an id and a secret of the lengths that AWS's have.
func newAccessKey() (id string, secret store.Secret) {
	var name [10]byte
	var b [30]byte
	rand.Read(name[:])
	rand.Read(b[:])
	return "AKIA" + base32.StdEncoding.EncodeToString(name[:]), store.Secret(base64.StdEncoding.EncodeToString(b[:]))
}

// SetCredential disables a key, or lets it sign again.
func (s *Service) SetCredential(ctx context.Context, keyID string, active bool) (CredentialState, error) {
	none := fmt.Errorf("credential %q: %w", keyID, ErrNotFound)
	_, err := s.Apply(ctx, nil, Applying{from: func(known *store.Catalog, c *Catalog, _ *Applying) error {
		was := known.Credential(keyID)
		if was == nil || !bearerOf(ctx).sees(was.Account) {
			return none
		}
		shown := credentialOf(was)
		shown.Status = "disabled"
		if active {
			shown.Status = "active"
		}
		c.Credentials = []Credential{shown}
		return nil
	}})
	if err != nil {
		return CredentialState{}, err
	}
	c := s.Store.Catalog().Credential(keyID)
	if c == nil { // removed meanwhile
		return CredentialState{}, none
	}
	return s.credentialState(c), nil
}
