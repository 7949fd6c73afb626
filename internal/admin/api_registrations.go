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

// Registrations is a page of registered workloads.
type Registrations struct {
	Registrations []Registration `json:"registrations"`
	Next          string         `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

// Registrations lists registered workloads, oldest first, of one product after
// the other; an empty product is every one that the bearer may see, and an empty
// workload is any. A page can have less than there is room for: of one workload
// there are few, and others are passed over.
func (s *Service) Registrations(ctx context.Context, product metering.ProductCode, workload string, limit int, cursor string) (Registrations, error) {
	queries, err := s.recordQueries(ctx, RecordFilter{Product: product})
	if err != nil {
		return Registrations{}, err
	}
	page, err := across(queries, limit, cursor, func(q store.RecordQuery, limit int, cursor string) (store.Page[metering.Registration], error) {
		return s.Store.Registrations(ctx, store.RegistrationQuery{Product: q.Product, Limit: limit, Cursor: cursor})
	})
	out := Registrations{Registrations: make([]Registration, 0, len(page.Items)), Next: page.Next}
	for i := range page.Items {
		if workload == "" || page.Items[i].Workload == workload {
			out.Registrations = append(out.Registrations, s.registrationOf(&page.Items[i]))
		}
	}
	return out, err
}

func (s *Service) serveRegistrations(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-registrations", http.MethodGet, "/registrations", "List registered workloads, of one product after the other"),
		func(ctx context.Context, in *struct {
			Product  metering.ProductCode `query:"product" doc:"The product's code; without it, every product's."`
			Workload string               `query:"workload" doc:"Of one workload. A page can then have few, and there still be more."`
			Page
		},
		) (*body[Registrations], error) {
			out, err := s.Registrations(ctx, in.Product, in.Workload, in.Limit, in.Cursor)
			return answer(s, ctx, out, err)
		})
	huma.Register(api, operation(api, operators, "stop-registration", http.MethodPost, "/registrations/{id}/stop", "Stop metering a registered workload now"),
		func(ctx context.Context, in *struct {
			ID string `path:"id" doc:"The registration's id."`
		},
		) (*body[Registration], error) {
			id, ok := metering.ParseID(in.ID)
			if !ok {
				return nil, huma.Error404NotFound("registration " + in.ID + " is not an id")
			}
			r, err := s.StopRegistration(ctx, id)
			return answer(s, ctx, s.registrationOf(&r), err)
		})
}
