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

// Page is how far a list may go at once, and where it goes on.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"1000" doc:"How many at the most."`
	Cursor string `query:"cursor" doc:"The next of the page before."`
}

// Records is a page of records.
type Records struct {
	Records []Record `json:"records"`
	Next    string   `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

func (s *Service) serveRecords(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-records", Method: http.MethodGet, Path: Prefix + "/records", Summary: "List accepted records: hours ascending, and one product after the other",
	}, func(ctx context.Context, in *struct {
		Product string    `query:"product" doc:"The product's code; without it, every product's."`
		From    time.Time `query:"from" doc:"The first hour."`
		To      time.Time `query:"to" doc:"The hour after the last."`
		Page
	},
	) (*body[Records], error) {
		page, err := s.Records(ctx, metering.ProductCode(in.Product), in.From, in.To, in.Limit, in.Cursor)
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
