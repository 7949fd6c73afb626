package awsapi

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/sigv4"
)

func newLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// modelled are the names of contract.md section 5, with their statuses.
var modelled = map[string]int{
	"CustomerNotEntitledException": 400, "DisabledApiException": 400, "DuplicateRequestException": 400,
	"ExpiredTokenException": 400, "IdempotencyConflictException": 409, "InternalServiceErrorException": 500,
	"InvalidCustomerIdentifierException": 400, "InvalidEndpointRegionException": 400, "InvalidLicenseException": 400,
	"InvalidProductCodeException": 400, "InvalidPublicKeyVersionException": 400, "InvalidRegionException": 400,
	"InvalidTagException": 400, "InvalidTokenException": 400, "InvalidUsageAllocationsException": 400,
	"InvalidUsageDimensionException": 400, "PlatformNotSupportedException": 400, "ThrottlingException": 400,
	"TimestampOutOfBoundsException": 400,
	"InvalidParameterException":     400, // the Entitlement Service's (10.4)

	// CloudTrail's.
	"InvalidEventCategoryException": 400, "InvalidLookupAttributesException": 400, "InvalidMaxResultsException": 400,
	"InvalidNextTokenException": 400, "InvalidTimeRangeException": 400,
}

// atTheDoor are the names of section 1.5 and R-27. ExpiredTokenException has
// another meaning, and status, here.
var atTheDoor = map[string]int{
	"UnknownOperationException": 400, "SerializationException": 400, "ValidationException": 400,
	"MissingAuthenticationTokenException": 403, "IncompleteSignatureException": 400, "UnrecognizedClientException": 400,
	"InvalidSignatureException": 400, "ExpiredTokenException": 403, "AccessDeniedException": 400,
	"RequestEntityTooLargeException": 413, "ServiceUnavailable": 503,
}

// TestExceptions holds the table to the contract: every name once, with its
// status, and no other.
func TestExceptions(t *testing.T) {
	t.Parallel()
	for model, want := range map[bool]map[string]int{true: modelled, false: atTheDoor} {
		got := map[string]int{}
		for _, e := range exceptions {
			if e.model != model {
				continue
			}
			if _, twice := got[e.name]; twice {
				t.Errorf("%s has two rows", e.name)
			}
			got[e.name] = e.status
		}
		for name, status := range want {
			if got[name] != status {
				t.Errorf("%s: status %d, want %d", name, got[name], status)
			}
			delete(got, name)
		}
		for name := range got {
			t.Errorf("%s is not in the contract", name)
		}
	}
	for _, name := range []string{
		"CustomerNotSubscribedException", "CustomerNotEntitiledException", "InvalidPublicKeyException", "DryRunOperation",
		"UnauthorizedException", "TooManyTagsException", "InternalServiceException", "RequestExpired", "RequestTimeTooSkewed",
	} {
		if _, known := exceptionNamed(name); known {
			t.Errorf("%s must not be answered", name)
		}
	}
}

// TestEveryRuleHasAName: every error of the rules and of the signature check has
// exactly one row, found through whatever wraps it.
func TestEveryRuleHasAName(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../metering/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared int
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Err") {
			declared++
		}
		return true
	})
	rules := 0
	for i, e := range exceptions {
		if !strings.HasPrefix(fmt.Sprintf("%T", e.err), "*errors.") {
			continue
		}
		for j, other := range exceptions {
			if i != j && errors.Is(e.err, other.err) {
				t.Errorf("%v is also %v", e.err, other.err)
			}
		}
		f, known := faultOf(fmt.Errorf("around: %w", e.err))
		if !known || f.Name != e.name || f.Status != e.status {
			t.Errorf("%v is answered %+v", e.err, f)
		}
		if slices.Contains([]error{
			errInternal, errThrottled, errTooLarge, errUnknownOperation, errServiceUnavailable,
			errInvalidEventCategory, errInvalidLookupAttributes, errInvalidMaxResults, errInvalidNextToken, errInvalidTimeRange,
		}, e.err) {
			continue
		}
		rules++
	}
	if rules != declared || declared == 0 {
		t.Errorf("%d rows for %d errors of metering", rules, declared)
	}
	for _, code := range []sigv4.Code{sigv4.MissingAuthenticationToken, sigv4.IncompleteSignature, sigv4.InvalidSignature, sigv4.UnrecognizedClient, sigv4.ExpiredToken} {
		f, known := faultOf(&sigv4.Error{Code: code, Message: "m"})
		if !known || f.Name != string(code)+"Exception" || f.Message != "m" {
			t.Errorf("%s is answered %+v", code, f)
		}
	}
	if f, known := faultOf(io.ErrClosedPipe); known || f != internalFault {
		t.Errorf("an unknown error is answered %+v", f)
	}
}

// TestNamespaces: a name that two sides use is each side's own.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		op   metering.Operation
		err  error
		want string
	}{
		{metering.ResolveCustomer, metering.ErrExpiredToken, "com.amazonaws.marketplacemetering#"},
		{metering.ResolveCustomer, &sigv4.Error{Code: sigv4.ExpiredToken}, "com.amazon.coral.service#"},
		{metering.GetEntitlements, errThrottled, "com.amazonaws.marketplaceentitlementservice#"},
		{metering.GetEntitlements, io.EOF, "com.amazonaws.marketplaceentitlementservice#"},
		{"", errUnknownOperation, "com.amazon.coral.service#"},
		{metering.MeterUsage, &awsjson.ValidationError{}, "com.amazon.coral.service#"},
	} {
		f, _ := faultOf(test.err)
		if got := namespaceOf(test.op, f); got != test.want {
			t.Errorf("%s of %s: %s, want %s", f.Name, test.op, got, test.want)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault Fault
		want  string // part of the refusal
	}{
		{Fault{Operation: "BatchMeterUsage", Code: "InternalServiceErrorException", Count: 2}, ""},
		{Fault{Operation: "BatchMeterUsage", Unprocessed: true, Count: 1}, ""},
		{Fault{Operation: "GetEntitlements", Code: "ServiceUnavailable", Count: 1}, ""},
		{Fault{Operation: "BatchMeterUsage"}, ""}, // cleared
		{Fault{Operation: "MeterUsages", Code: "ThrottlingException", Count: 1}, "there is none of that name"},
		{Fault{Code: "ThrottlingException", Count: 1}, "there is none of that name"},
		{Fault{Operation: "MeterUsage", Code: "Throttling", Count: 1}, "no operation answers it"},
		{Fault{Operation: "MeterUsage", Count: 1}, "no operation answers it"},
		{Fault{Operation: "MeterUsage", Code: "ThrottlingException", Count: -1}, "must not be negative"},
		{Fault{Operation: "MeterUsage", Unprocessed: true, Count: 1}, "only BatchMeterUsage"},
		{Fault{Operation: "BatchMeterUsage", Code: "ThrottlingException", Unprocessed: true, Count: 1}, "exclude each other"},
	} {
		err := new(Faults).Set(test.fault)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.fault, err, test.want)
		}
	}

	var f Faults
	set := func(fault Fault) {
		t.Helper()
		if err := f.Set(fault); err != nil {
			t.Fatal(err)
		}
	}
	set(Fault{Operation: "MeterUsage", Code: "ThrottlingException", Count: 2})
	set(Fault{Operation: "BatchMeterUsage", Code: "AccessDeniedException", Count: 1})
	set(Fault{Operation: "BatchMeterUsage", Unprocessed: true, Count: 1}) // in place of the one before
	if all := f.All(); len(all) != 2 || !all[0].Unprocessed || all[1].Count != 2 {
		t.Errorf("set are %+v", all)
	}
	if err := f.strike("BatchMeterUsage"); err != nil {
		t.Errorf("an unprocessed fault strikes: %v", err)
	}
	if !f.unprocessed() || f.unprocessed() {
		t.Error("unprocessed is not once")
	}
	struck := 0
	for f.strike("MeterUsage") != nil {
		struck++
	}
	if struck != 2 {
		t.Errorf("two are %d", struck)
	}
	if all := f.All(); len(all) != 0 {
		t.Errorf("left are %+v", all)
	}
}
