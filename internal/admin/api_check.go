package admin

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

func (s *Service) serveCheck(api huma.API) {
	get := operation(api, onlookers, "check", http.MethodGet, "/check", "Prove that the books balance: go through every record")
	get.Description += " A client that accepts " + linesType + " is sent a line of progress now and then, and the audit, or a problem, as the last."
	get.Responses = map[string]*huma.Response{"200": {Description: "What was found.", Content: map[string]*huma.MediaType{
		"application/json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Audit](), true, "Audit")},
		linesType:          {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Step](), true, "Step")},
	}}}
	huma.Register(api, get, func(ctx context.Context, in *struct {
		Accept string `header:"Accept" hidden:"true"`
	},
	) (*huma.StreamResponse, error) {
		return s.stream(ctx, in.Accept == linesType, func(ctx context.Context, progress func(done, total int64)) (Step, error) {
			audit, err := s.Check(ctx, func(records int64) { progress(records, 0) })
			return Step{Audit: audit}, err
		}, func(s Step) any { return s.Audit }), nil
	})
}

// begun knows whether anything was written: after that, an answer's status can no
// longer tell of an error.
type begun struct {
	io.Writer
	yes bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	return b.Writer.Write(p)
}

// backupType is what a backup is sent as.
const backupType = "application/x-tar"

func (s *Service) serveBackup(api huma.API) {
	get := operation(api, operators, "backup", http.MethodGet, "/backup", "Back the store up as it is at this moment")
	get.Description += " The archive ends with a list of its files: one that does not was cut off."
	get.Responses = map[string]*huma.Response{"200": {Description: "The archive.", Content: map[string]*huma.MediaType{backupType: {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}}
	huma.Register(api, get, func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(h huma.Context) {
			_, w := humago.Unwrap(h)
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
			w.Header().Set("Content-Type", backupType)
			begun := &begun{Writer: w}
			err := s.noteBackup(ctx)
			if err == nil {
				err = s.Backup(ctx, begun)
			}
			if err != nil {
				if !begun.yes {
					refused, _ := s.refusal(ctx, err).(*huma.ErrorModel)
					problem(w, refused.Status, refused.Detail)
					return
				}
				s.Log.ErrorContext(ctx, "backup failed", "error", err)
				panic(http.ErrAbortHandler) // cut off, for the client to see
			}
		}}, nil
	})
}
