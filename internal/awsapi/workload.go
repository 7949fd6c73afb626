package awsapi

import (
	"context"
	"fmt"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// admit takes a workload's call through the checks that MeterUsage and
// RegisterUsage begin with, in the order of R-23: region, product, platform,
// entitlement. The admission it returns is to be written with the call; nil is
// none.
func (s *Service) admit(ctx context.Context, req *request, code metering.ProductCode) (*metering.Product, *store.Admission, error) {
	if err := metering.CheckRegion(req.op, req.caller, req.region, s.Regions); err != nil {
		return nil, nil, err
	}
	if err := s.permit(req, code); err != nil {
		return nil, nil, err
	}
	p := s.Store.Catalog().Product(code)
	if err := metering.CheckProduct(req.op, code, p, req.caller, req.region, s.Regions); err != nil {
		return nil, nil, err
	}
	if err := metering.CheckPlatform(req.op, p, req.caller, req.compat.Rulings); err != nil {
		return nil, nil, err
	}
	admission, err := s.entitled(ctx, req, p)
	return p, admission, err
}

// entitled refuses a buyer without a subscription, unless the workload was let
// in while it had one, or the caller is the product's own seller. The
// admission it returns is to be written with the call; nil is none.
func (s *Service) entitled(ctx context.Context, req *request, p *metering.Product) (*store.Admission, error) {
	if p.Previewed(req.caller) {
		return nil, nil
	}
	a := store.Admission{Account: req.caller.Account, Workload: req.caller.Resource(), Product: p.Code}
	agreements := s.Store.Catalog().Agreements(p.Code, req.caller.Account)
	if metering.SubscriptionAt(agreements, req.now, req.compat.Rulings).Open && !s.suspended(req.caller.Account) {
		return &a, nil
	}
	admitted, err := s.Store.Admitted(ctx, a)
	if err != nil {
		return nil, err
	}
	if !admitted {
		return nil, fmt.Errorf("%w: account %s has no active subscription to product %s", metering.ErrCustomerNotEntitled, req.caller.Account, p.Code)
	}
	return nil, nil
}

// alive is the sign of life that a call of a workload which opted into heartbeats
// gives: any accepted signed call is one, for all its registrations. It is
// to be written with the call; nil is none.
func (req *request) alive() *store.RegistrationChange {
	w := req.caller.Workload
	if w == nil || w.Heartbeat == 0 {
		return nil
	}
	req.beaten = true
	return &store.RegistrationChange{Seen: &store.Alive{Account: req.caller.Account, Workload: w.ID}}
}
