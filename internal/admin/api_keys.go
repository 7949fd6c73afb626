package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
)

// Key is a version of a product's signing key; of the key itself it says
// nothing.
type Key struct {
	Product string     `json:"product"`
	Version int32      `json:"version"`
	Created time.Time  `json:"created"`
	Expired *time.Time `json:"expired,omitempty" doc:"When the version was rotated out."`
}

func keyOf(k *metering.SigningKey) Key {
	out := Key{Product: string(k.Product), Version: k.Version, Created: k.Created}
	if !k.Expires.IsZero() {
		out.Expired = &k.Expires
	}
	return out
}

func (s *Service) serveKeys(api huma.API) {
	type keys struct {
		Keys []Key `json:"keys"`
	}
	path := Prefix + "/products/{code}/keys"
	huma.Register(api, huma.Operation{
		OperationID: "list-keys", Method: http.MethodGet, Path: path, Summary: "List the versions of a product's signing key",
	}, func(_ context.Context, in *struct {
		Code string `path:"code"`
	},
	) (*body[keys], error) {
		out := keys{Keys: []Key{}}
		for _, k := range s.Store.Catalog().SigningKeys(metering.ProductCode(in.Code)) {
			out.Keys = append(out.Keys, keyOf(k))
		}
		if len(out.Keys) == 0 {
			return nil, huma.Error404NotFound("product " + in.Code + " has no signing key: only container products have")
		}
		return &body[keys]{out}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "get-key", Method: http.MethodGet, Path: path + "/{version}", Summary: "Export a version of a product's public key as PEM",
	}, func(ctx context.Context, in *struct {
		Code    string `path:"code"`
		Version int64  `path:"version" minimum:"1" maximum:"2147483647"`
	},
	) (*pemFile, error) {
		pem, err := s.PublicKey(metering.ProductCode(in.Code), int32(in.Version))
		if err != nil {
			return nil, s.refusal(ctx, err)
		}
		return &pemFile{"application/x-pem-file", pem}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "rotate-key", Method: http.MethodPost, Path: path, Summary: "Rotate a product's signing key: the version before expires now",
		DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct {
		Code string `path:"code"`
	},
	) (*body[Key], error) {
		k, err := s.RotateKey(ctx, metering.ProductCode(in.Code))
		if err != nil {
			return nil, s.refusal(ctx, err)
		}
		return &body[Key]{keyOf(k)}, nil
	})
}

type pemFile struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// IssuedToken is a registration token, the one time that it is shown.
type IssuedToken struct {
	Token     string    `json:"token" doc:"What the buyer's browser posts as x-amzn-marketplace-token."`
	Agreement string    `json:"agreement"`
	Expires   time.Time `json:"expires"`
}

func (s *Service) serveTokens(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "issue-token", Method: http.MethodPost, Path: Prefix + "/tokens", Summary: "Issue a registration token for an agreement",
		DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct {
		Body struct {
			Agreement string `json:"agreement" doc:"The agreement's id." example:"agmt-0001"`
		}
	},
	) (*body[IssuedToken], error) {
		token, expires, err := s.IssueToken(ctx, metering.AgreementID(in.Body.Agreement))
		if err != nil {
			return nil, s.refusal(ctx, err)
		}
		return &body[IssuedToken]{IssuedToken{token, in.Body.Agreement, expires}}, nil
	})
}
