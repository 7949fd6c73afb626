package identity

import (
	"errors"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// A Code is an error's name on this door's wire. The names are those of AWS's
// query protocol, without the tail "Exception" save where AWS has it; they are
// not those of the JSON doors.
type Code string

// The codes of the Security Token Service and of the front door before it.
const (
	AccessDenied               Code = "AccessDenied"
	ExpiredToken               Code = "ExpiredToken"          // of a session
	ExpiredWebToken            Code = "ExpiredTokenException" // of a web identity
	IDPCommunicationError      Code = "IDPCommunicationError"
	IDPRejectedClaim           Code = "IDPRejectedClaim"
	IncompleteSignature        Code = "IncompleteSignature"
	InternalFailure            Code = "InternalFailure"
	InvalidAction              Code = "InvalidAction"
	InvalidClientTokenID       Code = "InvalidClientTokenId"
	InvalidIdentityToken       Code = "InvalidIdentityToken"
	MalformedPolicyDocument    Code = "MalformedPolicyDocument"
	MalformedQueryString       Code = "MalformedQueryString"
	MissingAction              Code = "MissingAction"
	MissingAuthenticationToken Code = "MissingAuthenticationToken"
	PackedPolicyTooLarge       Code = "PackedPolicyTooLarge"
	RequestEntityTooLarge      Code = "RequestEntityTooLarge"
	ServiceUnavailable         Code = "ServiceUnavailable"
	SignatureDoesNotMatch      Code = "SignatureDoesNotMatch"
	Throttling                 Code = "Throttling"
	ValidationError            Code = "ValidationError"
)

// statuses gives every code its HTTP status: from the service's model where the
// error is in it, from AWS's page of common errors of the query protocol where it
// is the front door's.
var statuses = map[Code]int{
	AccessDenied:               403,
	ExpiredToken:               403,
	ExpiredWebToken:            400,
	IDPCommunicationError:      400,
	IDPRejectedClaim:           403,
	IncompleteSignature:        400,
	InternalFailure:            500,
	InvalidAction:              400,
	InvalidClientTokenID:       403,
	InvalidIdentityToken:       400,
	MalformedPolicyDocument:    400,
	MalformedQueryString:       404,
	MissingAction:              400,
	MissingAuthenticationToken: 403,
	PackedPolicyTooLarge:       400,
	RequestEntityTooLarge:      413,
	ServiceUnavailable:         503,
	SignatureDoesNotMatch:      403,
	Throttling:                 400,
	ValidationError:            400,
}

// unsigned gives the ways in which a signature fails their names here.
var unsigned = map[sigv4.Code]Code{
	sigv4.MissingAuthenticationToken: MissingAuthenticationToken,
	sigv4.IncompleteSignature:        IncompleteSignature,
	sigv4.InvalidSignature:           SignatureDoesNotMatch,
	sigv4.UnrecognizedClient:         InvalidClientTokenID,
	sigv4.ExpiredToken:               ExpiredToken,
}

// Error is a refusal, as the client reads it. What caused it is for the log.
type Error struct {
	Code    Code
	Message string
	Cause   error // may be nil
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return "identity: " + string(e.Code) + ": " + e.Message + ": " + e.Cause.Error()
	}
	return "identity: " + string(e.Code) + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an Error of the same code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// fault is what a client is told of an error. Of one that is not in the table it
// is told nothing, and known is false.
func fault(err error) (f *Error, known bool) {
	var signature *sigv4.Error
	switch {
	case errors.As(err, &f):
	case errors.As(err, &signature):
		f = &Error{Code: unsigned[signature.Code], Message: signature.Message}
	case errors.Is(err, new(caller.Denied)):
		f = &Error{Code: AccessDenied, Message: err.Error()}
	case errors.Is(err, session.ErrTooLarge):
		f = &Error{Code: PackedPolicyTooLarge, Message: "The session policy and the session tags are larger than a session token has room for."}
	case errors.Is(err, store.ErrUnavailable):
		f = &Error{Code: ServiceUnavailable, Message: "The service is unavailable."} // the reason tells of the network behind us
	}
	if f == nil || statuses[f.Code] == 0 {
		return &Error{Code: InternalFailure, Message: "The request processing has failed because of an unknown error, exception or failure."}, false
	}
	return f, true
}

// status is the HTTP status of an error that fault has made.
func (e *Error) status() int { return statuses[e.Code] }
