package metering

import (
	"errors"
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
