package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/meterd/meterd/internal/store"
)

// Prefix is where the API stands.
const Prefix = "/admin/v1"

// Handler serves the service's methods as JSON under Prefix. Errors are RFC 9457
// problems.
func (s *Service) Handler() http.Handler {
	config := huma.DefaultConfig("meterd admin API", "1")
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // no $schema members, no Link headers
	config.RejectUnknownQueryParameters = true
	mux := http.NewServeMux()
	api := humago.New(mux, config)
	if s.ClockMoves {
		s.serveClock(api)
	}
	s.serveFaults(api)
	s.serveRecords(api)
	s.serveRefusals(api)
	s.serveKeys(api)
	s.serveTokens(api)
	s.serveRegistrations(api)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusNotFound, "there is no such resource under "+Prefix)
	})
	return s.guard(mux)
}

// guard lets in who bears the token. Hashes are compared, so that the time it
// takes tells nothing, not even a length.
func (s *Service) guard(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(string(s.Token)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(token))
		if !ok || s.Token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="meterd"`)
			problem(w, http.StatusUnauthorized, "send the admin token (METERD_ADMIN_TOKEN) as a bearer token")
			return
		}
		defer func() {
			if cause := recover(); cause != nil && cause != http.ErrAbortHandler {
				s.Log.Error("admin call panicked", "path", r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
				problem(w, http.StatusInternalServerError, "internal error")
			}
		}()
		r.Header.Set("Content-Type", "application/json") // there is no other kind of body, whatever curl -d says
		next.ServeHTTP(w, r)
	})
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail})
}

// refusal gives an error its status. What is not the caller's to mend is for the
// log alone.
func (s *Service) refusal(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, store.ErrCursor):
		return huma.Error400BadRequest("the cursor was not given by this query")
	}
	s.Log.ErrorContext(ctx, "admin call failed", "error", err)
	return huma.Error500InternalServerError("internal error")
}

// body is an answer of one JSON object.
type body[T any] struct{ Body T }
