package identity

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// The operations.
const (
	opAssumeRole                = "AssumeRole"
	opAssumeRoleWithWebIdentity = "AssumeRoleWithWebIdentity"
	opGetCallerIdentity         = "GetCallerIdentity"
)

// Service is the door. Its fields are set before it is first used.
type Service struct {
	Store       store.Store
	Callers     *caller.Authenticator
	WebIdentity *WebIdentity // nil: no issuer is believed
	// Clusters are the issuers that are Kubernetes clusters, by their URL, with the
	// region that each runs in: what their tokens say of a pod makes a workload. With
	// "" for a region their pods are workloads of the catalogue, which says where
	// each is and in which account; in a role of another its token is worth nothing.
	Clusters map[string]string
	Throttle *caller.Throttle
	Regions  *metering.Regions // where anything is served: no others are signed for
	Now      func() time.Time  // the true time: sessions go by it
	Clock    func() time.Time  // the service's clock: events go by it
	NewID    func() metering.ID
	Log      *slog.Logger
	// ServesHost says whether a Host header is one of ours; nil takes any.
	ServesHost func(host string) bool

	kept   *caller.Throttle // which of the refusals that come in floods are kept; set by Handler
	floods caller.Flood     // how many there were
}

// fromNowhere is the bucket of calls that nobody has signed and that come through a
// proxy, which hides their addresses: it is all strangers', and honest callers' too.
const fromNowhere metering.Operation = opAssumeRoleWithWebIdentity + " through a proxy"

// Limits are how many calls a second are answered: signed ones of each account
// and region, and of those that nobody has signed, of each address. Where addresses
// are not known, all of them together have ten times that, which is what nearly two
// million pods ask for that renew their credentials every hour.
func Limits() caller.Limits {
	return caller.Limits{opAssumeRole: 100, opGetCallerIdentity: 100, opAssumeRoleWithWebIdentity: 50, fromNowhere: 500}
}

// Asked reports whether a request is for this door, which shares its URI with the
// metering services: it is a form, and has no target.
func Asked(r *http.Request) bool {
	if r.RequestURI != "/" || r.Method != http.MethodPost || len(r.Header["X-Amz-Target"]) > 0 {
		return false
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == formType
}

// call is one request on its way.
type call struct {
	*http.Request
	uid    metering.ID
	id     string // uid as x-amzn-RequestId
	action string
	who    caller.Identity // zero until, and unless, a signature is verified
	now    time.Time       // the true time
	at     time.Time       // by the service's clock

	ev     store.Event        // of no account until it is known whose it is
	lender metering.AccountID // whose role was assumed, if not the caller's own account's
}

// Handler serves the door: requests of which Asked is true.
func (s *Service) Handler() http.Handler {
	s.kept = s.Throttle.With(keptLimits())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := s.NewID()
		c := &call{Request: r, uid: id, id: id.String(), now: s.Now(), at: store.Instant(s.Clock())}
		defer s.recover(w, c)
		answer, err := s.answer(c)
		if err == nil {
			err = s.leave(c)
		}
		status := http.StatusOK
		if err != nil {
			answer, status = s.refuse(w, c, err)
		}
		if err := write(w, status, c.id, answer); err != nil {
			s.Log.ErrorContext(r.Context(), "answer not written", "request_id", c.id, "error", err)
		}
	})
}

// answer takes a call through its checks, in order: host, size, form, action,
// signature, throttle; then the operation's own.
func (s *Service) answer(c *call) (any, error) {
	if s.ServesHost != nil && !s.ServesHost(c.Host) {
		return nil, &Error{Code: InvalidAction, Message: "This host is not served here."}
	}
	if len(c.Header["Authorization"]) > 0 && !s.Callers.Listens(c.Request) {
		return nil, errThrottled
	}
	body, err := readBody(c.Request)
	if err != nil {
		return nil, err
	}
	f, err := parseForm(c.Header.Get("Content-Type"), body)
	if err != nil {
		return nil, err
	}
	if c.action, err = f.action(opAssumeRole, opAssumeRoleWithWebIdentity, opGetCallerIdentity); err != nil {
		return nil, err
	}
	if err := s.Store.Err(); errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrNoRoom) {
		return nil, err // not even who has signed can be told
	}
	if c.action == opAssumeRoleWithWebIdentity {
		if !s.allowAddress(s.Callers.SourceIP(c.Request), c.action) {
			return nil, errThrottled
		}
		return s.assumeRoleWithWebIdentity(c, f)
	}
	if c.who, err = s.Callers.AuthenticateSTS(c.Request, body, []string{"content-type"}); err != nil {
		return nil, err
	}
	s.known(c, s.Callers.Event(&c.who, c.Request), f)
	if !s.Regions.Listed(c.who.Region) {
		return nil, &Error{Code: SignatureDoesNotMatch, Message: "Credential should be scoped to a valid region."}
	}
	if !s.Throttle.Allow(c.who.Caller.Account, c.who.Region, metering.Operation(c.action)) {
		return nil, errThrottled
	}
	if c.action == opAssumeRole {
		return s.assumeRole(c, f)
	}
	return answerCallerIdentity(c.who.Caller.ARN, c.who.UserID(), string(c.who.Caller.Account), c.id), nil
}

// allowAddress bounds how often strangers are listened to.
func (s *Service) allowAddress(from netip.Addr, action string) bool {
	if !from.IsValid() {
		return s.Throttle.AllowAddress(from, fromNowhere)
	}
	return s.Throttle.AllowAddress(from, metering.Operation(action))
}

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1)) // parseForm refuses the byte too many
	if err != nil {
		return nil, &Error{Code: MalformedQueryString, Message: "The body ended before it was complete.", Cause: err}
	}
	return body, nil
}

var errThrottled = &Error{Code: Throttling, Message: "Rate exceeded"}

// refuse turns an error into an answer. What is not in the table is ours to read
// and not the caller's.
func (s *Service) refuse(w http.ResponseWriter, c *call, err error) (answer any, status int) {
	f, known := fault(err)
	log, level := "call refused", slog.LevelInfo
	if !known {
		log, level = "call failed", slog.LevelError
	}
	s.Log.Log(c.Context(), level, log, "request_id", c.id, "operation", c.action,
		"principal", c.who.Caller.ARN, "name", f.Code, "reason", loggable(err))
	s.keep(c, f, err)
	answer, status = answerError(f, c.id)
	if status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close") // what is left of the body is not read
	}
	return answer, status
}

// loggable is an error's text as the log may have it: cut, and without the
// Authorization header, which is quoted to its sender when it cannot be read.
func loggable(err error) string {
	if errors.Is(err, &sigv4.Error{Code: sigv4.IncompleteSignature}) {
		return "the Authorization header cannot be read"
	}
	return shorten(err.Error())
}

// recover answers a call that panicked as the internal error it is.
func (s *Service) recover(w http.ResponseWriter, c *call) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	s.Log.Error("call panicked", "request_id", c.id, "operation", c.action, "cause", cause, "stack", string(debug.Stack()))
	f, _ := fault(errors.New("panic"))
	answer, status := answerError(f, c.id)
	_ = write(w, status, c.id, answer)
}

// log notes a session that is being issued.
func (s *Service) log(ctx context.Context, id string, what ...any) {
	s.Log.InfoContext(ctx, "session issued", append([]any{"request_id", id}, what...)...)
}
