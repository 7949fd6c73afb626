package metering

import "errors"

// The ways to break a rule. Each is one exception of the service's API without
// its tail; errors that wrap one add what was wrong, in words fit for the
// caller to read.
var (
	ErrCustomerNotEntitled       = errors.New("customer not entitled")
	ErrDisabledAPI               = errors.New("API disabled in this region")
	ErrDuplicateRequest          = errors.New("duplicate request")
	ErrExpiredToken              = errors.New("registration token expired")
	ErrIdempotencyConflict       = errors.New("idempotency conflict")
	ErrInvalidCustomerIdentifier = errors.New("invalid customer identifier")
	ErrInvalidEndpointRegion     = errors.New("invalid endpoint region")
	ErrInvalidLicense            = errors.New("invalid license")
	ErrInvalidParameter          = errors.New("invalid parameter")
	ErrInvalidProductCode        = errors.New("invalid product code")
	ErrInvalidPublicKeyVersion   = errors.New("invalid public key version")
	ErrInvalidRegion             = errors.New("invalid region")
	ErrInvalidTag                = errors.New("invalid tag")
	ErrInvalidToken              = errors.New("registration token is invalid")
	ErrInvalidUsageAllocations   = errors.New("invalid usage allocations")
	ErrInvalidUsageDimension     = errors.New("invalid usage dimension")
	ErrPlatformNotSupported      = errors.New("platform not supported")
	ErrTimestampOutOfBounds      = errors.New("timestamp out of bounds")
)
