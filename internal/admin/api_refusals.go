package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Refusal is a call that was refused, or a record that was answered 200 but not
// counted, as the API shows it.
type Refusal struct {
	Time         time.Time  `json:"time" doc:"When it was refused, by the service's clock."`
	Reason       string     `json:"reason" doc:"The exception's name or, of a record, DuplicateRecord or CustomerNotSubscribed." example:"DuplicateRecord"`
	Detail       string     `json:"detail,omitempty" doc:"What the caller was told, of a call."`
	Operation    string     `json:"operation"`
	Seller       string     `json:"seller" doc:"Whose product it was about; the account that called where none is known."`
	Account      string     `json:"account" doc:"The account that called."`
	AccessKeyID  string     `json:"access_key_id"`
	Product      string     `json:"product,omitempty"`
	Party        string     `json:"party,omitempty" doc:"As in records."`
	Region       string     `json:"region"`
	Dimension    string     `json:"dimension,omitempty"`
	Hour         *time.Time `json:"hour,omitempty"`
	Timestamp    *time.Time `json:"timestamp,omitempty"`
	Quantity     *int32     `json:"quantity,omitempty" doc:"What was reported, and is not counted."`
	HeldQuantity *int32     `json:"held_quantity,omitempty" doc:"What is counted in its place, for DuplicateRecord."`
	HeldBy       string     `json:"held_by,omitempty" doc:"The MeteringRecordId that holds its place."`
	RequestID    string     `json:"request_id" doc:"The x-amzn-RequestId of the answer."`
}

// Refusals is a page of refusals.
type Refusals struct {
	Refusals []Refusal `json:"refusals"`
	Next     string    `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

func refusalOf(r *store.Refusal) Refusal {
	out := Refusal{
		Time: r.Time.UTC(), Reason: r.Reason, Detail: r.Detail, Operation: string(r.Operation), Seller: string(r.Seller),
		Account: string(r.Account), AccessKeyID: r.KeyID, Product: string(r.Product), Region: r.Region, RequestID: r.RequestID,
	}
	rec := r.Record
	if rec == nil {
		return out
	}
	hour, timestamp := rec.Key.Hour.Time(), rec.Timestamp.UTC()
	out.Party, out.Dimension, out.Hour, out.Timestamp, out.Quantity = rec.Key.Party, rec.Key.Dimension, &hour, &timestamp, &rec.Quantity
	if rec.Held != nil {
		out.HeldQuantity, out.HeldBy = &rec.Held.Quantity, rec.Held.ID.String()
	}
	return out
}

func (s *Service) serveRefusals(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-refusals", http.MethodGet, "/refusals", "List calls that were refused and records that were answered 200 but not counted, oldest first"),
		func(ctx context.Context, in *struct {
			Seller metering.AccountID `query:"seller" doc:"The seller's account; without it, every account's."`
			Span
			Page
		},
		) (*body[Refusals], error) {
			page, err := s.Refusals(ctx, RefusalFilter{in.Seller, in.From, in.To}, in.Limit, in.Cursor)
			if err != nil {
				return nil, s.refusal(ctx, err)
			}
			b := bearerOf(ctx)
			out := Refusals{Refusals: make([]Refusal, len(page.Items)), Next: page.Next}
			for i := range page.Items {
				out.Refusals[i] = refusalOf(&page.Items[i])
				if !b.sees(page.Items[i].Account) {
					out.Refusals[i].AccessKeyID = "" // a buyer's keys are not the seller's to know
				}
			}
			return &body[Refusals]{out}, nil
		})
}
