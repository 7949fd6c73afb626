package sdk

import (
	"context"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/marketplaceentitlementservice"
	sdkmetering "github.com/aws/aws-sdk-go-v2/service/marketplacemetering"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyendpoints "github.com/aws/smithy-go/endpoints"

	"github.com/meterd/meterd/internal/metering"
)

// TestHostNames holds AWS's host names to the SDK's own rule sets: for every
// service, region and variant the name that a client computes is in the table, and
// what else is there is known by name.
func TestHostNames(t *testing.T) {
	type resolve func(ctx context.Context, region string, fips, dual bool) (smithyendpoints.Endpoint, error)
	resolvers := map[string]resolve{
		"metering": func(ctx context.Context, region string, fips, dual bool) (smithyendpoints.Endpoint, error) {
			return sdkmetering.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sdkmetering.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dual})
		},
		"entitlement": func(ctx context.Context, region string, fips, dual bool) (smithyendpoints.Endpoint, error) {
			return marketplaceentitlementservice.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx,
				marketplaceentitlementservice.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dual})
		},
		"sts": func(ctx context.Context, region string, fips, dual bool) (smithyendpoints.Endpoint, error) {
			return sts.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sts.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dual, UseGlobalEndpoint: aws.Bool(false)})
		},
		"cloudtrail": func(ctx context.Context, region string, fips, dual bool) (smithyendpoints.Endpoint, error) {
			return cloudtrail.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, cloudtrail.EndpointParameters{Region: &region, UseFIPS: &fips, UseDualStack: &dual})
		},
	}
	variants := map[string]struct{ fips, dual bool }{"default": {}, "dual-stack": {dual: true}, "fips": {fips: true}, "fips-dual-stack": {true, true}}
	older := []string{ // of endpoints.json, and the one for all regions
		"sts.amazonaws.com", "metering.marketplace.eusc-de-east-1.amazonaws.eu", "entitlement.marketplace.eusc-de-east-1.amazonaws.eu",
	}
	seen := 0
	for _, p := range metering.AWSRegions().Partitions {
		for _, region := range p.Regions {
			for service, resolver := range resolvers {
				for variant, v := range variants {
					var listed []string
					for _, h := range p.Hosts {
						if h.Service == service && h.Variant == variant {
							listed = append(listed, h.In(region))
						}
					}
					if listed == nil && p.Name == "aws-iso-b" { // of which only the hosts of endpoints.json are listed
						continue
					}
					endpoint, err := resolver(t.Context(), region, v.fips, v.dual)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Contains(listed, endpoint.URI.Host) {
						t.Errorf("%s in %s, %s: clients ask %s, listed is %v", service, region, variant, endpoint.URI.Host, listed)
					}
					for _, name := range listed {
						if name != endpoint.URI.Host && !slices.Contains(older, name) {
							t.Errorf("%s in %s, %s: nobody asks %s", service, region, variant, name)
						}
					}
					seen++
				}
			}
		}
	}
	if seen != (28+2+1+1)*4*4+3 {
		t.Errorf("%d names were looked at", seen)
	}
}
