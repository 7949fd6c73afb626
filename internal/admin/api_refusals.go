package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Refusal is a record that was answered 200 but not counted, as the API shows
// it.
type Refusal struct {
	Time         time.Time `json:"time" doc:"When it was refused, by the service's clock."`
	Reason       string    `json:"reason" enum:"DuplicateRecord,CustomerNotSubscribed"`
	Seller       string    `json:"seller"`
	Product      string    `json:"product"`
	Party        string    `json:"party" doc:"As in records."`
	Region       string    `json:"region"`
	Dimension    string    `json:"dimension"`
	Hour         time.Time `json:"hour"`
	Timestamp    time.Time `json:"timestamp"`
	Quantity     int32     `json:"quantity" doc:"What was reported, and is not counted."`
	HeldQuantity *int32    `json:"held_quantity,omitempty" doc:"What is counted in its place, for DuplicateRecord."`
	HeldBy       string    `json:"held_by,omitempty" doc:"The MeteringRecordId that holds its place."`
	RequestID    string    `json:"request_id" doc:"The x-amzn-RequestId of the answer."`
}

// Refusals is a page of refusals.
type Refusals struct {
	Refusals []Refusal `json:"refusals"`
	Next     string    `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

func refusalOf(r *store.Refusal) Refusal {
	out := Refusal{
		Time: r.Time.UTC(), Reason: r.Reason, Seller: string(r.Seller), Product: string(r.Product),
		Region: r.Region, RequestID: r.RequestID,
	}
	if rec := r.Record; rec != nil {
		out.Party, out.Dimension, out.Hour = rec.Key.Party, rec.Key.Dimension, rec.Key.Hour.Time()
		out.Timestamp, out.Quantity = rec.Timestamp.UTC(), rec.Quantity
		if rec.Held != nil {
			out.HeldQuantity, out.HeldBy = &rec.Held.Quantity, rec.Held.ID.String()
		}
	}
	return out
}

func (s *Service) serveRefusals(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-refusals", Method: http.MethodGet, Path: Prefix + "/refusals", Summary: "List what was answered 200 but not counted, oldest first",
	}, func(ctx context.Context, in *struct {
		Seller string    `query:"seller" doc:"The seller's account; without it, every seller's."`
		From   time.Time `query:"from" doc:"Refused from this time on."`
		To     time.Time `query:"to" doc:"Refused before this time."`
		Page
	},
	) (*body[Refusals], error) {
		page, err := s.Refusals(ctx, metering.AccountID(in.Seller), in.From, in.To, in.Limit, in.Cursor)
		if err != nil {
			return nil, s.refusal(ctx, err)
		}
		out := Refusals{Refusals: make([]Refusal, len(page.Items)), Next: page.Next}
		for i := range page.Items {
			out.Refusals[i] = refusalOf(&page.Items[i])
		}
		return &body[Refusals]{out}, nil
	})
}
