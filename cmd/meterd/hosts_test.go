package main

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store/embedded"
)

// awsNames are the names of the services by partition, with * for the region
// (contract 2.1), and the regions of each in which anything is served (2.2).
var awsNames = []struct{ regions, names string }{
	{
		`us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 af-south-1
		ap-east-1 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2
		ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4
		eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3
		il-central-1 me-central-1 me-south-1`,
		`metering.marketplace.*.amazonaws.com metering-marketplace.*.api.aws
		metering.marketplace-fips.*.amazonaws.com metering.marketplace-fips.*.api.aws
		entitlement.marketplace.*.amazonaws.com entitlement-marketplace.*.api.aws
		entitlement.marketplace-fips.*.amazonaws.com entitlement.marketplace-fips.*.api.aws
		sts.*.amazonaws.com sts.*.api.aws sts-fips.*.amazonaws.com sts-fips.*.api.aws
		cloudtrail.*.amazonaws.com cloudtrail.*.api.aws cloudtrail-fips.*.amazonaws.com cloudtrail-fips.*.api.aws`,
	},
	{
		`us-gov-east-1 us-gov-west-1`,
		`metering.marketplace.*.amazonaws.com metering-marketplace.*.api.aws
		metering.marketplace-fips.*.amazonaws.com metering.marketplace-fips.*.api.aws
		entitlement.marketplace.*.amazonaws.com entitlement.marketplace.*.api.aws
		entitlement.marketplace-fips.*.amazonaws.com entitlement.marketplace-fips.*.api.aws
		sts.*.amazonaws.com sts.*.api.aws sts-fips.*.api.aws
		cloudtrail.*.amazonaws.com cloudtrail.*.api.aws cloudtrail-fips.*.api.aws`,
	},
	{
		`cn-northwest-1`,
		`metering.marketplace.*.amazonaws.com.cn metering-marketplace.*.api.amazonwebservices.com.cn
		metering.marketplace-fips.*.amazonaws.com.cn metering.marketplace-fips.*.api.amazonwebservices.com.cn
		entitlement-marketplace.*.amazonaws.com.cn entitlement-marketplace.*.api.amazonwebservices.com.cn
		entitlement.marketplace-fips.*.amazonaws.com.cn entitlement.marketplace-fips.*.api.amazonwebservices.com.cn
		sts.*.amazonaws.com.cn sts.*.api.amazonwebservices.com.cn sts-fips.*.amazonaws.com.cn sts-fips.*.api.amazonwebservices.com.cn
		cloudtrail.*.amazonaws.com.cn cloudtrail.*.api.amazonwebservices.com.cn cloudtrail-fips.*.amazonaws.com.cn cloudtrail-fips.*.api.amazonwebservices.com.cn`,
	},
}

// TestServerNames: the names that a certificate has to be for are those of AWS's
// services, in every region where anything is served, and no others; each of them
// is served as a Host.
func TestServerNames(t *testing.T) {
	want := []string{"sts.amazonaws.com"}
	for _, row := range awsNames {
		for _, region := range strings.Fields(row.regions) {
			for _, name := range strings.Fields(row.names) {
				want = append(want, strings.ReplaceAll(name, "*", region))
			}
		}
	}
	slices.Sort(want)
	h := new(hosts)
	got := h.serverNames()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, name := range want {
		if !h.serves(name) || !h.serves(strings.ToUpper(name)+":443") {
			t.Errorf("%s is not served", name)
		}
	}
}

// TestHostsOfOthers: the hosts are those of the table in effect; AWS's are not
// among them unless it says so.
func TestHostsOfOthers(t *testing.T) {
	h := hosts{regions: &metering.Regions{
		Tables: []metering.Table{{Operation: metering.BatchMeterUsage, Regions: []string{"acme-1", "acme-2"}}},
		Partitions: []metering.Partition{{Name: "acme", Regions: []string{"acme-1", "acme-2", "acme-3"}, Hosts: []metering.HostName{
			{Service: "metering", Name: "metering.{region}.acme.example"},
			{Service: "sts", Name: "sts.acme.example"},
		}}},
	}}
	want := []string{"metering.acme-1.acme.example", "metering.acme-2.acme.example", "sts.acme.example"}
	if diff := cmp.Diff(want, h.serverNames()); diff != "" {
		t.Error(diff)
	}
	for host, want := range map[string]bool{
		"metering.acme-1.acme.example": true, "metering.nowhere-7.acme.example:443": true, "sts.acme.example": true, "localhost": true,
		"metering..acme.example": false, "metering.acme.example": false, "metering.a.b.acme.example": false, "x.metering.acme-1.acme.example": false,
		"sts.acme-1.acme.example": false, "metering.marketplace.us-east-1.amazonaws.com": false,
	} {
		if got := h.serves(host); got != want {
			t.Errorf("Host %q: served %t, want %t", host, got, want)
		}
	}
}

// TestGoBy: every door, and every throttle, goes by the same tables.
func TestGoBy(t *testing.T) {
	db, err := embedded.Open(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := newServer(db, slog.New(slog.DiscardHandler), "", nil)
	own := new(metering.Regions)
	s.goBy(own)
	for name, got := range map[string]*metering.Regions{
		"the API": s.api.Regions, "its throttle": s.api.Throttle.Regions, "STS": s.sts.Regions, "its throttle's": s.sts.Throttle.Regions,
		"the operator's door": s.admin.Regions, "hosts": s.hosts.regions,
	} {
		if got != own {
			t.Errorf("%s goes by others", name)
		}
	}
}
