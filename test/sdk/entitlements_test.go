package sdk

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// grant is an entitlement as an SDK returns it. The Go SDK reads it from CBOR, the
// others from JSON.
type grant struct {
	ProductCode, Dimension, CustomerAWSAccountId, LicenseArn, CustomerIdentifier string

	Value          map[string]any
	ExpirationDate time.Time
}

const (
	licenseA = "arn:aws:license-manager::294406891311:license:l-0a02"
	licenseB = "arn:aws:license-manager::294406891311:license:l-0b02"
)

// entitled are the suite's entitlements in the catalogue. The order of an answer
// is the service's affair.
func entitled() []grant {
	expires := time.Date(2027, 8, 1, 0, 0, 0, 0, time.UTC)
	of := func(account, license, dimension, kind string, value any) grant {
		return grant{
			ProductCode: "suite", Dimension: dimension, CustomerAWSAccountId: account, LicenseArn: license,
			Value: map[string]any{kind: value}, ExpirationDate: expires,
		}
	}
	return []grant{
		of("111122223333", licenseA, "seats", "IntegerValue", 50.0),
		of("111122223333", licenseA, "storage", "DoubleValue", 2.5),
		of("111122223333", licenseA, "support", "BooleanValue", true),
		of("111122223333", licenseA, "tier", "StringValue", "gold"),
		of("444455556666", licenseB, "seats", "IntegerValue", 7.0),
	}
}

// inAnyOrder compares lists of entitlements, instants by what they stand for.
var inAnyOrder = cmp.Options{
	cmpopts.SortSlices(func(a, b grant) bool { return a.LicenseArn+a.Dimension < b.LicenseArn+b.Dimension }),
	cmpopts.EquateEmpty(),
}

func TestEntitlements(t *testing.T) {
	where := func(keep func(grant) bool) (kept []grant) {
		for _, e := range entitled() {
			if keep(e) {
				kept = append(kept, e)
			}
		}
		return kept
	}
	cases := []struct {
		name, input string
		want        []grant
	}{
		{"all", `{"ProductCode":"suite"}`, entitled()},
		{
			"of an account", `{"ProductCode":"suite","Filter":{"CUSTOMER_AWS_ACCOUNT_ID":["111122223333"]}}`,
			where(func(e grant) bool { return e.CustomerAWSAccountId == "111122223333" }),
		},
		{
			"of a license", `{"ProductCode":"suite","Filter":{"LICENSE_ARN":["` + licenseB + `"]}}`,
			where(func(e grant) bool { return e.LicenseArn == licenseB }),
		},
		{
			"of a dimension", `{"ProductCode":"suite","Filter":{"DIMENSION":["seats"]}}`,
			where(func(e grant) bool { return e.Dimension == "seats" }),
		},
		{
			"values of a key add up", `{"ProductCode":"suite","Filter":{"DIMENSION":["tier","support"]}}`,
			where(func(e grant) bool { return e.Dimension == "tier" || e.Dimension == "support" }),
		},
		{
			"keys narrow down", `{"ProductCode":"suite","Filter":{"DIMENSION":["seats"],"CUSTOMER_AWS_ACCOUNT_ID":["444455556666"]}}`,
			where(func(e grant) bool { return e.CustomerAWSAccountId == "444455556666" }),
		},
		{"of nobody", `{"ProductCode":"suite","Filter":{"CUSTOMER_AWS_ACCOUNT_ID":["999988887777"]}}`, nil},
	}
	everySDKOnOneOrTwo(t, func(t *testing.T, p place, _ string, c client) {
		s := p.start(t)
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				got, next := getEntitlements(t, c, s.callAs(t, "seller", "GetEntitlements", tc.input))
				if diff := cmp.Diff(tc.want, got, inAnyOrder); diff != "" || next != "" {
					t.Errorf("next %q (-want +got):\n%s", next, diff)
				}
			})
		}
		t.Run("page by page", func(t *testing.T) { pages(t, s, c) })
		t.Run("wrong", func(t *testing.T) { wrongParameters(t, s, c) })
	})
}

// getEntitlements makes one call, which must succeed.
func getEntitlements(t *testing.T, c client, request call) ([]grant, string) {
	t.Helper()
	answers, err := c.send(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if answers[0].Failure != nil || answers[0].Refused != "" {
		t.Fatalf("%s: %v", request.Input, answers[0])
	}
	var out struct {
		Entitlements []grant
		NextToken    string
	}
	remarshal(t, answers[0].Output, &out)
	for i := range out.Entitlements {
		out.Entitlements[i].ExpirationDate = out.Entitlements[i].ExpirationDate.UTC()
	}
	return out.Entitlements, out.NextToken
}

// pages reads two at a time. A page may be empty and still name another, so it
// is the token alone that ends the reading.
func pages(t *testing.T, s *server, c client) {
	var all []grant
	input := map[string]any{"ProductCode": "suite", "MaxResults": 2}
	for range 10 {
		b, err := json.Marshal(input)
		if err != nil {
			t.Fatal(err)
		}
		page, next := getEntitlements(t, c, s.callAs(t, "seller", "GetEntitlements", string(b)))
		if len(page) > 2 {
			t.Fatalf("a page of %d, want 2 at most", len(page))
		}
		all = append(all, page...)
		if next == "" {
			if diff := cmp.Diff(entitled(), all, inAnyOrder); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			return
		}
		input["NextToken"] = next
	}
	t.Fatal("the pages never end")
}

// wrongParameters wants the one error of the service's own, as its own type.
func wrongParameters(t *testing.T, s *server, c client) {
	for name, input := range map[string]string{
		"both customer keys": `{"ProductCode":"suite","Filter":{"CUSTOMER_AWS_ACCOUNT_ID":["111122223333"],"CUSTOMER_IDENTIFIER":["customer-a"]}}`,
		"made-up token":      `{"ProductCode":"suite","NextToken":"made-up"}`,
	} {
		answers, err := c.send(t.Context(), s.callAs(t, "seller", "GetEntitlements", input))
		if err != nil {
			t.Fatal(err)
		}
		want := errorResult{Name: "InvalidParameterException"}
		if diff := want.differs(answers[0]); diff != "" {
			t.Errorf("%s: got %v: %s", name, answers[0], diff)
		}
	}
}
