package awsapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// anyOperation stands for all of them where calls are counted that nobody has
// proved to have signed: operation and region are then a stranger's choice, too.
const anyOperation = metering.Operation("")

// keptLimits let one refusal a second be kept of those that come in floods:
// throttled calls, of each account, region and operation; and calls whose
// signature fails, of each account, so that who knows no more than a key's id can
// cause one small write a second.
func keptLimits() caller.Limits {
	limits := caller.Limits{anyOperation: 1}
	for _, op := range targets {
		limits[op] = 1
	}
	return limits
}

// keep remembers a call that is refused, so that its seller can see why: before
// the answer is sent if the caller is known. What went wrong on our side is no
// refusal, unless it was asked for.
func (s *Service) keep(ctx context.Context, req *request, f awsjson.Fault, err error) {
	var unsigned *sigv4.Error
	var injected *injectedError
	calls := int64(0) // of a flood
	refusal := store.Refusal{
		ID: req.uid, Time: req.now, RequestID: req.id, Operation: req.op, // there is one for a call: it has the call's id
		Reason: f.Name, Detail: caller.Text(loggable(err, f.Message)),
	}
	switch {
	case errors.As(err, &unsigned):
		req.claimed = &refusal
		return
	case req.caller.Account == "", errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrUnknown):
		return // nobody knows whose it is, or nothing can be written at present
	case f.Status >= http.StatusInternalServerError && !errors.As(err, &injected):
		s.write(ctx, req, s.refusedEvent(req, f.Name, f.Message))
		return
	case errors.Is(err, errThrottled):
		if calls = s.flooded(req, f.Name, s.kept); calls == 0 {
			return
		}
	case errors.Is(err, new(caller.Denied)):
		if calls = s.flooded(req, f.Name, s.denied); calls == 0 {
			return
		}
	}
	refusal.Account, refusal.KeyID, refusal.Region = req.caller.Account, req.caller.KeyID, caller.Text(req.region)
	refusal.Seller, refusal.Product = req.caller.Account, req.product
	// Sellers meter in batches: one who names another's product needs to see it
	// himself. Buyers meter others' products.
	if p := s.Store.Catalog().Product(req.product); p != nil && (req.op == metering.MeterUsage || req.op == metering.RegisterUsage) {
		refusal.Seller = p.Seller
	}
	ev := s.refusedEvent(req, f.Name, refusal.Detail)
	if calls > 1 {
		ev.Calls = calls
	}
	s.write(ctx, req, ev, refusal)
}

// flooded counts a refusal of a kind that comes in floods. It returns how many the
// one at hand stands for; 0: it is not to be written down.
func (s *Service) flooded(req *request, name string, limits *caller.Throttle) int64 {
	of := caller.FloodOf{Account: req.caller.Account, Region: s.Regions.Counted(req.region), Operation: req.op, Name: name}
	return s.floods.Add(of, limits.Allow(of.Account, of.Region, of.Operation))
}

// keepClaimed remembers a call whose signature fails although its key is one of
// ours: whoever sets up a client needs to see it. The answer is on its way by
// then, so that how long it takes does not tell a disabled key from an unknown
// one. Strangers, who name no key of ours, write nothing.
func (s *Service) keepClaimed(w http.ResponseWriter, r *http.Request, req *request) {
	refusal := req.claimed
	who, region, known := s.Callers.Claimed(r.Header)
	if !known || !s.kept.Allow(who.Account, "", anyOperation) {
		return
	}
	_ = http.NewResponseController(w).Flush() // a writer that cannot sends it when this is done
	refusal.Account, refusal.KeyID, refusal.Region = who.Account, who.KeyID, caller.Text(region)
	refusal.Seller, refusal.Detail = who.Account, "unverified: "+refusal.Detail
	s.write(r.Context(), req, nil, *refusal)
}

// write commits what a refused call leaves. That its client has hung up does not
// lose it; that it cannot be written does not change the answer.
func (s *Service) write(ctx context.Context, req *request, ev *store.Event, refusals ...store.Refusal) {
	account := req.caller.Account
	if len(refusals) > 0 {
		account = refusals[0].Account
	}
	_, err := s.Store.Append(context.WithoutCancel(ctx), store.Call{
		Account: account, Region: caller.Text(req.region), At: req.now,
		After: func(store.Outcome) (store.Rest, error) { return store.Rest{Event: ev, Refusals: refusals}, nil },
	})
	if err != nil {
		s.Log.ErrorContext(ctx, "refused call not kept", "request_id", req.id, "error", err)
	}
}
