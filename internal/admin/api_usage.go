package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/report"
)

// Sum is what was metered in a dimension, summed up.
type Sum struct {
	Product   string     `json:"product"`
	Dimension string     `json:"dimension"`
	Buyer     string     `json:"buyer,omitempty"`
	Region    string     `json:"region,omitempty"`
	Start     *time.Time `json:"start,omitempty" doc:"The hour, day or month that it is of begins then, UTC."`
	Quantity  int64      `json:"quantity"`
	Records   int64      `json:"records" doc:"How many records make it up."`
}

// Sums is usage summed up.
type Sums struct {
	Sums []Sum `json:"sums"`
}

func (s *Service) serveUsage(api huma.API) {
	huma.Register(api, operation(api, everyone, "sum-usage", http.MethodGet, "/usage", "Sum usage up, by product and dimension and what else is asked for"),
		func(ctx context.Context, in *struct {
			Product metering.ProductCode `query:"product" doc:"The product's code; without it, every product's."`
			Buyer   metering.AccountID   `query:"buyer" doc:"Whose usage it is; without it, everybody's."`
			By      []report.Column      `query:"by" doc:"What else to tell apart: buyer, region, and one of hour, day, month." enum:"buyer,region,hour,day,month"`
			Hours
		},
		) (*body[Sums], error) {
			rows, err := s.Usage(ctx, RecordFilter{in.Product, in.Buyer, in.From, in.To}, in.By)
			if err != nil {
				return nil, s.refusal(ctx, err)
			}
			out := Sums{Sums: make([]Sum, len(rows))}
			for i, r := range rows {
				out.Sums[i] = Sum{string(r.Product), r.Dimension, string(r.Buyer), r.Region, shownTime(r.Start), r.Quantity, r.Records}
			}
			return &body[Sums]{out}, nil
		})
}
