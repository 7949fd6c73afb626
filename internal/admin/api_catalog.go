package admin

import (
	"bytes"
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const catalogPath = Prefix + "/catalog"

// Of a catalogue that is sent. 100,000 agreements and their buyers are 30 MB.
const (
	maxCatalog     = 256 << 20
	catalogTimeout = 10 * time.Minute
)

const yamlType = "application/yaml"

func (s *Service) serveCatalog(api huma.API) {
	get := operation(api, onlookers, "get-catalog", http.MethodGet, "/catalog", "Export the catalogue as a file that applies to the same state; secrets are not in it")
	get.Responses = map[string]*huma.Response{"200": {Description: "The catalogue.", Content: map[string]*huma.MediaType{yamlType: {Schema: &huma.Schema{Type: "string"}}}}}
	huma.Register(api, get, func(ctx context.Context, _ *struct{}) (*file, error) {
		var b bytes.Buffer
		if err := s.Export().WriteYAML(&b); err != nil {
			return nil, s.refusal(ctx, err)
		}
		return &file{yamlType, b.Bytes()}, nil
	})
	post := operation(api, operators, "apply-catalog", http.MethodPost, "/catalog", "Apply a catalogue file: all of it, or nothing")
	post.Description += " A client that accepts " + linesType + " is sent a line of progress now and then, and the plan, or a problem, as the last."
	post.MaxBodyBytes, post.BodyReadTimeout = maxCatalog, catalogTimeout
	post.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{yamlType: {Schema: &huma.Schema{Type: "string"}}}}
	post.Responses = map[string]*huma.Response{"200": {Description: "What changes.", Content: map[string]*huma.MediaType{
		"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Plan](), true, "Plan")},
		linesType:          {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Step](), true, "Step")},
	}}}
	huma.Register(api, post, func(ctx context.Context, in *struct {
		DryRun   bool   `query:"dry_run" doc:"Say what would change, and change nothing."`
		Prune    bool   `query:"prune" doc:"Remove what is there and not in the file."`
		Revision int64  `query:"revision" default:"-1" minimum:"-1" doc:"Only if the catalogue is at this revision, as a dry run told it; -1 is any."`
		Accept   string `header:"Accept" hidden:"true"`
		RawBody  []byte `contentType:"application/yaml"`
	},
	) (*huma.StreamResponse, error) {
		return s.stream(ctx, in.Accept == linesType, func(ctx context.Context, progress func(done, total int64)) (Step, error) {
			c, err := ParseCatalog(in.RawBody)
			if err != nil {
				return Step{}, err
			}
			how := Applying{DryRun: in.DryRun, Prune: in.Prune, Progress: func(done, total int) { progress(int64(done), int64(total)) }}
			if in.Revision >= 0 {
				how.Base = &in.Revision
			}
			plan, err := s.Apply(ctx, c, how)
			return Step{Plan: plan}, err
		}, func(s Step) any { return s.Plan }), nil
	})
}
