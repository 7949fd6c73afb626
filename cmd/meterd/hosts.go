package main

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/meterd/meterd/internal/metering"
)

// hosts are the Host headers that are served: loopback's names, those of the
// services, and what was added. A page in a browser that resolves its own name to
// this machine gets nothing.
type hosts struct {
	extra   []string
	regions *metering.Regions // nil: AWS's
}

func (h *hosts) table() *metering.Regions {
	if h.regions == nil {
		return metering.AWSRegions()
	}
	return h.regions
}

// serves judges a Host header, with or without a port.
func (h *hosts) serves(host string) bool {
	host = strings.ToLower(host)
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	name = strings.Trim(name, "[]")
	if ip, err := netip.ParseAddr(name); err == nil && ip.IsLoopback() {
		return true
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if slices.ContainsFunc(h.extra, func(e string) bool { return strings.EqualFold(e, host) || strings.EqualFold(e, name) }) {
		return true
	}
	return slices.ContainsFunc(h.table().Partitions, func(p metering.Partition) bool {
		return slices.ContainsFunc(p.Hosts, func(known metering.HostName) bool { return isNameOf(name, known.Name) })
	})
}

// isNameOf reports whether a name is the pattern in any region, listed or not:
// that nothing is served there is for the answer to say.
func isNameOf(name, pattern string) bool {
	before, after, regional := strings.Cut(pattern, metering.RegionMark)
	if !regional {
		return name == pattern
	}
	rest, ok := strings.CutPrefix(name, before)
	region, found := strings.CutSuffix(rest, after)
	return ok && found && region != "" && !strings.Contains(region, ".")
}

// serverNames are all names of the services, in every region where anything is
// served: what a certificate has to be for.
func (h *hosts) serverNames() []string {
	regions := h.table()
	var names []string
	for _, p := range regions.Partitions {
		for _, region := range p.Regions {
			if regions.Listed(region) {
				names = append(names, namesIn(p, region)...)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// namesIn are a partition's names in one region.
func namesIn(p metering.Partition, region string) []string {
	var names []string
	for _, host := range p.Hosts {
		if name := host.In(region); !slices.Contains(names, name) { // some are of two variants
			names = append(names, name)
		}
	}
	return names
}
