package metering

import (
	"slices"
	"strings"
)

// AWSRegions returns AWS's tables, as of August 2026. Host names are those that
// the SDKs' rule sets compute and those of endpoints.json; where the two differ,
// both are here.
func AWSRegions() *Regions {
	const (
		guide = "AWS Marketplace Seller Guide, regions of the operation; August 2026"
		hosts = "rule sets of aws-sdk-go-v2 (marketplacemetering v1.45.0, marketplaceentitlementservice v1.40.0, sts v1.43.3, cloudtrail v1.56.0) and endpoints.json; August 2026"
	)
	// Of these, the guide's tables and endpoints.json are of one mind.
	commercial := strings.Fields(`af-south-1
		ap-east-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2
		ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ca-central-1
		eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3
		il-central-1 me-central-1 me-south-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2`)
	eks := strings.Fields(`us-east-1 us-east-2 us-west-1 us-west-2 eu-west-1 eu-west-2 eu-west-3
		eu-central-1 eu-north-1 ap-east-1 ap-southeast-1 ap-southeast-2
		ap-northeast-1 ap-northeast-2 ap-south-1 ca-central-1 sa-east-1`)
	govCloud := []string{"us-gov-east-1", "us-gov-west-1"}
	china := []string{"cn-northwest-1"}
	return &Regions{
		Tables: []Table{
			{Operation: BatchMeterUsage, Regions: slices.Concat(commercial, china), Source: guide},
			{Operation: ResolveCustomer, Regions: slices.Concat(commercial, china), Source: guide},
			{Operation: MeterUsage, Platforms: []Platform{PlatformEC2}, Regions: slices.Concat(commercial, govCloud), Source: guide},
			{Operation: MeterUsage, Platforms: []Platform{PlatformECS}, Regions: commercial, Source: guide},
			{Operation: MeterUsage, Platforms: []Platform{PlatformEKS}, Regions: eks, Source: guide},
			{
				Operation: MeterUsage, Platforms: []Platform{PlatformAgentCore}, Regions: commercial,
				Source: "the commercial regions, by ruling R-36; August 2026",
			},
			{
				Operation: RegisterUsage, Regions: commercial,
				Source: "the commercial regions, inferred: the guide's own table was not to be had; August 2026",
			},
		},
		UsageOnly: []Area{{Regions: govCloud, Source: "AWS Marketplace Seller Guide, products in GovCloud; August 2026"}},
		Preview:   []Area{{Regions: []string{"us-east-1"}, Source: "AWS Marketplace container guide; 2020"}},
		Partitions: []Partition{
			{Name: "aws", Regions: commercial, Source: hosts, Hosts: hostNames(`
				metering    default         metering.marketplace.{region}.amazonaws.com
				metering    dual-stack      metering-marketplace.{region}.api.aws
				metering    fips            metering.marketplace-fips.{region}.amazonaws.com
				metering    fips-dual-stack metering.marketplace-fips.{region}.api.aws
				entitlement default         entitlement.marketplace.{region}.amazonaws.com
				entitlement dual-stack      entitlement-marketplace.{region}.api.aws
				entitlement fips            entitlement.marketplace-fips.{region}.amazonaws.com
				entitlement fips-dual-stack entitlement.marketplace-fips.{region}.api.aws
				sts         default         sts.amazonaws.com
				sts         default         sts.{region}.amazonaws.com
				sts         dual-stack      sts.{region}.api.aws
				sts         fips            sts-fips.{region}.amazonaws.com
				sts         fips-dual-stack sts-fips.{region}.api.aws
				cloudtrail  default         cloudtrail.{region}.amazonaws.com
				cloudtrail  dual-stack      cloudtrail.{region}.api.aws
				cloudtrail  fips            cloudtrail-fips.{region}.amazonaws.com
				cloudtrail  fips-dual-stack cloudtrail-fips.{region}.api.aws`)},
			{Name: "aws-us-gov", Regions: govCloud, Source: hosts, Hosts: hostNames(`
				metering    default         metering.marketplace.{region}.amazonaws.com
				metering    dual-stack      metering-marketplace.{region}.api.aws
				metering    fips            metering.marketplace-fips.{region}.amazonaws.com
				metering    fips-dual-stack metering.marketplace-fips.{region}.api.aws
				entitlement default         entitlement.marketplace.{region}.amazonaws.com
				entitlement dual-stack      entitlement.marketplace.{region}.api.aws
				entitlement fips            entitlement.marketplace-fips.{region}.amazonaws.com
				entitlement fips-dual-stack entitlement.marketplace-fips.{region}.api.aws
				sts         default         sts.{region}.amazonaws.com
				sts         dual-stack      sts.{region}.api.aws
				sts         fips            sts.{region}.amazonaws.com
				sts         fips-dual-stack sts-fips.{region}.api.aws
				cloudtrail  default         cloudtrail.{region}.amazonaws.com
				cloudtrail  dual-stack      cloudtrail.{region}.api.aws
				cloudtrail  fips            cloudtrail.{region}.amazonaws.com
				cloudtrail  fips-dual-stack cloudtrail-fips.{region}.api.aws`)},
			{Name: "aws-cn", Regions: china, Source: hosts, Hosts: hostNames(`
				metering    default         metering.marketplace.{region}.amazonaws.com.cn
				metering    dual-stack      metering-marketplace.{region}.api.amazonwebservices.com.cn
				metering    fips            metering.marketplace-fips.{region}.amazonaws.com.cn
				metering    fips-dual-stack metering.marketplace-fips.{region}.api.amazonwebservices.com.cn
				entitlement default         entitlement-marketplace.{region}.amazonaws.com.cn
				entitlement dual-stack      entitlement-marketplace.{region}.api.amazonwebservices.com.cn
				entitlement fips            entitlement.marketplace-fips.{region}.amazonaws.com.cn
				entitlement fips-dual-stack entitlement.marketplace-fips.{region}.api.amazonwebservices.com.cn
				sts         default         sts.{region}.amazonaws.com.cn
				sts         dual-stack      sts.{region}.api.amazonwebservices.com.cn
				sts         fips            sts-fips.{region}.amazonaws.com.cn
				sts         fips-dual-stack sts-fips.{region}.api.amazonwebservices.com.cn
				cloudtrail  default         cloudtrail.{region}.amazonaws.com.cn
				cloudtrail  dual-stack      cloudtrail.{region}.api.amazonwebservices.com.cn
				cloudtrail  fips            cloudtrail-fips.{region}.amazonaws.com.cn
				cloudtrail  fips-dual-stack cloudtrail-fips.{region}.api.amazonwebservices.com.cn`)},
			// Of these two there are hosts, and nothing says that an operation is served.
			{Name: "aws-eusc", Regions: []string{"eusc-de-east-1"}, Source: hosts, Hosts: hostNames(`
				metering    default         metering-marketplace.{region}.amazonaws.eu
				metering    default         metering.marketplace.{region}.amazonaws.eu
				metering    dual-stack      metering.marketplace.{region}.api.amazonwebservices.eu
				metering    fips            metering.marketplace-fips.{region}.amazonaws.eu
				metering    fips-dual-stack metering.marketplace-fips.{region}.api.amazonwebservices.eu
				entitlement default         entitlement-marketplace.{region}.amazonaws.eu
				entitlement default         entitlement.marketplace.{region}.amazonaws.eu
				entitlement dual-stack      entitlement.marketplace.{region}.api.amazonwebservices.eu
				entitlement fips            entitlement.marketplace-fips.{region}.amazonaws.eu
				entitlement fips-dual-stack entitlement.marketplace-fips.{region}.api.amazonwebservices.eu
				sts         default         sts.{region}.amazonaws.eu
				sts         dual-stack      sts.{region}.api.amazonwebservices.eu
				sts         fips            sts-fips.{region}.amazonaws.eu
				sts         fips-dual-stack sts-fips.{region}.api.amazonwebservices.eu
				cloudtrail  default         cloudtrail.{region}.amazonaws.eu
				cloudtrail  dual-stack      cloudtrail.{region}.api.amazonwebservices.eu
				cloudtrail  fips            cloudtrail-fips.{region}.amazonaws.eu
				cloudtrail  fips-dual-stack cloudtrail-fips.{region}.api.amazonwebservices.eu`)},
			{Name: "aws-iso-b", Regions: []string{"us-isob-east-1"}, Source: hosts, Hosts: hostNames(`
				metering    default         metering.marketplace.{region}.sc2s.sgov.gov
				sts         default         sts.{region}.sc2s.sgov.gov
				cloudtrail  default         cloudtrail.{region}.sc2s.sgov.gov`)},
		},
	}
}

// hostNames reads a table of service, variant and name.
func hostNames(table string) []HostName {
	var all []HostName
	words := strings.Fields(table)
	for row := range slices.Chunk(words, 3) {
		all = append(all, HostName{Service: row[0], Variant: row[1], Name: row[2]})
	}
	return all
}
