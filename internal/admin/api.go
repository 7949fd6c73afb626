package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/meterd/meterd/internal/store"
)

// Prefix is where the API stands.
const Prefix = "/admin/v1"

// openAPIPath is where it describes itself. Nobody needs a token to read that.
const openAPIPath = Prefix + "/openapi.json"

// Handler serves the service's methods as JSON under Prefix. Errors are RFC 9457
// problems.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	api := s.register(mux)
	description, err := OpenAPI(api.OpenAPI())
	if err != nil {
		panic(err) // it is made of this program's own types
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, http.StatusNotFound, "there is no such resource under "+Prefix+": "+openAPIPath+" lists them")
	})
	return s.guard(mux, description)
}

// OpenAPI is the API's description, OpenAPI 3.1, as it is served and committed.
func OpenAPI(description *huma.OpenAPI) ([]byte, error) {
	b, err := json.MarshalIndent(description, "", "  ")
	return append(b, '\n'), err
}

// register serves every resource on the mux.
func (s *Service) register(mux *http.ServeMux) huma.API {
	config := huma.DefaultConfig("meterd admin API", "1")
	config.Info.Description = "What an operator of meterd can do, and a seller of it. Bearer tokens open it; problems are RFC 9457's."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // no $schema members, no Link headers
	config.RejectUnknownQueryParameters = true
	config.Transformers = append(config.Transformers, withoutValues)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer"}}
	config.Security = []map[string][]string{{"bearer": {}}}
	api := humago.New(mux, config)
	if s.ClockMoves {
		s.serveClock(api)
	}
	if s.SetFault != nil {
		s.serveFaults(api)
	}
	s.serveSellers(api)
	s.serveBuyers(api)
	s.serveProducts(api)
	s.serveDimensions(api)
	s.serveAgreements(api)
	s.serveWorkloads(api)
	if s.Issuing != nil {
		s.serveSessions(api)
	}
	s.servePolicies(api)
	s.serveRoles(api)
	s.serveCredentials(api)
	s.serveTokens(api)
	s.serveKeys(api)
	s.serveRegistrations(api)
	s.serveRecords(api)
	s.serveRefusals(api)
	s.serveEvents(api)
	s.serveUsage(api)
	s.serveAccesses(api)
	s.serveHistory(api)
	s.serveCompat(api)
	s.serveQuotas(api)
	s.serveCatalog(api)
	s.serveCheck(api)
	s.serveAudit(api)
	if s.Backup != nil {
		s.serveBackup(api)
	}
	return api
}

// withoutValues says where a request is wrong, and does not repeat what was sent:
// it might be a secret in the wrong place.
func withoutValues(_ huma.Context, _ string, v any) (any, error) {
	if refused, ok := v.(*huma.ErrorModel); ok {
		for _, detail := range refused.Errors {
			detail.Value = nil
		}
	}
	return v, nil
}

// guard lets in who bears a token.
func (s *Service) guard(next http.Handler, description []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == openAPIPath && r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "application/openapi+json")
			_, _ = w.Write(description)
			return
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		bearer, known := s.bearer(token)
		if !ok || !known {
			w.Header().Set("WWW-Authenticate", `Bearer realm="meterd"`)
			problem(w, http.StatusUnauthorized, "send the admin token (METERD_ADMIN_TOKEN), or one that was granted, as a bearer token")
			return
		}
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause) // the server cuts the answer off
			default:
				s.Log.Error("admin call panicked", "path", r.URL.Path, "cause", cause, "stack", string(debug.Stack()))
				problem(w, http.StatusInternalServerError, "internal error")
			}
		}()
		// What is asked for may take a while to find or to remove; the server's own
		// deadline is for strangers. It ends when the work does, or the client leaves.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		if r.URL.Path != catalogPath { // there is no other kind of body, whatever curl -d says
			r.Header.Set("Content-Type", "application/json")
		}
		next.ServeHTTP(w, r.WithContext(withBearer(r.Context(), bearer)))
		if r.Method != http.MethodGet {
			s.Log.InfoContext(r.Context(), "admin call", "bearer", bearer.Name, "method", r.Method, "path", r.URL.Path)
		}
	})
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail})
}

// Who may call an operation.
var (
	everyone  = []store.AccessRole{store.RoleOperator, store.RoleSeller, store.RoleReadOnly}
	onlookers = []store.AccessRole{store.RoleOperator, store.RoleReadOnly}
	operators = []store.AccessRole{store.RoleOperator}
	sellers   = []store.AccessRole{store.RoleOperator, store.RoleSeller}
)

// operation describes an operation for some roles.
func operation(api huma.API, roles []store.AccessRole, id, method, path, summary string) huma.Operation {
	status := http.StatusOK
	if method == http.MethodDelete {
		status = http.StatusNoContent
	}
	noun, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return huma.Operation{
		OperationID: id, Method: method, Path: Prefix + path, Summary: summary, Tags: []string{noun}, DefaultStatus: status,
		Description: "For " + roleNames(roles) + ".",
		Errors:      []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusInternalServerError},
		Middlewares: huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
			if b := bearerOf(ctx.Context()); !slices.Contains(roles, b.Role) {
				_ = huma.WriteErr(api, ctx, http.StatusForbidden, "this is for "+roleNames(roles)+"; "+b.Name+" is "+string(b.Role))
				return
			}
			next(ctx)
		}},
	}
}

func roleNames(roles []store.AccessRole) string {
	names := toStrings(roles)
	return "role " + strings.Join(names, ", ")
}

// refusal gives an error its status. What is not the caller's to mend is for the
// log alone.
func (s *Service) refusal(ctx context.Context, err error) error {
	var state *StateError
	var input *InputError
	var catalog *CatalogError
	switch {
	case errors.Is(err, ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, ErrForbidden):
		return huma.Error403Forbidden(err.Error())
	case errors.Is(err, store.ErrCursor):
		return huma.Error400BadRequest("the cursor was not given by this query")
	case errors.Is(err, store.ErrConflict):
		return huma.Error409Conflict("the catalogue is being changed by others all the time: try again")
	case errors.As(err, &state):
		return huma.Error409Conflict(state.Reason)
	case errors.As(err, &input):
		return huma.Error422UnprocessableEntity(input.Error(), &huma.ErrorDetail{Location: "body." + input.Field, Message: input.Reason})
	case errors.As(err, &catalog):
		return catalogProblem(catalog)
	case errors.Is(err, store.ErrUnavailable):
		s.Log.WarnContext(ctx, "admin call not answered", "error", err)
		return huma.Error503ServiceUnavailable("the store is out of reach at present, and nothing was changed: try again")
	case errors.Is(err, store.ErrUnknown):
		s.Log.ErrorContext(ctx, "admin call of unknown outcome", "error", err)
		return huma.Error500InternalServerError("whether this was done is not known: look, or ask again with the same Idempotency-Key")
	case ctx.Err() != nil:
		return huma.Error503ServiceUnavailable("the request was given up")
	}
	s.Log.ErrorContext(ctx, "admin call failed", "error", err)
	return huma.Error500InternalServerError("internal error")
}

// catalogProblem says everything that is wrong, and where.
func catalogProblem(err *CatalogError) error {
	details := make([]error, len(err.Problems))
	for i, p := range err.Problems {
		details[i] = &huma.ErrorDetail{Location: p.Path, Message: Problem{Line: p.Line, Column: p.Column, Message: p.Message}.String()}
	}
	return huma.Error422UnprocessableEntity("this cannot be applied, and nothing was changed", details...)
}

// one is the problem of a single entry that was put: its list and place in it
// are the API's affair.
func one(err error) error {
	var catalog *CatalogError
	if !errors.As(err, &catalog) {
		return err
	}
	out := &CatalogError{}
	for _, p := range catalog.Problems {
		if i := strings.Index(p.Path, "[0]"); i >= 0 {
			p.Path = "body" + p.Path[i+len("[0]"):]
		}
		out.Problems = append(out.Problems, p)
	}
	return out
}

// body is an answer of one JSON object.
type body[T any] struct{ Body T }

// made is the answer to a request that may have made something.
type made[T any] struct {
	Status int
	Body   T
}

func madeOf[T any](again bool, out T) *made[T] {
	status := http.StatusCreated
	if again {
		status = http.StatusOK
	}
	return &made[T]{status, out}
}

// Idempotency is the header that makes a POST safe to repeat.
type Idempotency struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"Repeated with the same key, the request makes nothing again; secrets are then not shown."`
}

// Page is how far a list may go at once, and where it goes on.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"1000" doc:"How many at the most."`
	Cursor string `query:"cursor" doc:"The next of the page before."`
}

// Span is a time that a list is of.
type Span struct {
	From time.Time `query:"from" doc:"From this time on."`
	To   time.Time `query:"to" doc:"Before this time."`
}

// answer shows what a method returned, or refuses.
func answer[T any](s *Service, ctx context.Context, out T, err error) (*body[T], error) {
	if err != nil {
		return nil, s.refusal(ctx, one(err))
	}
	return &body[T]{out}, nil
}

// done is the answer without a body.
func (s *Service) done(ctx context.Context, err error) (*struct{}, error) {
	if err != nil {
		return nil, s.refusal(ctx, one(err))
	}
	return nil, nil
}
