package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// authority is a local CA: it signs the certificate of a server that stands in
// for AWS, for those who choose to trust it.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// How long certificates are good for. Apple's systems take none of a server's that
// is good for more than 825 days (support.apple.com/en-us/103769).
const (
	authorityLifetime = 5 * 365 * 24 * time.Hour
	serverLifetime    = 825*24*time.Hour - time.Second
	backdated         = time.Hour // for clients whose clock is behind
)

// own are the names of this machine for itself.
var own = []string{"localhost", "127.0.0.1", "::1"}

// newAuthority makes a CA that may sign for the names, in AWS's domains for all
// within them, and for no others. Nobody who trusts it trusts it with more.
func newAuthority(names []string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	var tag [4]byte // two in one trust store are told apart by it
	rand.Read(tag[:])
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: fmt.Sprintf("meterd local CA %x", tag)},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true,
	}
	for _, name := range names {
		if ip, err := netip.ParseAddr(name); err == nil {
			template.PermittedIPRanges = append(template.PermittedIPRanges, &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(ip.BitLen(), ip.BitLen())})
		} else if domain := domainOf(name); !slices.Contains(template.PermittedDNSDomains, domain) {
			template.PermittedDNSDomains = append(template.PermittedDNSDomains, domain)
		}
	}
	a := &authority{key: key}
	a.cert, err = sign(template, template, key, key)
	return a, err
}

// awsDomains are where AWS's partitions have their names.
var awsDomains = []string{"amazonaws.com", "amazonaws.com.cn", "api.aws", "api.amazonwebservices.com.cn", "amazonaws.eu"}

// domainOf is what is permitted for a name: of AWS's, the domain, because regions
// are added to it.
func domainOf(name string) string {
	for _, domain := range awsDomains {
		if strings.HasSuffix(name, "."+domain) {
			return domain
		}
	}
	return name
}

// issue signs a certificate of a server with those names, and makes its key.
func (a *authority) issue(names []string, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	if now.After(a.cert.NotAfter) {
		return nil, nil, fmt.Errorf("the CA has expired (%s): make another, in another folder", a.cert.NotAfter.Format(time.DateOnly))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "meterd server"},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(-backdated + serverLifetime), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	cert, err := sign(template, a.cert, key, a.key)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
		return nil, nil, fmt.Errorf("%w. What a CA may sign for is settled when it is made: make another, in another folder, with these --hosts", err)
	}
	return cert, key, nil
}

// sign makes a certificate of key.
func sign(template, parent *x509.Certificate, key, with *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), with)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// certifiable is a name that a certificate can hold.
var certifiable = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)

// namesOf are all that a server's certificate is for: AWS's, this machine's, and
// the hosts that were given.
func namesOf(given []string) ([]string, error) {
	names := append(new(hosts).serverNames(), own...)
	for _, host := range given {
		name := strings.ToLower(host)
		last := name[strings.LastIndex(name, ".")+1:]
		ip, err := netip.ParseAddr(name)
		switch {
		case err == nil && ip.Zone() == "":
			name = ip.Unmap().String()
		case len(name) > 253 || !certifiable.MatchString(name) || strings.Trim(last, "0123456789") == "":
			return nil, fmt.Errorf("--hosts %q is neither a host name, such as meterd.internal, nor an address", host)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
