package awsapi

import (
	"errors"
	"slices"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// What only the front door knows to go wrong.
var (
	errInternal = errors.New("internal error")
	//lint:ignore ST1005 these are AWS's own words
	errThrottled          = errors.New("Rate exceeded")
	errTooLarge           = errors.New("the request must be smaller than 1048576 bytes")
	errUnknownOperation   = errors.New("unknown operation")
	errServiceUnavailable = errors.New("the service is unavailable")
	errUndecided          = &caller.Denied{Message: "it is not known which products the call is about, and a policy asks for them"}

	// CloudTrail's own.
	errInvalidEventCategory    = errors.New("invalid event category")
	errInvalidLookupAttributes = errors.New("invalid lookup attributes")
	errInvalidMaxResults       = errors.New("invalid max results")
	errInvalidNextToken        = errors.New("invalid next token")
	errInvalidTimeRange        = errors.New("invalid time range")
)

// exception is an error as the API's model, or AWS's front door, names it.
type exception struct {
	err    error
	name   string
	status int
	model  bool // in a service's own model; the rest is the front door's
}

// exceptions gives every error that a caller may see its name and its status
// (contract: the error catalogue, the front-door errors, R-22 and R-27). A row
// that names an error twice over is found by the first.
var exceptions = []exception{
	{metering.ErrCustomerNotEntitled, "CustomerNotEntitledException", 400, true},
	{metering.ErrDisabledAPI, "DisabledApiException", 400, true},
	{metering.ErrDuplicateRequest, "DuplicateRequestException", 400, true},
	{metering.ErrExpiredToken, "ExpiredTokenException", 400, true},
	{metering.ErrIdempotencyConflict, "IdempotencyConflictException", 409, true},
	{errInternal, "InternalServiceErrorException", 500, true},
	{metering.ErrInvalidCustomerIdentifier, "InvalidCustomerIdentifierException", 400, true},
	{metering.ErrInvalidEndpointRegion, "InvalidEndpointRegionException", 400, true},
	{errInvalidEventCategory, "InvalidEventCategoryException", 400, true},
	{metering.ErrInvalidLicense, "InvalidLicenseException", 400, true},
	{errInvalidLookupAttributes, "InvalidLookupAttributesException", 400, true},
	{errInvalidMaxResults, "InvalidMaxResultsException", 400, true},
	{errInvalidNextToken, "InvalidNextTokenException", 400, true},
	{metering.ErrInvalidParameter, "InvalidParameterException", 400, true},
	{metering.ErrInvalidProductCode, "InvalidProductCodeException", 400, true},
	{metering.ErrInvalidPublicKeyVersion, "InvalidPublicKeyVersionException", 400, true},
	{metering.ErrInvalidRegion, "InvalidRegionException", 400, true},
	{metering.ErrInvalidTag, "InvalidTagException", 400, true},
	{errInvalidTimeRange, "InvalidTimeRangeException", 400, true},
	{metering.ErrInvalidToken, "InvalidTokenException", 400, true},
	{metering.ErrInvalidUsageAllocations, "InvalidUsageAllocationsException", 400, true},
	{metering.ErrInvalidUsageDimension, "InvalidUsageDimensionException", 400, true},
	{metering.ErrPlatformNotSupported, "PlatformNotSupportedException", 400, true},
	{errThrottled, "ThrottlingException", 400, true},
	{metering.ErrTimestampOutOfBounds, "TimestampOutOfBoundsException", 400, true},

	{errUnknownOperation, "UnknownOperationException", 400, false},
	{errTooLarge, "RequestEntityTooLargeException", 413, false},
	{new(awsjson.SerializationError), "SerializationException", 400, false},
	{new(awsjson.ValidationError), "ValidationException", 400, false},
	{&sigv4.Error{Code: sigv4.MissingAuthenticationToken}, "MissingAuthenticationTokenException", 403, false},
	{&sigv4.Error{Code: sigv4.IncompleteSignature}, "IncompleteSignatureException", 400, false},
	{&sigv4.Error{Code: sigv4.InvalidSignature}, "InvalidSignatureException", 400, false},
	{&sigv4.Error{Code: sigv4.UnrecognizedClient}, "UnrecognizedClientException", 400, false},
	{&sigv4.Error{Code: sigv4.ExpiredToken}, "ExpiredTokenException", 403, false},
	{new(caller.Denied), "AccessDeniedException", 400, false},
	{errServiceUnavailable, "ServiceUnavailable", 503, false},
}

// internalFault is what a caller reads of an error that is ours.
var internalFault = awsjson.Fault{Name: "InternalServiceErrorException", Status: 500, Message: errInternal.Error()}

// faultOf finds an error's row. An error without one is known to be false.
func faultOf(err error) (f awsjson.Fault, known bool) {
	var injected *injectedError
	if errors.As(err, &injected) {
		return injected.fault, true
	}
	if errors.Is(err, store.ErrUnavailable) {
		err = errServiceUnavailable // the reason tells of the network behind us
	}
	for _, e := range exceptions {
		if errors.Is(err, e.err) {
			return awsjson.Fault{Name: e.name, Status: e.status, Message: messageOf(err)}, true
		}
	}
	return internalFault, false
}

func messageOf(err error) string {
	var unsigned *sigv4.Error
	if errors.As(err, &unsigned) {
		return unsigned.Message // AWS's words, without whose they are
	}
	return err.Error()
}

// exceptionNamed finds the row of a name on the wire.
func exceptionNamed(name string) (exception, bool) {
	for _, e := range exceptions {
		if e.name == name {
			return e, true
		}
	}
	return exception{}, false
}

// namespaceOf is the prefix that some AWS front ends give an error's name. Of the
// two that are called ExpiredTokenException the status tells which it is.
func namespaceOf(op metering.Operation, f awsjson.Fault) string {
	i := slices.IndexFunc(exceptions, func(e exception) bool { return e.name == f.Name && e.status == f.Status })
	switch {
	case i < 0 || !exceptions[i].model:
		return "com.amazon.coral.service#"
	case op == metering.GetEntitlements:
		return "com.amazonaws.marketplaceentitlementservice#"
	case op == metering.LookupEvents:
		return "com.amazonaws.cloudtrail#"
	}
	return "com.amazonaws.marketplacemetering#"
}
