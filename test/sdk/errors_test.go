package sdk

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// modelledError is one of the errors in the service's model.
type modelledError struct {
	Name       string
	Status     int
	Operations []string // those whose model has it
}

// errorsByName is testdata/errors.json.
var errorsByName = readErrors()

func readErrors() map[string]modelledError {
	b, err := os.ReadFile(filepath.Join("testdata", "errors.json"))
	if err != nil {
		panic(err)
	}
	var list []modelledError
	if err := json.Unmarshal(b, &list); err != nil {
		panic(err)
	}
	byName := map[string]modelledError{}
	for _, e := range list {
		byName[e.Name] = e
	}
	return byName
}

// good are calls that succeed, one for each operation.
var good = map[string]struct{ as, input string }{
	"BatchMeterUsage": {"seller", `{"UsageRecords":[{"Timestamp":"2026-09-15T10:30:00Z","CustomerAWSAccountId":"111122223333",` +
		`"LicenseArn":"arn:aws:license-manager::294406891311:license:l-0a01","Dimension":"scans","Quantity":5}]}`},
	"MeterUsage":      {"i-1", `{"ProductCode":"appliance","Timestamp":"2026-09-15T10:30:00Z","UsageDimension":"requests","UsageQuantity":3}`},
	"RegisterUsage":   {"task-1", `{"ProductCode":"sidecar","PublicKeyVersion":1}`},
	"ResolveCustomer": {"seller", `{"RegistrationToken":"registration-token-of-a-for-scanner"}`},
	"GetEntitlements": {"seller", `{"ProductCode":"suite"}`},
}

// goodCall is the operation's call that succeeds.
func (s *server) goodCall(t *testing.T, operation string) call {
	t.Helper()
	g, ok := good[operation]
	if !ok {
		t.Fatalf("there is no good call of %q", operation)
	}
	return s.callAs(t, g.as, operation, g.input)
}

// runCatalogue provokes each modelled error of each operation, and wants it as
// its own type and with its text. It is vector 37.
func runCatalogue(t *testing.T, s *server, c client) {
	for _, name := range slices.Sorted(maps.Keys(errorsByName)) {
		for _, operation := range errorsByName[name].Operations {
			t.Run(operation+"/"+name, func(t *testing.T) {
				s.fault(t, operation, name, 1)
				request := s.goodCall(t, operation)
				request.Attempts = 1
				answers, err := c.send(t.Context(), request)
				if err != nil {
					t.Fatal(err)
				}
				want := errorResult{Name: name}
				if diff := want.differs(answers[0]); diff != "" {
					t.Errorf("got %v: %s", answers[0], diff)
				}
			})
		}
	}
}

// TestRetry and TestUnprocessed count the faults of one process: nodes have each
// their own.

// TestRetry wants each SDK, left to itself, to get through two faults of the
// kinds that it retries: in either protocol, and where a token must stay the
// same from attempt to attempt.
func TestRetry(t *testing.T) {
	everySDK(t, func(t *testing.T, _ string, c client) {
		t.Parallel() // the SDKs spend their time waiting
		s := start(t)
		for _, operation := range []string{"BatchMeterUsage", "GetEntitlements", "MeterUsage"} {
			t.Run(operation, func(t *testing.T) {
				t.Parallel() // a fault is its operation's alone
				for _, name := range []string{"ThrottlingException", "InternalServiceErrorException"} {
					s.fault(t, operation, name, 2)
					answers, err := c.send(t.Context(), s.goodCall(t, operation))
					if err != nil {
						t.Fatal(err)
					}
					if a := answers[0]; a.Failure != nil || a.Attempts != 3 {
						t.Errorf("%s: got %v after %d attempts, want success after 3", name, a, a.Attempts)
					}
				}
			})
		}
	})
}

// TestNoRetry wants a fault that no retry can mend to be reported at once.
func TestNoRetry(t *testing.T) {
	everySDKOnOneOrTwo(t, func(t *testing.T, p place, _ string, c client) {
		s := p.start(t)
		s.fault(t, "BatchMeterUsage", "InvalidLicenseException", 1)
		answers, err := c.send(t.Context(), s.goodCall(t, "BatchMeterUsage"))
		if err != nil {
			t.Fatal(err)
		}
		want := errorResult{Name: "InvalidLicenseException"}
		if diff := want.differs(answers[0]); diff != "" {
			t.Errorf("got %v: %s", answers[0], diff)
		}
	})
}

// TestUnprocessed has a batch come back unprocessed, and sends it again as it
// came back, which is what the service asks its callers to do.
func TestUnprocessed(t *testing.T) {
	everySDK(t, func(t *testing.T, _ string, c client) {
		s := start(t)
		s.unprocessed(t)
		first := s.goodCall(t, "BatchMeterUsage")
		answers, err := c.send(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		var out struct{ Results, UnprocessedRecords []map[string]any }
		remarshal(t, answers[0].Output, &out)
		if len(out.Results) != 0 || len(out.UnprocessedRecords) != 1 {
			t.Fatalf("got %v, want its one record back", answers[0])
		}
		if records := s.stored(t, "scanner"); len(records) != 0 {
			t.Fatalf("stored all the same: %+v", records)
		}
		again, err := json.Marshal(map[string]any{"UsageRecords": out.UnprocessedRecords})
		if err != nil {
			t.Fatal(err)
		}
		second := s.callAs(t, "seller", "BatchMeterUsage", string(again))
		if answers, err = c.send(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		want := expectation{Records: []recordResult{{"Success", "X"}}}
		want.judge(t, s, "sent again", first, answers, ids{})
	})
}
