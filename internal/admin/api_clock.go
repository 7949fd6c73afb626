package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// clockState is the clock on the wire.
type clockState struct {
	Now     time.Time `json:"now" doc:"What the service's clock shows."`
	Running bool      `json:"running" doc:"Whether it runs; a clock that was set stands."`
}

func (s *Service) clockState() *body[clockState] {
	now, running := s.Clock.State()
	return &body[clockState]{clockState{now, running}}
}

func (s *Service) serveClock(api huma.API) {
	huma.Register(api, operation(api, everyone, "get-clock", http.MethodGet, "/clock", "Show the service's clock"), func(context.Context, *struct{}) (*body[clockState], error) {
		return s.clockState(), nil
	})
	huma.Register(api, operation(api, operators, "put-clock", http.MethodPut, "/clock", "Set, move, stop or run the service's clock"), func(_ context.Context, in *struct {
		Body struct {
			Now     *time.Time `json:"now,omitempty" doc:"Set the clock to this instant and stop it there." example:"2026-09-15T10:30:00Z"`
			Advance string     `json:"advance,omitempty" doc:"Move the clock, back if negative; it runs or stands as before." example:"1h"`
			Running *bool      `json:"running,omitempty" doc:"Let the clock go on from where it stands, or stop it."`
		}
	},
	) (*body[clockState], error) {
		asked := 0
		for _, given := range []bool{in.Body.Now != nil, in.Body.Advance != "", in.Body.Running != nil} {
			if given {
				asked++
			}
		}
		if asked != 1 {
			return nil, huma.Error422UnprocessableEntity("exactly one of now, advance and running must be given")
		}
		var err error
		switch {
		case in.Body.Now != nil:
			err = s.SetClock(*in.Body.Now)
		case in.Body.Advance != "":
			d, bad := time.ParseDuration(in.Body.Advance)
			if bad != nil {
				return nil, huma.Error422UnprocessableEntity("advance must be a duration such as 1h, 90m or -24h", bad)
			}
			err = s.AdvanceClock(d)
		case *in.Body.Running:
			s.Clock.Run()
		default:
			s.Clock.Stop()
		}
		if err != nil {
			return nil, huma.Error422UnprocessableEntity(err.Error())
		}
		return s.clockState(), nil
	})
}

func (s *Service) serveFaults(api huma.API) {
	type faults struct {
		Faults []Fault `json:"faults"`
	}
	huma.Register(api, operation(api, onlookers, "get-faults", http.MethodGet, "/faults", "List the faults that are still to come"), func(context.Context, *struct{}) (*body[faults], error) {
		return &body[faults]{faults{s.Faults()}}, nil
	})
	huma.Register(api, operation(api, operators, "put-fault", http.MethodPut, "/faults", "Make the next calls of an operation fail"), func(_ context.Context, in *struct{ Body Fault }) (*body[faults], error) {
		if err := s.SetFault(in.Body); err != nil {
			return nil, huma.Error422UnprocessableEntity(err.Error())
		}
		return &body[faults]{faults{s.Faults()}}, nil
	})
}
