package awsapi

import (
	"context"

	"github.com/meterd/meterd/internal/metering"
)

// Observed is one request as it was answered: what an operator counts and
// traces. There is nothing in it that the caller sent, but what was verified or
// is one of a few known words.
type Observed struct {
	RequestID string
	Operation metering.Operation // "" for a request that named none of ours
	Account   metering.AccountID // "" when the signature was not verified, nor the region
	Region    string
	Outcome   string // Succeeded, or the exception's name without a namespace
	Status    int
	// Records are the statuses of the records that were answered, in no order
	// that matters: BatchMeterUsage's, and Success for a MeterUsage that
	// succeeded and was no dry run. A repeat is answered Success again.
	Records []metering.Status
}

// Succeeded is the outcome of a call that did.
const Succeeded = "Success"

// observe tells whoever wants to know of a request, once, when its answer is
// known and before it is written.
func (s *Service) observe(ctx context.Context, req *request) {
	if s.Observe == nil || req.observed {
		return
	}
	req.observed = true
	o := Observed{
		RequestID: req.id, Operation: req.op, Account: req.caller.Account, Region: req.region,
		Outcome: req.outcome, Status: req.status,
	}
	if o.Outcome == Succeeded {
		o.Records = req.records
	}
	s.Observe(ctx, o)
}
