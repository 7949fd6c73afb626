package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/metering"
)

// TestRegionsPrinted: what is printed reads as the same, AWS's tables and others.
func TestRegionsPrinted(t *testing.T) {
	own := &metering.Regions{
		Tables: []metering.Table{{Operation: metering.RegisterUsage, Platforms: []metering.Platform{metering.PlatformEKS, metering.PlatformECS}, Regions: []string{"y", "no"}}},
		Partitions: []metering.Partition{{
			Name: "on", Regions: []string{"y", "no"}, Source: "\"quotes\": a # no comment, {flow}, \u0085, \ttab",
			Hosts: []metering.HostName{{Service: "sts", Variant: "fips", Name: "sts-{region}.example.com"}},
		}},
		Preview: []metering.Area{{Regions: []string{"no"}}},
	}
	for name, want := range map[string]*metering.Regions{"AWS's": metering.AWSRegions(), "own": own} {
		var b bytes.Buffer
		if err := printRegions(&b, want); err != nil {
			t.Fatal(err)
		}
		got, problems := parseRegions("r.yaml", b.Bytes())
		if diff := cmp.Diff(want, got); diff != "" || problems != nil {
			t.Errorf("%s: %v\n%s\n%s", name, problems, diff, b.String())
		}
	}
}

const ownRegions = `
base: aws
partitions:
  - name: acme
    regions: [acme-1, acme-2]
    hosts:
      - {service: metering, name: "metering.{region}.acme.example"}
  - name: aws
    regions: [ap-southeast-5]
    source: launched later
operations:
  - {operation: BatchMeterUsage, regions: [acme-1, ap-southeast-5]}
  - {operation: MeterUsage, platforms: [ecs], regions: [acme-1]}
  - {operation: MeterUsage, platforms: [ec2], regions: [acme-2]}
usage_only:
  - regions: [acme-2]
`

// TestRegionsBeside: a file adds to AWS's tables, and takes nothing from them.
func TestRegionsBeside(t *testing.T) {
	r, problems := parseRegions("r.yaml", []byte(ownRegions))
	if problems != nil {
		t.Fatal(problems)
	}
	aws := metering.AWSRegions()
	if diff := cmp.Diff(aws.Tables, r.Tables[:len(aws.Tables)]); diff != "" {
		t.Error(diff)
	}
	own := []metering.Table{
		{Operation: metering.BatchMeterUsage, Regions: []string{"acme-1", "ap-southeast-5"}},
		{Operation: metering.MeterUsage, Platforms: []metering.Platform{metering.PlatformECS}, Regions: []string{"acme-1"}},
		{Operation: metering.MeterUsage, Platforms: []metering.Platform{metering.PlatformEC2}, Regions: []string{"acme-2"}},
	}
	if diff := cmp.Diff(own, r.Tables[len(aws.Tables):]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(append(aws.UsageOnly, metering.Area{Regions: []string{"acme-2"}}), r.UsageOnly); diff != "" {
		t.Error(diff)
	}
	h := hosts{regions: r}
	names := h.serverNames()
	for name, want := range map[string]bool{
		"metering.acme-1.acme.example": true, "metering.acme-2.acme.example": true, "metering.marketplace.ap-southeast-5.amazonaws.com": true,
		"metering.marketplace.us-east-1.amazonaws.com": true, "metering.marketplace.acme-1.amazonaws.com": false,
	} {
		if slices.Contains(names, name) != want {
			t.Errorf("%s is a server's name: %t", name, !want)
		}
	}
	if got := metering.AWSRegions(); !cmp.Equal(got, aws) {
		t.Error("reading a file has changed AWS's tables")
	}
}

// TestRegionsAlone: without a base, what stands in the file is all there is.
func TestRegionsAlone(t *testing.T) {
	r, problems := parseRegions("r.yaml", []byte("base: none\npartitions: [{name: acme, regions: [home]}]\noperations: [{operation: ResolveCustomer, regions: [home]}]\n"))
	if problems != nil {
		t.Fatal(problems)
	}
	want := &metering.Regions{
		Tables:     []metering.Table{{Operation: metering.ResolveCustomer, Regions: []string{"home"}}},
		Partitions: []metering.Partition{{Name: "acme", Regions: []string{"home"}}},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

// TestRegionsProblems: what is wrong with a file, in whose words, and where.
func TestRegionsProblems(t *testing.T) {
	const (
		acme = "base: none\npartitions: [{name: acme, regions: [a-1]}]\n"
		rest = "operations: [{operation: BatchMeterUsage, regions: [a-1]}]\n"
	)
	for _, test := range []struct {
		file string
		want []string
	}{
		{"", []string{"r.yaml: base is missing: aws (AWS's tables, and beside them what stands here) or none (what stands here alone)"}},
		{"base: none", []string{"r.yaml: nothing is served anywhere: operations is missing or empty"}},
		{"base: azure", []string{`r.yaml:1:7: base: "azure" is none of aws, none`}},
		{"base: [aws]", []string{"r.yaml:1:7: base: it is not a plain value: text, number, true or false"}},
		{"- aws", []string{"r.yaml:1:1: a configuration is lines of the form name: value"}},
		{"base: aws\nbase: aws", []string{`r.yaml:2:1: mapping key "base" already defined at [1:1]`}},
		{"base: aws\n---\nbase: aws", []string{"r.yaml:3:5: a configuration is one document: this is another"}},
		{"base: aws\nregion: x", []string{`r.yaml:2:1: "region" is none of base, partitions, operations, usage_only, preview`}},
		{"base: aws\noperations: {}", []string{"r.yaml:2:13: operations: it is not a list"}},
		{"base: aws\noperations: [BatchMeterUsage]", []string{"r.yaml:2:14: this is not lines of the form name: value, with the names operation, platforms, regions, source"}},
		{acme + "operations:\n  - operation: batchMeterUsage\n    regions: [a-1]", []string{`r.yaml:4:16: operation: "batchMeterUsage" is none of BatchMeterUsage, MeterUsage, RegisterUsage, ResolveCustomer`}},
		{acme + "operations:\n  - operation: GetEntitlements\n    regions: [a-1]", []string{"r.yaml:4:16: operation: GetEntitlements is answered in every region, and has no table"}},
		{acme + "operations:\n  - operation: LookupEvents\n    regions: [a-1]", []string{"r.yaml:4:16: operation: LookupEvents is answered in every region, and has no table"}},
		{acme + "operations:\n  - regions: [a-1]", []string{"r.yaml:4:5: operation is missing"}},
		{acme + "operations:\n  - operation: MeterUsage", []string{"r.yaml:4:5: regions is missing"}},
		{acme + "operations:\n  - operation: MeterUsage\n    regions: []", []string{"r.yaml:5:14: regions: the list is empty"}},
		{acme + "operations:\n  - operation: MeterUsage\n    regions: a-1", []string{"r.yaml:5:14: regions: it is not a list"}},
		{acme + "operations:\n  - operation: MeterUsage\n    regions: [a-1, a-2, a-1]", []string{`r.yaml:5:25: regions: a-1 is there twice`, `r.yaml:5:20: regions: "a-2" is in no partition`}},
		{acme + "operations:\n  - operation: MeterUsage\n    platforms: [ec2, lambda]\n    regions: [a-1]", []string{`r.yaml:5:22: platforms: "lambda" is none of ec2, ecs, eks, agentcore, which MeterUsage is called from`}},
		{acme + "operations:\n  - operation: RegisterUsage\n    platforms: [ec2]\n    regions: [a-1]", []string{`r.yaml:5:17: platforms: "ec2" is none of ecs, eks, which RegisterUsage is called from`}},
		{acme + "operations:\n  - operation: ResolveCustomer\n    platforms: [ecs]\n    regions: [a-1]", []string{"r.yaml:5:17: platforms: ResolveCustomer is a seller's, from anywhere; leave the line out"}},
		{acme + "operations:\n  - operation: ResolveCustomer\n    platforms: []\n    regions: [a-1]", []string{"r.yaml:5:16: platforms: the list is empty"}},
		{acme + rest + "usage_only: [{regions: [a-9]}]", []string{`r.yaml:4:25: regions: "a-9" is in no partition`}},
		{acme + rest + "preview: [{source: here}]", []string{"r.yaml:4:11: regions is missing"}},
		{acme + rest + "preview: [{regions: [a-1], source: ''}]", []string{"r.yaml:4:36: source: the value is empty"}},
		{"base: none\npartitions: [{name: acme}]\n" + rest, []string{"r.yaml:2:14: regions is missing", `r.yaml:3:53: regions: "a-1" is in no partition`}},
		{"base: none\npartitions: [{regions: [a-1]}]\n" + rest, []string{"r.yaml:2:14: name is missing"}},
		{"base: none\npartitions: [{name: Acme Inc, regions: [a-1]}]\n" + rest, []string{`r.yaml:2:21: name: "Acme Inc" is not a name such as acme: small letters, digits and hyphens`}},
		{"base: none\npartitions: [{name: acme, regions: [a-1, A-2, a/3, a.4, -a, null]}]\n" + rest, []string{
			`r.yaml:2:61: regions: it has no value; leave the line out, or write "" for an empty one`,
			`r.yaml:2:42: regions: "A-2" is not the name of a region, such as acme-central-1: small letters, digits and hyphens`,
			`r.yaml:2:47: regions: "a/3" is not the name of a region, such as acme-central-1: small letters, digits and hyphens`,
			`r.yaml:2:52: regions: "a.4" is not the name of a region, such as acme-central-1: small letters, digits and hyphens`,
			`r.yaml:2:57: regions: "-a" is not the name of a region, such as acme-central-1: small letters, digits and hyphens`,
		}},
		{"base: aws\npartitions: [{name: acme, regions: [us-east-1]}]", []string{"r.yaml:2:37: regions: us-east-1 is in partition aws already"}},
		{hostFile("service: smtp, name: a.example"), []string{`r.yaml:2:61: service: "smtp" is none of metering, entitlement, sts, cloudtrail`}},
		{hostFile("service: sts, variant: ipv6, name: a.example"), []string{`r.yaml:2:75: variant: "ipv6" is none of default, dual-stack, fips, fips-dual-stack`}},
		{hostFile("service: sts"), []string{"r.yaml:2:51: name is missing"}},
		{hostFile("service: sts, name: sts.a.example}, {service: sts, name: sts.a.example"), []string{"r.yaml:2:88: sts.a.example is there already for sts"}},
	} {
		r, problems := parseRegions("r.yaml", []byte(test.file))
		var got []string
		for _, p := range problems {
			got = append(got, p.Error())
		}
		if diff := cmp.Diff(test.want, got); diff != "" || r != nil {
			t.Errorf("%s\n%s", test.file, diff)
		}
	}
}

func hostFile(host string) string {
	return fmt.Sprintf("base: none\npartitions: [{name: acme, regions: [a-1], hosts: [{%s}]}]\noperations: [{operation: BatchMeterUsage, regions: [a-1]}]\n", host)
}

// TestHostPatterns: names that can be a host's, with the region once at the most
// and a domain behind it.
func TestHostPatterns(t *testing.T) {
	for pattern, want := range map[string]bool{
		"metering.{region}.acme.example": true, "metering-{region}.acme.example": true, "{region}.acme.example": true, "metering.acme.example": true, "meterd.internal": true,
		"": false, "metering": false, "{region}": false, "{region}.example": false, "metering.{region}": false, "metering.{region}.example": false,
		"a.{region}.{region}.acme.example": false, "https://a.example": false, "a.example:443": false, "*.a.example": false, "A.example": false,
		"a..example": false, "a.example.": false, "-a.example": false, "a_b.example": false, "10.0.0.1": false, "{zone}.acme.example": false,
	} {
		if got := isHostPattern(pattern); got != want {
			t.Errorf("%q: %t, want %t", pattern, got, want)
		}
	}
}

// TestNoRegionsFile: a file that is not there is told by its name.
func TestNoRegionsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	if r, problems := readRegions(path); r != nil || len(problems) != 1 || !os.IsNotExist(problems[0]) {
		t.Errorf("%v %v", r, problems)
	}
}

// TestRegionsLaws: whatever stands in a file, reading it ends, and what was read
// prints as a file that reads as the same.
func TestRegionsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom(strings.Split(`base: none|base: aws|partitions:|operations:|preview:|usage_only:|hosts:|  - |regions: [a-1]|regions: [us-east-1, b]|name: acme|operation: MeterUsage|platforms: [eks]|service: sts|source: "x"|\n|\n  |\n    |, |{|}|[|]|~|!!a|&a|*a|<<: |"`, "|")), 0, 24).Draw(t, "parts")
		source := strings.ReplaceAll(strings.Join(parts, ""), `\n`, "\n")
		r, problems := parseRegions("r.yaml", []byte(source))
		if problems != nil {
			return
		}
		var b bytes.Buffer
		if err := printRegions(&b, r); err != nil {
			t.Fatal(err)
		}
		again, problems := parseRegions("r.yaml", b.Bytes())
		if diff := cmp.Diff(r, again); diff != "" || problems != nil {
			t.Errorf("%v\n%s\n%s", problems, diff, b.String())
		}
	})
}

// TestRegionsOnThePage: the files that the page shows are good ones.
func TestRegionsOnThePage(t *testing.T) {
	page, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```yaml\nbase:")
	if len(blocks) != 3 {
		t.Fatalf("%d files, want 2", len(blocks)-1)
	}
	for _, block := range blocks[1:] {
		source, _, _ := strings.Cut(block, "```")
		if _, problems := parseRegions("page", []byte("base:"+source)); problems != nil {
			t.Errorf("base:%s\n%v", source, problems)
		}
	}
}
