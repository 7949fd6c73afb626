package metering

import (
	"fmt"
	"slices"
	"strings"
)

// Operation is an operation of the service's API.
type Operation string

// The four operations, and those of the Entitlement Service and of CloudTrail that
// are served beside them.
const (
	BatchMeterUsage Operation = "BatchMeterUsage"
	MeterUsage      Operation = "MeterUsage"
	RegisterUsage   Operation = "RegisterUsage"
	ResolveCustomer Operation = "ResolveCustomer"
	GetEntitlements Operation = "GetEntitlements"
	LookupEvents    Operation = "LookupEvents"
)

// Regions as of August 2026: the seller guide's tables, which agree with AWS's
// endpoints.json.
var (
	commercialRegions = []string{
		"af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
		"ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4",
		"ca-central-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2",
		"eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1", "me-south-1",
		"sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	}
	govCloudRegions = []string{"us-gov-east-1", "us-gov-west-1"}
	sellerRegions   = append(slices.Clone(commercialRegions), "cn-northwest-1")
	eksRegions      = []string{
		"us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-west-3",
		"eu-central-1", "eu-north-1", "ap-east-1", "ap-southeast-1", "ap-southeast-2",
		"ap-northeast-1", "ap-northeast-2", "ap-south-1", "ca-central-1", "sa-east-1",
	}
	ec2Regions = append(slices.Clone(commercialRegions), govCloudRegions...)
)

// regionsOf lists where an operation is served to callers of a platform.
func regionsOf(op Operation, p Platform) []string {
	switch op {
	case BatchMeterUsage, ResolveCustomer:
		return sellerRegions
	case RegisterUsage: // its own table was not to be had; the commercial regions (inferred)
		return commercialRegions
	case MeterUsage:
		switch p {
		case PlatformEKS:
			return eksRegions
		case PlatformECS, PlatformAgentCore:
			return commercialRegions
		case PlatformEC2, PlatformNone: // the platform is judged later, in its turn
			return ec2Regions
		}
	case GetEntitlements, LookupEvents: // see docs/divergences.md
	}
	return nil
}

// ListedRegion reports whether any operation is served in the region.
func ListedRegion(region string) bool {
	return slices.Contains(ec2Regions, region) || slices.Contains(sellerRegions, region)
}

// CheckRegion refuses a request whose region, the one of its signature's scope
// does not serve the operation or is not the workload's own.
func CheckRegion(op Operation, c Caller, region string) error {
	if !slices.Contains(regionsOf(op, c.Platform()), region) {
		if op == MeterUsage { // DisabledApi is not in its model
			return fmt.Errorf("%w: MeterUsage is not served in %q from %s", ErrInvalidEndpointRegion, region, platformName(c.Platform()))
		}
		return fmt.Errorf("%w: %s is not served in %q", ErrDisabledAPI, op, region)
	}
	if c.Workload == nil || c.Workload.Region == region {
		return nil
	}
	switch op {
	case MeterUsage:
		return fmt.Errorf("%w: the request was signed for %s and the workload runs in %s", ErrInvalidEndpointRegion, region, c.Workload.Region)
	case RegisterUsage:
		return fmt.Errorf("%w: the request was signed for %s and the workload runs in %s", ErrInvalidRegion, region, c.Workload.Region)
	case BatchMeterUsage, ResolveCustomer, GetEntitlements, LookupEvents: // a seller picks any region
	}
	return nil
}

func isGovCloud(region string) bool { return strings.HasPrefix(region, "us-gov-") }
