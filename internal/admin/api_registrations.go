package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Registration is a registered workload as the API shows it, at the clock's now.
type Registration struct {
	ID             string     `json:"id"`
	Product        string     `json:"product"`
	Account        string     `json:"account" doc:"The buyer."`
	Workload       string     `json:"workload"`
	Platform       string     `json:"platform"`
	Region         string     `json:"region"`
	State          string     `json:"state" enum:"running,stopped"`
	Started        time.Time  `json:"started"`
	LastSeen       time.Time  `json:"last_seen"`
	Stopped        *time.Time `json:"stopped,omitempty"`
	MeteredSeconds int64      `json:"metered_seconds" doc:"By now; a minute at least."`
}

func (s *Service) registrationOf(r *metering.Registration) Registration {
	now := s.Clock.Now()
	out := Registration{
		ID: r.ID.String(), Product: string(r.Product), Account: string(r.Account), Workload: r.Workload,
		Platform: string(r.Platform), Region: r.Region, State: "running", Started: r.Started, LastSeen: r.LastSeen,
		MeteredSeconds: int64(r.Metered(now) / time.Second),
	}
	if stopped, ok := r.StoppedAt(now); ok {
		out.State, out.Stopped = "stopped", &stopped
	}
	return out
}

func (s *Service) serveRegistrations(api huma.API) {
	type registrations struct {
		Registrations []Registration `json:"registrations"`
		Next          string         `json:"next" doc:"The cursor of the rest; empty when there is none."`
	}
	huma.Register(api, huma.Operation{
		OperationID: "list-registrations", Method: http.MethodGet, Path: Prefix + "/registrations", Summary: "List a product's registered workloads",
	}, func(ctx context.Context, in *struct {
		Product string `query:"product" required:"true" doc:"The product's code."`
		Page
	},
	) (*body[registrations], error) {
		if s.Store.Catalog().Product(metering.ProductCode(in.Product)) == nil {
			return nil, huma.Error404NotFound("product \"" + in.Product + "\": not found")
		}
		page, err := s.Store.Registrations(ctx, store.RegistrationQuery{Product: metering.ProductCode(in.Product), Limit: in.Limit, Cursor: in.Cursor})
		if err != nil {
			return nil, s.refusal(ctx, err)
		}
		out := registrations{Registrations: make([]Registration, len(page.Items)), Next: page.Next}
		for i := range page.Items {
			out.Registrations[i] = s.registrationOf(&page.Items[i])
		}
		return &body[registrations]{out}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "stop-registration", Method: http.MethodPost, Path: Prefix + "/registrations/{id}/stop", Summary: "Stop metering a registered workload now",
	}, func(ctx context.Context, in *struct {
		ID string `path:"id"`
	},
	) (*body[Registration], error) {
		id, ok := metering.ParseID(in.ID)
		if !ok {
			return nil, huma.Error404NotFound("registration " + in.ID + " is not an id")
		}
		r, err := s.StopRegistration(ctx, id)
		if err != nil {
			return nil, s.refusal(ctx, err)
		}
		return &body[Registration]{s.registrationOf(&r)}, nil
	})
}
