package metering

import (
	"errors"
	"strings"
	"testing"
)

// TestProducts: who may meter which product (contract 4.1, 4.2, 5). What is
// another seller's answers like what is missing.
func TestProducts(t *testing.T) {
	const seller, buyer, stranger = AccountID("210987654321"), AccountID("111122223333"), AccountID("999999999999")
	of := func(kind ProductType, published bool) *Product {
		return &Product{Code: "prod", Seller: seller, Type: kind, Pricing: PricedByUsage, Published: published}
	}
	for _, row := range []struct {
		name    string
		op      Operation
		product *Product
		caller  AccountID
		region  string
		ok      bool
	}{
		{"a seller's own", BatchMeterUsage, of(SaaS, true), seller, "eu-west-1", true},
		{"another seller's", BatchMeterUsage, of(SaaS, true), stranger, "eu-west-1", false},
		{"none", BatchMeterUsage, nil, seller, "eu-west-1", false},
		{"a seller's own, not published", BatchMeterUsage, of(SaaS, false), seller, "eu-west-1", false},
		{"a seller's own, not published, in us-east-1", BatchMeterUsage, of(SaaS, false), seller, "us-east-1", false},

		{"a buyer's workload", MeterUsage, of(AMI, true), buyer, "eu-west-1", true},
		{"none", MeterUsage, nil, buyer, "eu-west-1", false},
		{"not published", MeterUsage, of(AMI, false), buyer, "eu-west-1", false},
		{"not published, in us-east-1", MeterUsage, of(AMI, false), buyer, "us-east-1", false},
		{"preview: the seller's own, not published, in us-east-1", MeterUsage, of(AMI, false), seller, "us-east-1", true},
		{"preview elsewhere", MeterUsage, of(AMI, false), seller, "eu-west-1", false},
		{"the seller's own, published, elsewhere", MeterUsage, of(AMI, true), seller, "eu-west-1", true},

		{"a buyer's task", RegisterUsage, of(Container, true), buyer, "eu-west-1", true},
		{"not published", RegisterUsage, of(Container, false), buyer, "us-east-1", false},
		{"preview", RegisterUsage, of(Container, false), seller, "us-east-1", true},
		{"preview elsewhere", RegisterUsage, of(Container, false), seller, "us-west-1", false},
		{"a preview is of the operation, too", RegisterUsage, of(AMI, false), seller, "us-east-1", false},
		{"a type that nobody knows", MeterUsage, of("ml", true), buyer, "us-east-1", false},
	} {
		err := CheckProduct(row.op, "prod", row.product, Caller{Account: row.caller}, row.region, AWSRegions())
		if row.ok && err != nil || !row.ok && !errors.Is(err, ErrInvalidProductCode) {
			t.Errorf("%s: %s: got %v", row.op, row.name, err)
		}
	}

	for _, row := range []struct {
		op     Operation
		hidden *Product
	}{
		{BatchMeterUsage, of(SaaS, true)},
		{BatchMeterUsage, of(SaaS, false)},
		{BatchMeterUsage, of(AMI, true)},
		{MeterUsage, of(AMI, false)},
		{MeterUsage, of(SaaS, false)},
		{RegisterUsage, of(Container, false)},
	} {
		c := Caller{Account: stranger}
		missing := CheckProduct(row.op, "prod", nil, c, "us-east-1", AWSRegions())
		hidden := CheckProduct(row.op, "prod", row.hidden, c, "us-east-1", AWSRegions())
		if missing == nil || hidden == nil || missing.Error() != hidden.Error() {
			t.Errorf("%s: missing: %v; hidden (%s, published %v): %v", row.op, missing, row.hidden.Type, row.hidden.Published, hidden)
		}
	}
}

// TestPreview: for the listing account itself no subscription is asked for
// (contract 4.2, 4.3).
func TestPreview(t *testing.T) {
	p := &Product{Seller: "210987654321"}
	if !p.Previewed(Caller{Account: "210987654321"}) || p.Previewed(Caller{Account: "111122223333"}) {
		t.Error("only the product's own seller previews it")
	}
}

// TestDimensions: vector 13; names are case-sensitive.
func TestDimensions(t *testing.T) {
	p := &Product{Code: "p", Dimensions: []Dimension{{Name: "users"}, {Name: "scans"}, {Name: "größe"}}}
	for name, ok := range map[string]bool{"scans": true, "users": true, "größe": true, "Scans": false, "scan": false, "scans ": false, "": false} {
		err := p.CheckDimension(name)
		if ok && err != nil || !ok && !errors.Is(err, ErrInvalidUsageDimension) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	if err := (&Product{}).CheckDimension(""); !errors.Is(err, ErrInvalidUsageDimension) {
		t.Errorf("a product without dimensions: got %v", err)
	}
}

// TestCallers: what a caller's credentials say of where it runs.
func TestCallers(t *testing.T) {
	none := Caller{Account: "111122223333", KeyID: "AKIAEXAMPLE"}
	if none.Platform() != PlatformNone || none.Resource() != "AKIAEXAMPLE" {
		t.Errorf("without a workload: platform %q, resource %q", none.Platform(), none.Resource())
	}
	one := callerFrom(PlatformEKS, "us-east-1")
	if one.Platform() != PlatformEKS || one.Resource() != "w-1" {
		t.Errorf("a pod: platform %q, resource %q", one.Platform(), one.Resource())
	}
}

// TestPlatformMessages: R-36 says which error; these say it so that a reader can
// act. RegisterUsage's is AWS's own (contract 4.3).
func TestPlatformMessages(t *testing.T) {
	err := CheckPlatform(RegisterUsage, &Product{Type: Container}, Caller{}, Rulings{})
	if want := "this operation can only be called from within an ECS task or an EKS pod"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("RegisterUsage: got %v, want %q", err, want)
	}
	err = CheckPlatform(MeterUsage, &Product{Type: Container}, callerFrom(PlatformEC2, "us-east-1"), Rulings{})
	if want := "container products are metered from an ECS task or an EKS pod, and the caller's credentials are of an EC2 instance"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("MeterUsage: got %v, want %q", err, want)
	}
	for _, p := range []Platform{PlatformNone, PlatformEC2, PlatformECS, PlatformEKS, PlatformAgentCore} {
		if name := platformName(p); !strings.HasPrefix(name, "a") && p != PlatformNone || name == string(p) {
			t.Errorf("%q is called %q", p, name)
		}
	}
}
