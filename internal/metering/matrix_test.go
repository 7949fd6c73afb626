package metering

import (
	"errors"
	"strings"
	"testing"
)

// matrix says how a call is answered for a product of each type from each
// platform: by the contract's tables 2.2 and R-36. The columns are regions: those
// of EKS, the other commercial ones, GovCloud with usage pricing, GovCloud with
// any other pricing, China's, and any other. The answers:
//
//   - served
//     D  DisabledApi, at the region step
//     E  InvalidEndpointRegion, at the region step
//     e  InvalidEndpointRegion, at the product step
//     C  InvalidProductCode, at the product step
//     P  PlatformNotSupported, at the platform step
const matrix = `
BatchMeterUsage saas      none      + + D D + D
BatchMeterUsage saas      ec2       + + D D + D
BatchMeterUsage saas      ecs       + + D D + D
BatchMeterUsage saas      eks       + + D D + D
BatchMeterUsage saas      agentcore + + D D + D
BatchMeterUsage ami       none      C C D D C D
BatchMeterUsage ami       ec2       C C D D C D
BatchMeterUsage ami       ecs       C C D D C D
BatchMeterUsage ami       eks       C C D D C D
BatchMeterUsage ami       agentcore C C D D C D
BatchMeterUsage container none      C C D D C D
BatchMeterUsage container ec2       C C D D C D
BatchMeterUsage container ecs       C C D D C D
BatchMeterUsage container eks       C C D D C D
BatchMeterUsage container agentcore C C D D C D
BatchMeterUsage agent     none      C C D D C D
BatchMeterUsage agent     ec2       C C D D C D
BatchMeterUsage agent     ecs       C C D D C D
BatchMeterUsage agent     eks       C C D D C D
BatchMeterUsage agent     agentcore C C D D C D
MeterUsage      saas      none      C C C C E E
MeterUsage      saas      ec2       C C C C E E
MeterUsage      saas      ecs       C C E E E E
MeterUsage      saas      eks       C E E E E E
MeterUsage      saas      agentcore C C E E E E
MeterUsage      ami       none      P P P e E E
MeterUsage      ami       ec2       + + + e E E
MeterUsage      ami       ecs       P P E E E E
MeterUsage      ami       eks       P E E E E E
MeterUsage      ami       agentcore P P E E E E
MeterUsage      container none      P P e e E E
MeterUsage      container ec2       P P e e E E
MeterUsage      container ecs       + + E E E E
MeterUsage      container eks       + E E E E E
MeterUsage      container agentcore P P E E E E
MeterUsage      agent     none      P P e e E E
MeterUsage      agent     ec2       P P e e E E
MeterUsage      agent     ecs       P P E E E E
MeterUsage      agent     eks       P E E E E E
MeterUsage      agent     agentcore + + E E E E
RegisterUsage   saas      none      C C D D D D
RegisterUsage   saas      ec2       C C D D D D
RegisterUsage   saas      ecs       C C D D D D
RegisterUsage   saas      eks       C C D D D D
RegisterUsage   saas      agentcore C C D D D D
RegisterUsage   ami       none      C C D D D D
RegisterUsage   ami       ec2       C C D D D D
RegisterUsage   ami       ecs       C C D D D D
RegisterUsage   ami       eks       C C D D D D
RegisterUsage   ami       agentcore C C D D D D
RegisterUsage   container none      P P D D D D
RegisterUsage   container ec2       P P D D D D
RegisterUsage   container ecs       + + D D D D
RegisterUsage   container eks       + + D D D D
RegisterUsage   container agentcore P P D D D D
RegisterUsage   agent     none      C C D D D D
RegisterUsage   agent     ec2       C C D D D D
RegisterUsage   agent     ecs       C C D D D D
RegisterUsage   agent     eks       C C D D D D
RegisterUsage   agent     agentcore C C D D D D
`

// answer is what a call is answered at the steps region, product and platform,
// which the operations take in this order; a seller's operation takes no
// third one.
func answer(op Operation, p *Product, c Caller, region string, r Rulings) string {
	name := func(err error, region, product, platform string) string {
		switch {
		case errors.Is(err, ErrDisabledAPI):
			return "D"
		case errors.Is(err, ErrInvalidEndpointRegion):
			return region
		case errors.Is(err, ErrInvalidProductCode):
			return product
		case errors.Is(err, ErrPlatformNotSupported):
			return platform
		}
		return "unexpected: " + err.Error()
	}
	if err := CheckRegion(op, c, region, AWSRegions()); err != nil {
		return name(err, "E", "?", "?")
	}
	if err := CheckProduct(op, p.Code, p, c, region, AWSRegions()); err != nil {
		return name(err, "e", "C", "?")
	}
	if op == BatchMeterUsage {
		return "+"
	}
	if err := CheckPlatform(op, p, c, r); err != nil {
		return name(err, "?", "?", "P")
	}
	return "+"
}

// TestPlatforms: every operation, for every type of product and pricing, from
// every platform in every region.
func TestPlatforms(t *testing.T) {
	platforms := map[string]Platform{"none": PlatformNone, "ec2": PlatformEC2, "ecs": PlatformECS, "eks": PlatformEKS, "agentcore": PlatformAgentCore}
	usage, other := []Pricing{PricedByUsage}, []Pricing{PricedHourly, PricedMonthly, Free, BYOL}
	both := append(usage[:1:1], other...)
	columns := []struct {
		regions string
		pricing []Pricing
	}{{ofEKS, both}, {ofCommerce, both}, {ofGovCloud, usage}, {ofGovCloud, other}, {ofChina, both}, {ofNowhere, both}}

	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(matrix), "\n") {
		row := strings.Fields(line)
		op, kind, platform := Operation(row[0]), ProductType(row[1]), platforms[row[2]]
		seen[strings.Join(row[:3], " ")] = true
		for i, column := range columns {
			want := row[3+i]
			for _, region := range strings.Fields(column.regions) {
				for _, pricing := range column.pricing {
					c := callerFrom(platform, region)
					p := &Product{Code: "p", Seller: c.Account, Type: kind, Pricing: pricing, Published: true}
					if op != BatchMeterUsage {
						p.Seller = "210987654321" // a workload is its buyer's
					}
					if got := answer(op, p, c, region, Rulings{}); got != want {
						t.Errorf("%s, %s product priced by %s, from %s in %s: %s, want %s", op, kind, pricing, row[2], region, got, want)
					}
					// a key may stand for a resource, in MeterUsage alone, and
					// gets no further than a workload would.
					if platform == PlatformNone && op == MeterUsage && want == "P" {
						want = "+"
					}
					if got := answer(op, p, c, region, Rulings{KeyAsResource: true}); got != want {
						t.Errorf("%s, %s product priced by %s, from %s in %s, with keys as resources: %s, want %s", op, kind, pricing, row[2], region, got, want)
					}
					want = row[3+i]
				}
			}
		}
	}
	if want := 3 * 4 * len(platforms); len(seen) != want {
		t.Errorf("the matrix has %d rows, want %d", len(seen), want)
	}
}
