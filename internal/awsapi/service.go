// Package awsapi is the door that AWS SDKs come through: the Marketplace
// Metering Service, GetEntitlements of its sibling, and CloudTrail's LookupEvents, on
// AWS's own wire.
//
// A request walks down [Service.call]: the operation's name, the size, the
// signature, the policies, the throttle; then the operation's own file, which reads from top
// to bottom in the order of its checks and writes once, last. errors.go gives
// every error its name and status.
package awsapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// MaxBody is the size that a request must stay under: 1 MB, keys included (API
// reference of BatchMeterUsage; R-13).
const MaxBody = 1 << 20

// What is being worked on at once, in bytes of request bodies: forty of the
// largest, whose shapes take ten times that in memory, or thousands of usual size.
// Others wait, with their bodies read, before anything is hashed or decoded. A
// body counts for leastWork at the least.
const (
	maxWork   = 40 * MaxBody
	leastWork = 4 << 10
)

// Service is the API. Its fields are set before it is first used.
type Service struct {
	Store    store.Store
	Callers  *caller.Authenticator
	Throttle *caller.Throttle
	Faults   *Faults
	Regions  *metering.Regions
	Now      func() time.Time // the service's clock
	NewID    func() metering.ID
	Log      *slog.Logger
	// ServesHost says whether a Host header is one of ours; nil takes any.
	ServesHost func(host string) bool
	// Observe is told of each request, with its context, when its answer is known;
	// nil: nobody listens.
	Observe func(ctx context.Context, o Observed)

	signers signers
	scratch sync.Pool           // of *scratch
	work    *semaphore.Weighted // set by Handler
	room    room                // what bodies take of memory
	kept    *caller.Throttle    // which of the refusals that come in floods are kept; set by Handler
	denied  *caller.Throttle    // and of those by policies, which no throttle stands before
	floods  caller.Flood        // how many there were
}

// request is one call, as far as its operation needs to know it.
type request struct {
	uid    metering.ID
	id     string // uid as x-amzn-RequestId
	op     metering.Operation
	caller metering.Caller
	signer caller.Identity
	from   *http.Request
	judged bool // policies have allowed the call; until then nothing is written
	region string
	now    time.Time     // one reading of the service's clock for the whole call (invariant I8)
	compat *store.Compat // and one of which readings of AWS hold
	wire   wire
	*scratch
	beaten bool // the call has told the store that the caller's workload lives

	// What Observed tells of the answer.
	outcome  string
	status   int
	records  []metering.Status
	observed bool

	input   traced               // as far as it was read; nil: it was not
	traced  bool                 // its event is on its way to the store
	product metering.ProductCode // that the input told, as far as it was read
	claimed *store.Refusal       // to be kept if the key that nobody has proved to have is one of ours
}

// operation decodes a request's input, acts, and returns the output's body.
type operation func(ctx context.Context, req *request) ([]byte, error)

// targets is what X-Amz-Target can carry.
var targets = map[string]metering.Operation{
	"AWSMPMeteringService.BatchMeterUsage":    metering.BatchMeterUsage,
	"AWSMPMeteringService.MeterUsage":         metering.MeterUsage,
	"AWSMPMeteringService.RegisterUsage":      metering.RegisterUsage,
	"AWSMPMeteringService.ResolveCustomer":    metering.ResolveCustomer,
	"AWSMPEntitlementService.GetEntitlements": metering.GetEntitlements,

	"CloudTrail_20131101.LookupEvents":                                    metering.LookupEvents,
	"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents": metering.LookupEvents, // boto3 and its like
}

// operations is what is served.
func (s *Service) operations() map[metering.Operation]operation {
	return map[metering.Operation]operation{
		metering.BatchMeterUsage: op(s.batchMeterUsage),
		metering.MeterUsage:      op(s.meterUsage),
		metering.RegisterUsage:   op(s.registerUsage),
		metering.ResolveCustomer: op(s.resolveCustomer),
		metering.GetEntitlements: op(s.getEntitlements),
		metering.LookupEvents:    op(s.lookupEvents),
	}
}

// input is a shape that can be read from either wire and knows its constraints.
type input[T any] interface {
	*T
	decode(d *awsjson.Decoder)
	check(c metering.Caller) error
	product() string // the code that it tells; "" if none
	traced
}

// output is a shape that can be written as JSON.
type output interface{ appendJSON(b []byte) []byte }

// op makes an operation of a method: it reads the input, and checks its shape.
func op[T any, In input[T], Out output](method func(context.Context, *request, In) (Out, error)) operation {
	return func(ctx context.Context, req *request) ([]byte, error) {
		in := In(new(T))
		if in, ok := any(in).(interface{ use(*scratch) }); ok {
			in.use(req.scratch)
		}
		err := req.wire.decode(req.body, in)
		if code := in.product(); len(code) <= maxProductCode && metering.IsProductCode(code) {
			req.product = metering.ProductCode(code)
		}
		if err != nil {
			return nil, err
		}
		req.input = in
		if err := in.check(req.caller); err != nil {
			return nil, err
		}
		out, err := method(ctx, req, in)
		if err == nil && !req.judged {
			err = errUndecided
		}
		if err != nil {
			return nil, err
		}
		req.answer, err = req.wire.encode(out, req.answer)
		return req.answer, err
	}
}

// Handler serves the API: every request whose URI is exactly "/" or [CBORPath],
// and, to refuse them in the API's own form, any others that nobody else serves.
func (s *Service) Handler() http.Handler {
	operations := s.operations()
	s.work = semaphore.NewWeighted(maxWork)
	s.kept, s.denied = s.Throttle.With(keptLimits()), s.Throttle.With(caller.AWSLimits())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := s.NewID()
		req := &request{uid: id, id: id.String(), wire: wireOf(r), compat: s.Store.Catalog().Compat(), scratch: s.takeScratch()}
		defer s.recover(r.Context(), w, req)
		body, err := s.call(operations, r, req)
		req.outcome, req.status = Succeeded, http.StatusOK
		if err != nil {
			body = s.answerTo(r.Context(), req, w, err)
		}
		s.observe(r.Context(), req)
		req.wire.write(w, req.status, req.id, body)
		if req.claimed != nil {
			s.keepClaimed(w, r, req)
		}
		s.giveScratch(r, req.scratch)
	})
}

// call takes a request through the front door, in the order of R-23.
func (s *Service) call(operations map[metering.Operation]operation, r *http.Request, req *request) ([]byte, error) {
	var err error
	if req.op, err = s.route(r, req.wire); err != nil {
		return nil, err
	}
	if !s.Callers.Listens(r) {
		return nil, errThrottled
	}
	hold := s.room.enter(s.Callers.SourceIP(r))
	defer hold.leave()
	if req.body, err = readBody(r, req.body, hold); err != nil {
		return nil, err
	}
	weight := int64(max(len(req.body), leastWork))
	if err := s.work.Acquire(r.Context(), weight); err != nil {
		return nil, fmt.Errorf("%w: it has too much to do", errServiceUnavailable)
	}
	defer s.work.Release(weight)
	// A store that cannot tell whether its catalogue is the newest decides nothing:
	// not even who has signed. One that has no room can be read.
	if err := s.Store.Err(); errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrNoRoom) {
		return nil, err
	}
	req.now = store.Instant(s.Now())
	authenticate := s.Callers.Authenticate
	if req.op == metering.LookupEvents {
		authenticate = s.Callers.AuthenticateCloudTrail
	}
	if req.signer, err = authenticate(r, req.body, req.wire.signed); err != nil {
		return nil, err
	}
	req.caller, req.region, req.from = req.signer.Caller, req.signer.Region, r
	if err := s.authorize(req); err != nil {
		return nil, err
	}
	if !s.Throttle.Allow(req.caller.Account, req.region, req.op) {
		return nil, errThrottled
	}
	if err := s.Faults.strike(req.op); err != nil {
		return nil, err
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, &awsjson.SerializationError{Message: "Content-Encoding " + encoding + " is not supported"}
	}
	body, err := operations[req.op](r.Context(), req)
	if err == nil && !req.traced {
		err = s.leave(r.Context(), req)
	}
	if err == nil && s.Log.Enabled(r.Context(), slog.LevelDebug) {
		s.Log.DebugContext(r.Context(), "call answered", "request_id", req.id, "operation", req.op,
			"account", req.caller.Account, "region", req.region)
	}
	return body, err
}

// route finds the operation. Whatever is not a POST of the right type to a path
// of the wire, for a target of the table, is unknown.
func (s *Service) route(r *http.Request, w wire) (metering.Operation, error) {
	switch {
	case s.ServesHost != nil && !s.ServesHost(r.Host):
		return "", fmt.Errorf("%w: host %q is not served here", errUnknownOperation, shorten(r.Host))
	case r.RequestURI != w.path:
		return "", fmt.Errorf("%w: the URI must be exactly %s", errUnknownOperation, w.path)
	case r.Method != http.MethodPost:
		return "", fmt.Errorf("%w: the method must be POST", errUnknownOperation)
	}
	if types := r.Header.Values("Content-Type"); len(types) != 1 || types[0] != w.contentType {
		return "", fmt.Errorf("%w: the Content-Type must be exactly %s", errUnknownOperation, w.contentType)
	}
	if w.cbor {
		return metering.GetEntitlements, nil
	}
	sent := r.Header.Values("X-Amz-Target")
	if len(sent) != 1 {
		return "", fmt.Errorf("%w: there must be one X-Amz-Target header", errUnknownOperation)
	}
	op, known := targets[sent[0]]
	if !known {
		return "", fmt.Errorf("%w: X-Amz-Target %q", errUnknownOperation, shorten(sent[0]))
	}
	return op, nil
}

// answerTo turns an error into an answer. What is not in the table is ours to
// read and not the caller's.
func (s *Service) answerTo(ctx context.Context, req *request, w http.ResponseWriter, err error) []byte {
	f, known := faultOf(err)
	switch {
	case errors.Is(err, store.ErrUnavailable):
		s.Log.WarnContext(ctx, "call not answered", "request_id", req.id, "operation", req.op, "error", err)
	case known:
		s.Log.InfoContext(ctx, "call refused", "request_id", req.id, "operation", req.op,
			"account", req.caller.Account, "region", req.region, "name", f.Name, "reason", loggable(err, f.Message))
	default:
		s.Log.ErrorContext(ctx, "call failed", "request_id", req.id, "operation", req.op, "error", err)
	}
	s.keep(ctx, req, f, err)
	if f.Status == http.StatusRequestEntityTooLarge {
		w.Header().Set("Connection", "close") // what is left of the body is not read
	}
	return s.envelope(req, w, f)
}

// envelope makes a fault's body, and the header that says the same.
func (s *Service) envelope(req *request, w http.ResponseWriter, f awsjson.Fault) []byte {
	req.outcome, req.status = f.Name, f.Status
	if req.compat.ErrorNamespace {
		f.Name = namespaceOf(req.op, f) + f.Name
	}
	w.Header()["x-amzn-ErrorType"] = []string{f.Name}
	return req.wire.fault(f)
}

// loggable is an error's text as the log may have it: cut, and without the
// Authorization header, which AWS quotes to its sender when it cannot be read.
func loggable(err error, text string) string {
	if errors.Is(err, &sigv4.Error{Code: sigv4.IncompleteSignature}) {
		return "the Authorization header cannot be read"
	}
	return shorten(text)
}

// shorten cuts what came from outside to what a log line has room for.
func shorten(s string) string {
	const room = 256
	if len(s) <= room {
		return s
	}
	return strings.ToValidUTF8(s[:room], "") + "…"
}

// recover answers a call that panicked as the internal error it is.
func (s *Service) recover(ctx context.Context, w http.ResponseWriter, req *request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	s.Log.Error("call panicked", "request_id", req.id, "operation", req.op, "cause", cause, "stack", string(debug.Stack()))
	body := s.envelope(req, w, internalFault)
	s.observe(ctx, req)
	req.wire.write(w, req.status, req.id, body)
}
