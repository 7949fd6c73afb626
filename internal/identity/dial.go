package identity

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
)

// Servers are fetched from because somebody configured their names, or because an
// issuer's document named them, and names lead where their owners like, differently
// from one look to the next. So an address is judged when it is dialled.

// special are the addresses that no issuer on the internet has (the registries of
// special-purpose addresses, RFC 6890). Of IPv6 only 2000::/3 is given out at all.
var (
	special4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
		"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = prefixes("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

	// private are those of special that a network may give to its own servers.
	private = prefixes("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
	// metadata are the private addresses where clouds hand out credentials.
	metadata = prefixes("100.100.100.200/32", "fd00:ec2::/32", "fd20:ce::/32")
)

func prefixes(texts ...string) (ps []netip.Prefix) {
	for _, text := range texts {
		ps = append(ps, netip.MustParsePrefix(text))
	}
	return ps
}

func in(addr netip.Addr, ps []netip.Prefix) bool {
	for _, p := range ps {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// mayDial reports whether a server of the issuer may have the address.
func (i *Issuer) mayDial(addr netip.Addr) bool {
	switch {
	case !addr.IsValid() || addr.Is4In6() || addr.Zone() != "": // an address in another guise
		return false
	case addr.IsLoopback():
		return i.Loopback
	case in(addr, metadata):
		return false
	case in(addr, private):
		return i.Private
	case addr.Is4():
		return !in(addr, special4)
	}
	return global6.Contains(addr) && !in(addr, special6)
}

// control is a net.Dialer's ControlContext: it sees each address that is about to
// be connected to.
func (i *Issuer) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !i.mayDial(at.Addr()) {
		return fmt.Errorf("its address, %s, is not one that an issuer may have", address)
	}
	return nil
}
