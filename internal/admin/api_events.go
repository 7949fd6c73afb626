package admin

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/metering"
)

// Events is a page of events.
type Events struct {
	Events []json.RawMessage `json:"events" nullable:"false" doc:"As AWS CloudTrail's records, of which the CloudTrail user guide has the members."`
	Next   string            `json:"next" doc:"The cursor of the rest; empty when there is none. A page of one key's events may be empty and yet have a next."`
}

func (s *Service) serveEvents(api huma.API) {
	huma.Register(api, operation(api, everyone, "list-events", http.MethodGet, "/events", "List the calls that were made, refused ones among them: newest first, of one account after the other"),
		func(ctx context.Context, in *struct {
			Account metering.AccountID `query:"account" doc:"The account that called, 000000000000 for what an operator did to all of them; without it, every account's."`
			Event   metering.Operation `query:"event" doc:"The operation's name, such as BatchMeterUsage; without it, every one." maxLength:"128" pattern:"^[A-Za-z0-9:]*$"`
			Key     string             `query:"key" doc:"The access key's id; without it, every one." maxLength:"128"`
			Span
			Page
		},
		) (*body[Events], error) {
			page, err := s.Events(ctx, EventFilter{in.Account, in.Event, in.Key, in.From, in.To}, in.Limit, in.Cursor)
			if err != nil {
				return nil, s.refusal(ctx, err)
			}
			out := Events{Events: make([]json.RawMessage, len(page.Items)), Next: page.Next}
			for i := range page.Items {
				out.Events[i] = audit.AppendCloudTrail(nil, &page.Items[i])
			}
			return &body[Events]{out}, nil
		})
}
