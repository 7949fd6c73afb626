package sdk

import (
	"errors"

	entitlement "github.com/aws/aws-sdk-go-v2/service/marketplaceentitlementservice/types"
	metering "github.com/aws/aws-sdk-go-v2/service/marketplacemetering/types"
)

// goTypes tells, for each modelled error, whether an error is of its Go type.
var goTypes = map[string]func(error) bool{
	"CustomerNotEntitledException":       is[*metering.CustomerNotEntitledException],
	"DisabledApiException":               is[*metering.DisabledApiException],
	"DuplicateRequestException":          is[*metering.DuplicateRequestException],
	"ExpiredTokenException":              is[*metering.ExpiredTokenException],
	"IdempotencyConflictException":       is[*metering.IdempotencyConflictException],
	"InternalServiceErrorException":      either[*metering.InternalServiceErrorException, *entitlement.InternalServiceErrorException],
	"InvalidCustomerIdentifierException": is[*metering.InvalidCustomerIdentifierException],
	"InvalidEndpointRegionException":     is[*metering.InvalidEndpointRegionException],
	"InvalidLicenseException":            is[*metering.InvalidLicenseException],
	"InvalidParameterException":          is[*entitlement.InvalidParameterException],
	"InvalidProductCodeException":        is[*metering.InvalidProductCodeException],
	"InvalidPublicKeyVersionException":   is[*metering.InvalidPublicKeyVersionException],
	"InvalidRegionException":             is[*metering.InvalidRegionException],
	"InvalidTagException":                is[*metering.InvalidTagException],
	"InvalidTokenException":              is[*metering.InvalidTokenException],
	"InvalidUsageAllocationsException":   is[*metering.InvalidUsageAllocationsException],
	"InvalidUsageDimensionException":     is[*metering.InvalidUsageDimensionException],
	"PlatformNotSupportedException":      is[*metering.PlatformNotSupportedException],
	"ThrottlingException":                either[*metering.ThrottlingException, *entitlement.ThrottlingException],
	"TimestampOutOfBoundsException":      is[*metering.TimestampOutOfBoundsException],
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

func either[A, B error](err error) bool { return is[A](err) || is[B](err) }
