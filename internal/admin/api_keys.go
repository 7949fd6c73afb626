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

// Keys are all versions of a product's signing key.
type Keys struct {
	Keys []Key `json:"keys"`
}

// KeyPath names a version of a signing key.
type KeyPath struct {
	ProductPath
	Version int64 `path:"version" minimum:"1" maximum:"2147483647"`
}

func (s *Service) serveKeys(api huma.API) {
	const path = "/products/{code}/keys"
	huma.Register(api, operation(api, everyone, "list-keys", http.MethodGet, path, "List the versions of a product's signing key"),
		func(ctx context.Context, in *ProductPath) (*body[Keys], error) {
			if _, err := s.product(ctx, in.Code); err != nil {
				return nil, s.refusal(ctx, err)
			}
			out := Keys{Keys: []Key{}}
			for _, k := range s.Store.Catalog().SigningKeys(in.Code) {
				out.Keys = append(out.Keys, keyOf(k))
			}
			if len(out.Keys) == 0 {
				return nil, huma.Error404NotFound("product " + string(in.Code) + " has no signing key: only container products have")
			}
			return &body[Keys]{out}, nil
		})
	get := operation(api, everyone, "get-key", http.MethodGet, path+"/{version}", "Export a version of a product's public key as PEM")
	get.Responses = map[string]*huma.Response{"200": {Description: "The public key.", Content: map[string]*huma.MediaType{pemType: {Schema: &huma.Schema{Type: "string"}}}}}
	huma.Register(api, get, func(ctx context.Context, in *KeyPath) (*file, error) {
		if _, err := s.product(ctx, in.Code); err != nil {
			return nil, s.refusal(ctx, err)
		}
		pem, err := s.PublicKey(in.Code, int32(in.Version))
		if err != nil {
			return nil, s.refusal(ctx, err)
		}
		return &file{pemType, pem}, nil
	})
	huma.Register(api, creates(operation(api, sellers, "rotate-key", http.MethodPost, path, "Rotate a product's signing key: the version before expires now")),
		func(ctx context.Context, in *struct {
			Idempotency
			ProductPath
		},
		) (*body[Key], error) {
			if _, err := s.product(ctx, in.Code); err != nil {
				return nil, s.refusal(ctx, err)
			}
			k, err := s.RotateKey(ctx, in.Code, in.Key)
			if err != nil {
				return nil, s.refusal(ctx, err)
			}
			return &body[Key]{keyOf(k)}, nil
		})
}

const pemType = "application/x-pem-file"

// file is an answer that is no JSON.
type file struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}
