package metering

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// The regions of contract 2.2, in its words and its order.
const (
	ofEKS = `us-east-1 us-east-2 us-west-1 us-west-2 eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-north-1 ap-east-1
		ap-southeast-1 ap-southeast-2 ap-northeast-1 ap-northeast-2 ap-south-1 ca-central-1 sa-east-1`
	ofCommerce = `af-south-1 ap-northeast-3 ap-south-2 ap-southeast-3 ap-southeast-4 eu-central-2 eu-south-1 eu-south-2
		il-central-1 me-central-1 me-south-1` // the other eleven of 28
	ofGovCloud = `us-gov-east-1 us-gov-west-1`
	ofChina    = `cn-northwest-1`
	ofNowhere  = `cn-north-1 us-isob-east-1 eusc-de-east-1 us-gov-north-1 ap-southeast-5 nowhere US-EAST-1 us-east-1.`
)

// TestRegions: which operation is served where, to callers of which platform
// (contract 2.2, R-20, R-31).
func TestRegions(t *testing.T) {
	if eks, commercial := len(strings.Fields(ofEKS)), len(strings.Fields(ofCommerce)); eks != 17 || eks+commercial != 28 {
		t.Fatalf("the test knows %d EKS regions of %d commercial ones", eks, eks+commercial)
	}
	const (
		ok = "ok"
		d  = "DisabledApi"
		e  = "InvalidEndpointRegion"
	)
	answers := map[string]error{ok: nil, d: ErrDisabledAPI, e: ErrInvalidEndpointRegion}
	all := []Platform{PlatformNone, PlatformEC2, PlatformECS, PlatformEKS, PlatformAgentCore}
	for _, row := range []struct {
		op                                Operation
		platforms                         []Platform
		eks, commercial, gov, cn, nowhere string
	}{
		{BatchMeterUsage, all, ok, ok, d, ok, d},
		{ResolveCustomer, all, ok, ok, d, ok, d},
		{RegisterUsage, all, ok, ok, d, d, d},
		{MeterUsage, []Platform{PlatformNone, PlatformEC2}, ok, ok, ok, e, e},
		{MeterUsage, []Platform{PlatformECS, PlatformAgentCore}, ok, ok, e, e, e},
		{MeterUsage, []Platform{PlatformEKS}, ok, e, e, e, e},
	} {
		for _, class := range []struct{ regions, want string }{
			{ofEKS, row.eks}, {ofCommerce, row.commercial}, {ofGovCloud, row.gov}, {ofChina, row.cn}, {ofNowhere, row.nowhere},
		} {
			for _, region := range append(strings.Fields(class.regions), "") {
				want := answers[class.want]
				if region == "" && class.regions != ofNowhere {
					continue
				}
				for _, platform := range row.platforms {
					err := CheckRegion(row.op, callerFrom(platform, region), region, AWSRegions())
					if want == nil && err != nil || !errors.Is(err, want) {
						t.Errorf("%s from %s in %q: got %v, want %s", row.op, platformName(platform), region, err, class.want)
					}
				}
			}
		}
	}
}

// TestRegionOfTheWorkload: a workload reports to its own region (contract 4.3,
// 5, R-20); a seller picks any.
func TestRegionOfTheWorkload(t *testing.T) {
	for _, row := range []struct {
		op   Operation
		want error
	}{
		{MeterUsage, ErrInvalidEndpointRegion},
		{RegisterUsage, ErrInvalidRegion},
		{BatchMeterUsage, nil},
		{ResolveCustomer, nil},
	} {
		for _, platform := range []Platform{PlatformEC2, PlatformECS, PlatformEKS, PlatformAgentCore} {
			c := callerFrom(platform, "eu-west-1")
			if err := CheckRegion(row.op, c, "us-east-1", AWSRegions()); row.want == nil && err != nil || !errors.Is(err, row.want) {
				t.Errorf("%s from %s: got %v, want %v", row.op, platformName(platform), err, row.want)
			}
			if err := CheckRegion(row.op, c, "eu-west-1", AWSRegions()); err != nil {
				t.Errorf("%s from %s in its own region: %v", row.op, platformName(platform), err)
			}
		}
		if err := CheckRegion(row.op, Caller{}, "us-east-1", AWSRegions()); err != nil {
			t.Errorf("%s from no workload: %v", row.op, err)
		}
	}
	// Where the operation is not served at all, that is the answer.
	if err := CheckRegion(RegisterUsage, callerFrom(PlatformECS, "us-east-1"), "us-gov-west-1", AWSRegions()); !errors.Is(err, ErrDisabledAPI) {
		t.Errorf("RegisterUsage of a commercial task in GovCloud: got %v", err)
	}
}

// TestListedRegions: what shares no throttle bucket with made-up names.
func TestListedRegions(t *testing.T) {
	for _, region := range strings.Fields(strings.Join([]string{ofEKS, ofCommerce, ofGovCloud, ofChina}, " ")) {
		if !AWSRegions().Listed(region) {
			t.Errorf("%s is not listed", region)
		}
	}
	for _, region := range append(strings.Fields(ofNowhere), "") {
		if AWSRegions().Listed(region) {
			t.Errorf("%q is listed", region)
		}
	}
}

// callerFrom is a caller of a platform, whose workload runs in the region.
func callerFrom(p Platform, region string) Caller {
	c := Caller{Account: "111122223333", KeyID: "AKIAEXAMPLE"}
	if p != PlatformNone {
		c.Workload = &Workload{ID: "w-1", Platform: p, Account: c.Account, Region: region}
	}
	return c
}

// TestRegionsOfOthers: the rules go by the tables they are given, and know no
// region beside them.
func TestRegionsOfOthers(t *testing.T) {
	own := &Regions{
		Tables: []Table{
			{Operation: BatchMeterUsage, Regions: []string{"center"}},
			{Operation: MeterUsage, Platforms: []Platform{PlatformECS, PlatformEKS}, Regions: []string{"center"}},
			{Operation: MeterUsage, Platforms: []Platform{PlatformEC2}, Regions: []string{"west"}},
			{Operation: RegisterUsage, Regions: []string{"west", "center"}},
		},
		UsageOnly: []Area{{Regions: []string{"nowhere"}}, {Regions: []string{"west"}}},
		Preview:   []Area{{Regions: []string{"center"}}, {Regions: []string{"west"}}},
	}
	const everywhere = "center west us-east-1 us-gov-west-1 nowhere"
	for _, row := range []struct {
		op        Operation
		platforms []Platform
		in        string
		otherwise error
	}{
		{BatchMeterUsage, []Platform{PlatformNone, PlatformEC2, PlatformECS}, "center", ErrDisabledAPI},
		{ResolveCustomer, []Platform{PlatformNone, PlatformEKS}, "", ErrDisabledAPI},
		{RegisterUsage, []Platform{PlatformNone, PlatformEC2, PlatformECS, PlatformEKS, PlatformAgentCore}, "center west", ErrDisabledAPI},
		{MeterUsage, []Platform{PlatformECS, PlatformEKS}, "center", ErrInvalidEndpointRegion},
		{MeterUsage, []Platform{PlatformEC2}, "west", ErrInvalidEndpointRegion},
		{MeterUsage, []Platform{PlatformAgentCore}, "", ErrInvalidEndpointRegion},
		{MeterUsage, []Platform{PlatformNone}, "center west", ErrInvalidEndpointRegion}, // the platform is judged later
	} {
		for _, platform := range row.platforms {
			for region := range strings.FieldsSeq(everywhere) {
				err := CheckRegion(row.op, callerFrom(platform, region), region, own)
				if served := slices.Contains(strings.Fields(row.in), region); served && err != nil || !served && !errors.Is(err, row.otherwise) {
					t.Errorf("%s from %s in %s: got %v", row.op, platformName(platform), region, err)
				}
			}
		}
	}
	for region, want := range map[string]bool{"center": true, "west": true, "us-east-1": false, "nowhere": false, "": false} {
		if got := own.Listed(region); got != want {
			t.Errorf("%q is listed: %t", region, got)
		}
	}

	seller := Caller{Account: "210987654321"}
	hourly := &Product{Code: "p", Seller: seller.Account, Type: AMI, Pricing: PricedHourly, Published: true}
	if err := CheckProduct(MeterUsage, "p", hourly, seller, "west", own); !errors.Is(err, ErrInvalidEndpointRegion) {
		t.Errorf("an hourly product where usage alone is metered: got %v", err)
	}
	if err := CheckProduct(MeterUsage, "p", hourly, seller, "us-gov-west-1", own); err != nil {
		t.Errorf("AWS's rule holds among other regions: %v", err)
	}
	hidden := &Product{Code: "p", Seller: seller.Account, Type: AMI, Pricing: PricedByUsage}
	for region, want := range map[string]bool{"center": true, "west": true, "us-east-1": false} {
		err := CheckProduct(MeterUsage, "p", hidden, seller, region, own)
		if tried := err == nil; tried != want || err != nil && !strings.Contains(err.Error(), "center, west only") {
			t.Errorf("what is not published, in %s: %v", region, err)
		}
	}
}

// TestAWSRegionsAreWhole: each table says where it is from and of when it is, each
// region of a table is in one partition, and those in which nothing is served are
// known.
func TestAWSRegionsAreWhole(t *testing.T) {
	aws := AWSRegions()
	var sources, tabled []string
	for _, table := range aws.Tables {
		sources, tabled = append(sources, table.Source), append(tabled, table.Regions...)
	}
	for _, area := range slices.Concat(aws.UsageOnly, aws.Preview) {
		sources, tabled = append(sources, area.Source), append(tabled, area.Regions...)
	}
	partitions := map[string]string{}
	var unserved []string
	for _, p := range aws.Partitions {
		sources = append(sources, p.Source)
		for _, region := range p.Regions {
			if partitions[region] != "" {
				t.Errorf("%s is in %s and in %s", region, partitions[region], p.Name)
			}
			partitions[region] = p.Name
			if !aws.Listed(region) {
				unserved = append(unserved, region)
			}
		}
	}
	for _, source := range sources {
		if !strings.HasSuffix(source, "; August 2026") && !strings.HasSuffix(source, "; 2020") {
			t.Errorf("source %q does not say of when it is", source)
		}
	}
	for _, region := range tabled {
		if partitions[region] == "" {
			t.Errorf("%s is in no partition", region)
		}
	}
	if want := []string{"eusc-de-east-1", "us-isob-east-1"}; !slices.Equal(unserved, want) {
		t.Errorf("hosts without operations: %v, want %v", unserved, want)
	}
}
