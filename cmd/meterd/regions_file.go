package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/meterd/meterd/internal/metering"
)

// readRegions reads a file that says what is served where; without one it is
// AWS's tables. All that is wrong with it is told, each with its place.
func readRegions(path string) (*metering.Regions, []error) {
	if path == "" {
		return metering.AWSRegions(), nil
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, []error{err}
	}
	return parseRegions(path, source)
}

func parseRegions(path string, source []byte) (*metering.Regions, []error) {
	pairs, err := parsePairs(source)
	var syntax yaml.Error
	switch {
	case errors.As(err, &syntax):
		at := syntax.GetToken().Position
		return nil, []error{fmt.Errorf("%s: %s", place(path, at.Line, at.Column), syntax.GetMessage())}
	case err != nil:
		return nil, []error{fmt.Errorf("%s: %w", path, err)}
	}
	f := &regionsFile{path: path, partitionOf: make(map[string]string)}
	r := f.regions(pairs)
	if f.problems != nil {
		return nil, f.problems
	}
	return r, nil
}

// regionsFile is such a file on its way in.
type regionsFile struct {
	path        string
	partitionOf map[string]string // by region
	problems    []error
}

func (f *regionsFile) add(at ast.Node, format string, args ...any) {
	switch mapping := at.(type) { // whose token is the first colon
	case *ast.MappingValueNode:
		at = mapping.Key
	case *ast.MappingNode:
		if !mapping.IsFlowStyle && len(mapping.Values) > 0 {
			at = mapping.Values[0].Key
		}
	}
	p := at.GetToken().Position
	f.problems = append(f.problems, fmt.Errorf("%s: %s", place(f.path, p.Line, p.Column), fmt.Sprintf(format, args...)))
}

// Bases that a file can begin from.
const (
	baseAWS  = "aws"
	baseNone = "none"
)

func (f *regionsFile) regions(pairs []*ast.MappingValueNode) *metering.Regions {
	r := new(metering.Regions)
	top := f.fields(pairs, "base", "partitions", "operations", "usage_only", "preview")
	switch base := top["base"]; {
	case base == nil:
		f.problems = append(f.problems, fmt.Errorf("%s: base is missing: aws (AWS's tables, and beside them what stands here) or none (what stands here alone)", f.path))
	case f.word(base, "base", baseAWS, baseNone) == baseAWS:
		r = metering.AWSRegions()
	}
	for _, p := range r.Partitions {
		f.enter(p.Name, p.Regions)
	}
	for _, node := range f.list(top["partitions"], "partitions") {
		f.partition(r, node)
	}
	for _, node := range f.list(top["operations"], "operations") {
		f.operation(r, node)
	}
	r.UsageOnly = append(r.UsageOnly, f.areas(top["usage_only"], "usage_only")...)
	r.Preview = append(r.Preview, f.areas(top["preview"], "preview")...)
	if len(r.Tables) == 0 && f.problems == nil {
		f.problems = append(f.problems, fmt.Errorf("%s: nothing is served anywhere: operations is missing or empty", f.path))
	}
	return r
}

// partition adds one, or adds to one of the base.
func (f *regionsFile) partition(r *metering.Regions, node ast.Node) {
	fields := f.mapping(node, "name", "regions", "hosts", "source")
	if fields == nil {
		return
	}
	name := f.need(node, fields, "name")
	if name != "" && !isRegionName(name) {
		f.add(fields["name"], "name: %q is not a name such as acme: small letters, digits and hyphens", name)
	}
	i := slices.IndexFunc(r.Partitions, func(p metering.Partition) bool { return p.Name == name })
	if i < 0 {
		i, r.Partitions = len(r.Partitions), append(r.Partitions, metering.Partition{Name: name})
		if fields["regions"] == nil {
			f.add(node, "regions is missing")
		}
	}
	p := &r.Partitions[i]
	for _, item := range f.texts(fields["regions"], "regions") {
		switch before := f.partitionOf[item.text]; {
		case !isRegionName(item.text):
			f.add(item, "regions: %q is not the name of a region, such as acme-central-1: small letters, digits and hyphens", item.text)
		case before != "":
			f.add(item, "regions: %s is in partition %s already", item.text, before)
		default:
			p.Regions = append(p.Regions, item.text)
			f.enter(cmp.Or(name, "?"), []string{item.text})
		}
	}
	for _, node := range f.list(fields["hosts"], "hosts") {
		if h, ok := f.host(node); ok {
			if slices.Contains(p.Hosts, h) {
				f.add(node, "%s is there already for %s", h.Name, h.Service)
			}
			p.Hosts = append(p.Hosts, h)
		}
	}
	p.Source = joined(p.Source, f.source(fields))
}

func (f *regionsFile) enter(partition string, regions []string) {
	for _, region := range regions {
		f.partitionOf[region] = partition
	}
}

// What a host name can be of.
var (
	services = []string{"metering", "entitlement", "sts", "cloudtrail"}
	variants = []string{"default", "dual-stack", "fips", "fips-dual-stack"}
)

func (f *regionsFile) host(node ast.Node) (h metering.HostName, ok bool) {
	fields := f.mapping(node, "service", "variant", "name")
	if fields == nil {
		return h, false
	}
	h = metering.HostName{Service: f.need(node, fields, "service"), Variant: variants[0], Name: f.need(node, fields, "name")}
	if h.Service != "" {
		f.word(fields["service"], "service", services...)
	}
	if fields["variant"] != nil {
		h.Variant = f.word(fields["variant"], "variant", variants...)
	}
	if h.Name != "" && !isHostPattern(h.Name) {
		f.add(fields["name"], "name: %q is not a host name such as metering.%s.acme.example: small letters, digits, hyphens and dots, and a domain after the region", h.Name, metering.RegionMark)
	}
	return h, true
}

var (
	hostName   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	regionName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// isRegionName holds for names that are texts to YAML without quotes.
func isRegionName(text string) bool {
	return regionName.MatchString(text) && text != "null" && text != "true" && text != "false"
}

// isHostPattern holds for host names with the region once at the most. Two labels
// have to follow it: Hosts of strangers' domains are not ours to serve.
func isHostPattern(text string) bool {
	before, after, regional := strings.Cut(text, metering.RegionMark)
	if !regional {
		return hostName.MatchString(text)
	}
	_, domain, ok := strings.Cut(after, ".")
	return ok && strings.Contains(domain, ".") && hostName.MatchString(before+"r"+after)
}

// callableFrom says which platforms an operation can tell apart.
var callableFrom = map[metering.Operation][]string{
	metering.BatchMeterUsage: nil,
	metering.ResolveCustomer: nil,
	metering.MeterUsage:      {string(metering.PlatformEC2), string(metering.PlatformECS), string(metering.PlatformEKS), string(metering.PlatformAgentCore)},
	metering.RegisterUsage:   {string(metering.PlatformECS), string(metering.PlatformEKS)},
}

func (f *regionsFile) operation(r *metering.Regions, node ast.Node) {
	fields := f.mapping(node, "operation", "platforms", "regions", "source")
	if fields == nil {
		return
	}
	t := metering.Table{Operation: metering.Operation(f.need(node, fields, "operation")), Source: f.source(fields)}
	platforms, known := callableFrom[t.Operation]
	switch at := fields["operation"]; {
	case t.Operation == metering.GetEntitlements, t.Operation == metering.LookupEvents:
		f.add(at, "operation: %s is answered in every region, and has no table", t.Operation)
	case t.Operation != "" && !known:
		f.add(at, "operation: %q is none of BatchMeterUsage, MeterUsage, RegisterUsage, ResolveCustomer", t.Operation)
	}
	for _, item := range f.texts(fields["platforms"], "platforms") {
		switch {
		case known && platforms == nil:
			f.add(item, "platforms: %s is a seller's, from anywhere; leave the line out", t.Operation)
		case known && !slices.Contains(platforms, item.text):
			f.add(item, "platforms: %q is none of %s, which %s is called from", item.text, strings.Join(platforms, ", "), t.Operation)
		}
		t.Platforms = append(t.Platforms, metering.Platform(item.text))
	}
	t.Regions = f.known(node, fields)
	r.Tables = append(r.Tables, t)
}

func (f *regionsFile) areas(node ast.Node, name string) (all []metering.Area) {
	for _, node := range f.list(node, name) {
		if fields := f.mapping(node, "regions", "source"); fields != nil {
			all = append(all, metering.Area{Regions: f.known(node, fields), Source: f.source(fields)})
		}
	}
	return all
}

// known reads regions that are in a partition: a slip of the pen is in none.
func (f *regionsFile) known(node ast.Node, fields map[string]ast.Node) (regions []string) {
	if fields["regions"] == nil {
		f.add(node, "regions is missing")
	}
	for _, item := range f.texts(fields["regions"], "regions") {
		if f.partitionOf[item.text] == "" {
			f.add(item, "regions: %q is in no partition", item.text)
		}
		regions = append(regions, item.text)
	}
	return regions
}

func joined(sources ...string) string {
	return strings.Join(slices.DeleteFunc(sources, func(s string) bool { return s == "" }), "; ")
}
