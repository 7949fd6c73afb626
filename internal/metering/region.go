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

// Regions is what is served where: AWS's tables ([AWSRegions]), or those of a
// marketplace that has regions of its own. It is data, and not changed once it is
// in use. GetEntitlements and LookupEvents are in no table: they are answered everywhere (see
// docs/divergences.md).
type Regions struct {
	Partitions []Partition
	Tables     []Table
	// UsageOnly are regions where MeterUsage takes AMI products with usage pricing
	// and nothing else.
	UsageOnly []Area
	// Preview are regions where a seller can try a product before it is published.
	Preview []Area
}

// Partition is regions that have their host names in common.
type Partition struct {
	Name    string
	Regions []string
	Hosts   []HostName
	Source  string
}

// HostName is a name that a service is reached under. {region} in it stands for
// the region.
type HostName struct {
	Service string // metering, entitlement or sts
	Variant string // default, dual-stack, fips or fips-dual-stack
	Name    string
}

// RegionMark stands for the region in a HostName.
const RegionMark = "{region}"

// In is the name in one region.
func (h HostName) In(region string) string { return strings.ReplaceAll(h.Name, RegionMark, region) }

// Table lists where an operation is served to callers of some platforms; of no
// platforms named, to all.
type Table struct {
	Operation Operation
	Platforms []Platform
	Regions   []string
	Source    string
}

// Area is regions that a rule holds in.
type Area struct {
	Regions []string
	Source  string
}

// Listed reports whether any operation is served in the region.
func (r *Regions) Listed(region string) bool {
	return slices.ContainsFunc(r.Tables, func(t Table) bool { return slices.Contains(t.Regions, region) })
}

// Counted is the name that calls in a region are counted under: made-up names are
// one, "".
func (r *Regions) Counted(region string) string {
	if !r.Listed(region) {
		return ""
	}
	return region
}

// serves reports whether an operation is served in the region to callers of a
// platform. One who is no workload is let through by any platform's table: the
// platform is judged later, in its turn.
func (r *Regions) serves(op Operation, p Platform, region string) bool {
	return slices.ContainsFunc(r.Tables, func(t Table) bool {
		return t.Operation == op && (t.Platforms == nil || p == PlatformNone || slices.Contains(t.Platforms, p)) && slices.Contains(t.Regions, region)
	})
}

// names lists the regions of areas.
func names(areas []Area) string {
	var all []string
	for _, a := range areas {
		all = append(all, a.Regions...)
	}
	return strings.Join(all, ", ")
}

func within(areas []Area, region string) bool {
	return slices.ContainsFunc(areas, func(a Area) bool { return slices.Contains(a.Regions, region) })
}

// CheckRegion refuses a request whose region, the one of its signature's scope
// whatever its Host says, does not serve the operation or is not the
// workload's own.
func CheckRegion(op Operation, c Caller, region string, r *Regions) error {
	if !r.serves(op, c.Platform(), region) {
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
	case BatchMeterUsage, ResolveCustomer, GetEntitlements: // a seller picks any region
	}
	return nil
}
