package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Products is a page of products.
type Products struct {
	Products []Product `json:"products"`
	Next     string    `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// Dimensions are all of a product.
type Dimensions struct {
	Dimensions []Dimension `json:"dimensions"`
}

// ProductPath names a product.
type ProductPath struct {
	Code metering.ProductCode `path:"code" doc:"The product code." example:"acme-scanner"`
}

// DimensionPath names a dimension of a product.
type DimensionPath struct {
	ProductPath
	Name string `path:"name" doc:"The dimension's name; case counts." example:"scans"`
}

// product is one that the bearer may see. Another's is answered like none.
func (s *Service) product(ctx context.Context, code metering.ProductCode) (Product, error) {
	if !s.seesProduct(bearerOf(ctx), code) {
		return Product{}, fmt.Errorf("product %q: %w", code, ErrNotFound)
	}
	return productOf(s.Store.Catalog().Product(code)), nil
}

// PutProduct makes a product, or changes one.
func (s *Service) PutProduct(ctx context.Context, p Product) (Product, error) {
	if _, err := s.Apply(ctx, &Catalog{Products: []Product{p}}, Applying{}); err != nil {
		return Product{}, err
	}
	return s.product(ctx, p.Code)
}

// PutDimension gives a product a dimension, or changes one of it.
func (s *Service) PutDimension(ctx context.Context, code metering.ProductCode, d Dimension) (Product, error) {
	err := s.changeProduct(ctx, code, func(p *Product) {
		at := slices.IndexFunc(p.Dimensions, func(o Dimension) bool { return o.Name == d.Name })
		if at < 0 {
			p.Dimensions = append(p.Dimensions, d)
		} else {
			p.Dimensions[at] = d
		}
	})
	if err != nil {
		return Product{}, err
	}
	return s.product(ctx, code)
}

// changeProduct changes a product from what it is at that moment.
func (s *Service) changeProduct(ctx context.Context, code metering.ProductCode, how func(*Product)) error {
	_, err := s.Apply(ctx, nil, Applying{from: func(known *store.Catalog, c *Catalog, _ *Applying) error {
		was := known.Product(code)
		if was == nil {
			return fmt.Errorf("product %q: %w", code, ErrNotFound)
		}
		p := productOf(was)
		how(&p)
		c.Products = []Product{p}
		return nil
	}})
	return err
}

// RemoveDimension takes a dimension from a product, if nothing was metered in
// it.
func (s *Service) RemoveDimension(ctx context.Context, code metering.ProductCode, name string) error {
	return s.changeProduct(ctx, code, func(p *Product) {
		p.Dimensions = slices.DeleteFunc(p.Dimensions, func(d Dimension) bool { return d.Name == name })
	})
}

func (s *Service) serveProducts(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-products", http.MethodGet, "/products", "List products"),
		func(ctx context.Context, in *struct {
			Seller metering.AccountID `query:"seller" doc:"The seller's account; without it, every seller's."`
			Page
		},
		) (*body[Products], error) {
			b := bearerOf(ctx)
			page, err := entries(s.Store.Catalog(), store.KindProduct, in.Limit, in.Cursor,
				func(p *store.Product) bool { return b.sees(p.Seller) && (in.Seller == "" || in.Seller == p.Seller) },
				func(p *store.Product) (Product, error) { return productOf((*metering.Product)(p)), nil })
			return answer(s, ctx, Products{page.Items, page.Next}, err)
		})
	huma.Register(api, operation(api, everyone, "get-product", http.MethodGet, "/products/{code}", "Show a product"),
		func(ctx context.Context, in *ProductPath) (*body[Product], error) {
			out, err := s.product(ctx, in.Code)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "put-product", http.MethodPut, "/products/{code}", "Make a product, or change one"),
		func(ctx context.Context, in *struct {
			ProductPath
			Body Product
		},
		) (*body[Product], error) {
			if err := agree("code", in.Code, &in.Body.Code); err != nil {
				return nil, s.refusal(ctx, err)
			}
			out, err := s.PutProduct(ctx, in.Body)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "delete-product", http.MethodDelete, "/products/{code}", "Remove a product that was never metered, and its signing keys"),
		func(ctx context.Context, in *ProductPath) (*struct{}, error) {
			return s.done(ctx, s.Remove(ctx, store.Ref{Kind: store.KindProduct, Name: string(in.Code)}))
		})
}

func (s *Service) serveDimensions(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-dimensions", http.MethodGet, "/products/{code}/dimensions", "List a product's dimensions"),
		func(ctx context.Context, in *ProductPath) (*body[Dimensions], error) {
			p, err := s.product(ctx, in.Code)
			return answer(s, ctx, Dimensions{append([]Dimension{}, p.Dimensions...)}, err)
		})
	huma.Register(api, operation(api, operators, "put-dimension", http.MethodPut, "/products/{code}/dimensions/{name}", "Give a product a dimension, or change one"),
		func(ctx context.Context, in *struct {
			DimensionPath
			Body Dimension
		},
		) (*body[Product], error) {
			if err := agree("name", in.Name, &in.Body.Name); err != nil {
				return nil, s.refusal(ctx, err)
			}
			out, err := s.PutDimension(ctx, in.Code, in.Body)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "delete-dimension", http.MethodDelete, "/products/{code}/dimensions/{name}", "Take a dimension from a product, if nothing was metered in it"),
		func(ctx context.Context, in *DimensionPath) (*struct{}, error) {
			return s.done(ctx, s.RemoveDimension(ctx, in.Code, in.Name))
		})
}
