package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// TokenState is a registration token as the API shows it. The token itself is
// not kept: its id is the SHA-256 of it, in hex.
type TokenState struct {
	ID        string               `json:"id"`
	Agreement metering.AgreementID `json:"agreement"`
	Product   metering.ProductCode `json:"product,omitempty"`
	Buyer     metering.AccountID   `json:"buyer,omitempty"`
	State     string               `json:"state" enum:"active,expired" doc:"Whether it can be resolved now."`
	Issued    time.Time            `json:"issued"`
	Expires   time.Time            `json:"expires"`
	Redeemed  *Redeemed            `json:"redeemed,omitempty" doc:"Who has resolved it; absent while nobody has."`
}

// Redeemed is who has resolved a token, and how often.
type Redeemed struct {
	Account     metering.AccountID `json:"account"`
	AccessKeyID string             `json:"access_key_id" doc:"What the last call was signed with."`
	First       time.Time          `json:"first"`
	Last        time.Time          `json:"last"`
	Count       int                `json:"count"`
}

// tokenOf is a token as its history shows it.
func tokenOf(t *metering.RegistrationToken) TokenState {
	return TokenState{ID: hex.EncodeToString(t.Hash[:]), Agreement: t.Agreement, Issued: t.Issued.UTC(), Expires: t.Expires().UTC()}
}

func (s *Service) tokenState(ctx context.Context, t *metering.RegistrationToken) (TokenState, error) {
	out := tokenOf(t)
	if a := s.Store.Catalog().Agreement(t.Agreement); a != nil {
		out.Product, out.Buyer = a.Product, a.Buyer
	}
	out.State = "expired"
	if s.Clock.Now().Before(t.Expires()) {
		out.State = "active"
	}
	r, ok, err := s.Store.Redeemed(ctx, t.Hash)
	if err != nil {
		return TokenState{}, err
	}
	if ok {
		out.Redeemed = &Redeemed{r.Account, r.KeyID, r.First.UTC(), r.Last.UTC(), r.Count}
	}
	return out, nil
}

// IssueToken issues a registration token for an agreement: what the buyer's
// browser would bring to the seller's page. It is shown once; only its hash is
// kept. A request of the same idempotency key finds the token again and does not
// show it.
func (s *Service) IssueToken(ctx context.Context, agreement metering.AgreementID, key string) (token store.Secret, state TokenState, err error) {
	var b [32]byte
	rand.Read(b[:])
	// Sellers' code decodes the token's form once more than it should: it must
	// survive that.
	token = store.Secret(base64.RawURLEncoding.EncodeToString(b[:]))
	entry := &store.RegistrationToken{Hash: sha256.Sum256([]byte(token)), Agreement: agreement}
	ref, again, err := s.once(ctx, key, []any{"issue token", agreement}, func(known *store.Catalog, now time.Time) (edit, store.Ref, error) {
		if known.Agreement(agreement) == nil {
			return edit{}, store.Ref{}, fmt.Errorf("agreement %q: %w", agreement, ErrNotFound)
		}
		entry.Issued = now
		return edit{put: []store.Entry{entry}}, entry.Ref(), nil
	})
	if err != nil {
		return "", TokenState{}, err
	}
	if again {
		token = ""
	}
	t, err := s.findToken(ref.Name)
	if err != nil {
		return "", TokenState{}, err
	}
	state, err = s.tokenState(ctx, (*metering.RegistrationToken)(t))
	return token, state, err
}

// leastTokenID is how much of a token's id names it, where no other begins so.
const leastTokenID = 8

// findToken finds a token by its id, or the beginning of it.
func (s *Service) findToken(id string) (*store.RegistrationToken, error) {
	known := s.Store.Catalog()
	if t, ok := known.Get(store.Ref{Kind: store.KindToken, Name: id}).(*store.RegistrationToken); ok {
		return t, nil
	}
	if len(id) >= leastTokenID {
		var found []*store.RegistrationToken
		for _, e := range known.Page(store.KindToken, id, 2) {
			if strings.HasPrefix(e.Ref().Name, id) {
				found = append(found, e.(*store.RegistrationToken))
			}
		}
		switch len(found) {
		case 1:
			return found[0], nil
		case 2:
			return nil, &StateError{fmt.Sprintf("more than one token's id begins with %s", id)}
		}
	}
	return nil, fmt.Errorf("token %q: %w", id, ErrNotFound)
}

// ExpireToken ends a token now. One that has expired stays as it was.
func (s *Service) ExpireToken(ctx context.Context, id string) (TokenState, error) {
	t, err := s.findToken(id)
	if err != nil {
		return TokenState{}, err
	}
	var ended store.RegistrationToken
	err = s.change(ctx, func(known *store.Catalog, now time.Time) (edit, error) {
		current, ok := known.Get(t.Ref()).(*store.RegistrationToken)
		if !ok {
			return edit{}, fmt.Errorf("token %q: %w", id, ErrNotFound)
		}
		ended = *current
		if now.Before((*metering.RegistrationToken)(&ended).Expires()) {
			ended.Ended = now
		}
		return edit{put: []store.Entry{&ended}}, nil
	})
	if err != nil {
		return TokenState{}, err
	}
	return s.tokenState(ctx, (*metering.RegistrationToken)(&ended))
}
