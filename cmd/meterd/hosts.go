package main

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// hosts are the Host headers that are served: loopback's names, AWS's own, and
// what was added. A page in a browser that resolves its own name to this machine
// gets nothing.
type hosts struct{ extra []string }

// awsHosts are the names of the services on AWS, before the region.
var awsHosts = []string{
	"metering.marketplace.", "metering-marketplace.", "metering.marketplace-fips.", "metering-marketplace-fips.",
	"entitlement.marketplace.", "entitlement-marketplace.", "cloudtrail.", "cloudtrail-fips.",
}

// awsSuffixes are the DNS suffixes of AWS's partitions, dual-stack ones included.
var awsSuffixes = []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn", ".amazonaws.eu"}

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
	return slices.ContainsFunc(awsHosts, func(p string) bool { return strings.HasPrefix(name, p) }) &&
		slices.ContainsFunc(awsSuffixes, func(s string) bool { return strings.HasSuffix(name, s) })
}
