package awsapi

import (
	"context"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// action is IAM's name for what an operation does. The Entitlement Service has the
// same prefix (contract 8.1).
func action(op metering.Operation) string {
	if op == metering.LookupEvents {
		return "cloudtrail:" + string(op)
	}
	return "aws-marketplace:" + string(op)
}

// authorize puts a call to the policies of whoever signed it, before it is parsed.
// Where they ask which products it is about, this refuses what they would refuse
// of any product; permit decides.
func (s *Service) authorize(req *request) error {
	req.judged = !req.signer.AsksForProducts()
	return s.Callers.Foresee(&req.signer, req.from, action(req.op))
}

// permit decides a call once it is known which products it is about, all of them,
// or that it is about none. Every operation asks before it does anything.
func (s *Service) permit(req *request, products ...metering.ProductCode) error {
	if req.judged {
		return nil
	}
	codes := make([]string, len(products))
	for i, code := range products {
		codes[i] = string(code)
	}
	if err := s.Callers.Authorize(&req.signer, req.from, action(req.op), codes...); err != nil {
		return err
	}
	req.judged = true
	return nil
}

func codesOf(products []*metering.Product) []metering.ProductCode {
	codes := make([]metering.ProductCode, len(products))
	for i, p := range products {
		codes[i] = p.Code
	}
	return codes
}

// append is the one way to the store for a call that is let in: one that policies
// have not decided yet never gets there, whatever its operation forgot.
func (s *Service) append(ctx context.Context, req *request, c store.Call) (store.Outcome, error) {
	if !req.judged {
		return store.Outcome{}, errUndecided
	}
	if after := c.After; untraced && after != nil {
		c.After = func(out store.Outcome) (store.Rest, error) {
			rest, err := after(out)
			rest.Event = nil
			return rest, err
		}
	}
	return s.Store.Append(ctx, c)
}
