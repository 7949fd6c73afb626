package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
)

// Record is a record as the API shows it.
type Record struct {
	ID          string       `json:"id" doc:"The MeteringRecordId."`
	Product     string       `json:"product"`
	Account     string       `json:"account" doc:"The account that reported it."`
	Party       string       `json:"party" doc:"The buyer's account, and after a slash the license or the workload, where the record is told by it; of AgentCore records, the id."`
	Region      string       `json:"region"`
	Dimension   string       `json:"dimension"`
	Hour        time.Time    `json:"hour" doc:"The UTC hour it counts for."`
	Timestamp   time.Time    `json:"timestamp" doc:"As it was reported."`
	Quantity    int32        `json:"quantity"`
	Allocations []Allocation `json:"allocations"`
}

// Allocation is a part of a record's quantity.
type Allocation struct {
	Quantity int32 `json:"quantity"`
	Tags     []Tag `json:"tags"`
}

// Tag is a key and a value.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// recordOf is a record as the API shows it. Lists are never null.
func recordOf(r *metering.Record) Record {
	out := Record{
		ID: r.ID.String(), Product: string(r.Key.Product), Account: string(r.Key.Account), Party: r.Key.Party,
		Region: r.Key.Region, Dimension: r.Key.Dimension, Hour: r.Key.Hour.Time(), Timestamp: r.Timestamp.UTC(),
		Quantity: r.Quantity, Allocations: make([]Allocation, len(r.Allocations)),
	}
	for i, a := range r.Allocations {
		out.Allocations[i] = Allocation{a.Quantity, make([]Tag, len(a.Tags))}
		for j, t := range a.Tags {
			out.Allocations[i].Tags[j] = Tag(t)
		}
	}
	return out
}

// Records is a page of records.
type Records struct {
	Records []Record `json:"records"`
	Next    string   `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// Hours are the hours that a list is of.
type Hours struct {
	From time.Time `query:"from" doc:"The first hour."`
	To   time.Time `query:"to" doc:"The hour after the last."`
}

func (s *Service) serveRecords(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-records", http.MethodGet, "/records", "List accepted records: hours ascending, of one product after the other"),
		func(ctx context.Context, in *struct {
			Product metering.ProductCode `query:"product" doc:"The product's code; without it, every product's."`
			Buyer   metering.AccountID   `query:"buyer" doc:"Whose usage it is; without it, everybody's."`
			Hours
			Page
		},
		) (*body[Records], error) {
			page, err := s.Records(ctx, RecordFilter{in.Product, in.Buyer, in.From, in.To}, in.Limit, in.Cursor)
			if err != nil {
				return nil, s.refusal(ctx, err)
			}
			out := Records{Records: make([]Record, len(page.Items)), Next: page.Next}
			for i := range page.Items {
				out.Records[i] = recordOf(&page.Items[i])
			}
			return &body[Records]{out}, nil
		})
}
