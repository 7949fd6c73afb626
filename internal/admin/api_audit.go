package admin

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/store"
)

// Digests is a page of digests of the trail.
type Digests struct {
	Digests []audit.DigestFile `json:"digests"`
	Next    string             `json:"next" doc:"The cursor of the rest; empty when there is none."`
}

func (s *Service) serveAudit(api huma.API) {
	huma.Register(api, operation(api, onlookers, "list-digests", http.MethodGet, "/audit/digests", "List the digests of the trail, oldest first: kept elsewhere, they prove later that it was not made anew"),
		func(ctx context.Context, in *struct {
			After int64 `query:"after" minimum:"0" doc:"After the digest of this number."`
			Page
		},
		) (*body[Digests], error) {
			page, err := s.Store.Digests(ctx, store.DigestQuery{After: in.After, Limit: in.Limit, Cursor: in.Cursor})
			out := Digests{Digests: make([]audit.DigestFile, len(page.Items)), Next: page.Next}
			for i := range page.Items {
				out.Digests[i] = audit.NewDigestFile(&page.Items[i])
			}
			return answer(s, ctx, out, err)
		})
	get := operation(api, onlookers, "verify-trail", http.MethodGet, "/audit/verification", "Prove that the trail of events is whole, and agrees with the records")
	get.Description += " A client that accepts " + linesType + " is sent a line of progress now and then, and what was found, or a problem, as the last."
	get.Responses = map[string]*huma.Response{"200": {Description: "What was found.", Content: map[string]*huma.MediaType{
		"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[audit.Report](), true, "Verification")},
		linesType:          {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Step](), true, "Step")},
	}}}
	huma.Register(api, get, func(ctx context.Context, in *struct {
		Accept string `header:"Accept" hidden:"true"`
	},
	) (*huma.StreamResponse, error) {
		return s.stream(ctx, in.Accept == linesType, func(ctx context.Context, progress func(done, total int64)) (Step, error) {
			report, err := audit.Verify(ctx, s.Store, func(read int64) { progress(read, 0) })
			return Step{Verification: report}, err
		}, func(s Step) any { return s.Verification }), nil
	})
}
