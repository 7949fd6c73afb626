package promise

import (
	"context"
	"errors"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Appender is what calls are sent to.
type Appender interface {
	Append(ctx context.Context, c store.Call) (store.Outcome, error)
}

// Append sends a call to a store, with an event, and notes the attempt with what
// came back. Its
// records are judged as the wire judges them. An error that does not wrap
// [store.ErrUnknown] is a definite refusal, as the store's contract has it.
func (h *History) Append(ctx context.Context, s Appender, c store.Call) (store.Outcome, error) {
	claims := make([]Claim, len(c.Records))
	for i := range c.Records {
		claims[i] = ClaimOf(&c.Records[i])
	}
	var a *Attempt
	if c.Token != nil {
		a = h.SendToken(c.Account, c.Region, c.Token.Value, claims...)
	} else {
		a = h.Send(c.Account, claims...)
	}
	out, err := s.Append(ctx, a.traced(c))
	a.Settle(c, out, err)
	return out, err
}

// Settle notes what a store answered to a call that was sent.
func (a *Attempt) Settle(c store.Call, out store.Outcome, err error) {
	switch {
	case errors.Is(err, store.ErrUnknown):
		return
	case err != nil:
		a.Refuse()
		return
	case out.Answer != nil: // the token came before; the records were not looked at
		told := make([]Told, len(c.Records))
		for i := range told {
			told[i] = Told{Record: i, Verdict: Refused}
		}
		a.Answer(told...)
		a.repeats(*out.Answer)
		return
	}
	told := make([]Told, len(out.Holders))
	for i := range out.Holders {
		holder := out.Holders[i]
		told[i] = Told{Record: i, Verdict: Duplicate, Holder: holder}
		if i < len(c.Records) && metering.StatusOf(&c.Records[i], holder, metering.Rulings{}) == metering.Success {
			told[i].Verdict, told[i].ID = Accepted, holder.ID
		}
	}
	a.Answer(told...)
}
