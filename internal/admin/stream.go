package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/meterd/meterd/internal/audit"
)

// Step is a line of the answer to what takes long, for a client that asks for
// lines: how far it has come, or, last, what has come of it. One field is set.
type Step struct {
	Progress     *Progress        `json:"progress,omitempty"`
	Plan         *Plan            `json:"plan,omitempty"`
	Audit        *Audit           `json:"audit,omitempty"`
	Verification *audit.Report    `json:"verification,omitempty"`
	Problem      *huma.ErrorModel `json:"problem,omitempty"`
}

// Progress is how far something has come.
type Progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total,omitempty"`
}

// linesType is asked for by clients that want to hear of the progress.
const linesType = "application/x-ndjson"

// stream answers something that takes long: with lines, or with one object that
// whole makes of the last step.
func (s *Service) stream(ctx context.Context, lines bool, work func(ctx context.Context, progress func(done, total int64)) (Step, error), whole func(Step) any) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(h huma.Context) {
		_, w := humago.Unwrap(h)
		deadline := http.NewResponseController(w)
		_ = deadline.SetWriteDeadline(time.Time{}) // it ends when the work does, or the client leaves
		send := func(status int, contentType string, v any) {
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
				w.WriteHeader(status)
			}
			_ = json.NewEncoder(w).Encode(v)
			_ = deadline.Flush()
		}
		progress := func(int64, int64) {}
		if lines {
			w.Header().Set("Content-Type", linesType)
			progress = func(done, total int64) { send(0, "", Step{Progress: &Progress{done, total}}) }
		}
		last, err := work(ctx, progress)
		var refused *huma.ErrorModel
		if err != nil {
			refused, _ = s.refusal(ctx, err).(*huma.ErrorModel)
		}
		switch {
		case lines && err != nil:
			send(0, "", Step{Problem: refused})
		case lines:
			send(0, "", last)
		case err != nil:
			send(refused.Status, "application/problem+json", refused)
		default:
			send(http.StatusOK, "application/json", whole(last))
		}
	}}
}
