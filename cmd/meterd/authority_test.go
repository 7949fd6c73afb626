package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// makeAuthority makes a CA and a server's certificate in a folder.
func makeAuthority(t *testing.T, now time.Time, given ...string) (dir string, a *authority, server *x509.Certificate) {
	t.Helper()
	names, err := namesOf(given)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = newAuthority(names, now); err != nil {
		t.Fatal(err)
	}
	server, key, err := a.issue(names, now)
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "tls")
	if err := a.write(dir, server, key); err != nil {
		t.Fatal(err)
	}
	return dir, a, server
}

// TestAuthority: the server's certificate is for all its names, and for as long as
// clients take one; the CA is good for them and for no others.
func TestAuthority(t *testing.T) {
	now := time.Now()
	dir, a, server := makeAuthority(t, now, "Meterd.Internal", "10.1.2.3", "fd00::1")
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	names := append(new(hosts).serverNames(), "localhost", "127.0.0.1", "::1", "meterd.internal", "10.1.2.3", "fd00::1")
	for _, name := range names {
		at := name
		if strings.Contains(name, ":") {
			at = "[" + name + "]"
		}
		if _, err := server.Verify(x509.VerifyOptions{Roots: roots, DNSName: at, CurrentTime: now}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := server.VerifyHostname("s3.us-east-1.amazonaws.com"); err == nil {
		t.Error("the server's certificate is for S3, too")
	}
	if days := server.NotAfter.Sub(server.NotBefore).Hours() / 24; days > 825 || days < 800 {
		t.Errorf("the server's certificate is good for %v days", days)
	}
	if a.cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || !a.cert.MaxPathLenZero || !a.cert.PermittedDNSDomainsCritical {
		t.Errorf("the CA may do more than sign for a server: %v, path length zero %t, critical %t", a.cert.KeyUsage, a.cert.MaxPathLenZero, a.cert.PermittedDNSDomainsCritical)
	}

	// Whoever has the key can sign anything; nobody has to believe it.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged := func(change func(*x509.Certificate)) error {
		template := &x509.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		change(template)
		cert, err := sign(template, a.cert, key, a.key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: template.ExtKeyUsage})
		return err
	}
	for _, name := range []string{"example.com", "amazonaws.com.example", "internal", "console.aws.amazon.com"} {
		if forged(func(c *x509.Certificate) { c.DNSNames = []string{name} }) == nil {
			t.Errorf("the CA is good for %s", name)
		}
	}
	if forged(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 1, 2, 4)} }) == nil {
		t.Error("the CA is good for 10.1.2.4")
	}
	if forged(func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = []string{"localhost"}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}) == nil {
		t.Error("the CA is good for clients")
	}
	if err := forged(func(c *x509.Certificate) { c.DNSNames = []string{"eu.meterd.internal"} }); err != nil {
		t.Errorf("below a name that was given: %v", err)
	}

	for name, want := range map[string]fs.FileMode{caKeyFile: 0o600, serverKeyFile: 0o600, caFile: 0o644, serverFile: 0o644} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %v", name, info, err, want)
		}
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, serverFile), filepath.Join(dir, serverKeyFile))
	if err != nil || len(pair.Certificate) != 2 {
		t.Errorf("%d certificates, want the server's and the CA's; %v", len(pair.Certificate), err)
	}
}

// TestIssue: from what is on the disk, until the CA ends and no longer, in files
// that stay whose they are.
func TestIssue(t *testing.T) {
	began := time.Now()
	dir, made, first := makeAuthority(t, began)
	a, err := readAuthority(dir)
	if err != nil || !a.cert.Equal(made.cert) {
		t.Fatalf("another CA than was written: %v", err)
	}
	late := a.cert.NotAfter.Add(-24 * time.Hour)
	second, key, err := a.issue([]string{"localhost"}, late)
	if err != nil || !second.NotAfter.Equal(a.cert.NotAfter) {
		t.Fatalf("a day before the CA's end: until %v, want %v; %v", second.NotAfter, a.cert.NotAfter, err)
	}
	if _, _, err := a.issue([]string{"localhost"}, late.Add(25*time.Hour)); err == nil || !strings.Contains(err.Error(), "the CA has expired") {
		t.Errorf("after the CA's end: %v", err)
	}
	if _, _, err := a.issue([]string{"example.com"}, began); err == nil || !strings.Contains(err.Error(), "settled when it is made") {
		t.Errorf("a name that the CA may not sign for: %v", err)
	}

	if err := os.Chmod(filepath.Join(dir, serverKeyFile), 0o640); err != nil { // a group may read it
		t.Fatal(err)
	}
	files, err := a.files(second, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := f.replace(dir); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, serverFile), filepath.Join(dir, serverKeyFile))
	if err != nil || pair.Leaf.SerialNumber.Cmp(first.SerialNumber) == 0 {
		t.Errorf("the certificate is the one before, or does not fit its key: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, serverKeyFile)); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the key's mode is %v, %v; want the one it had", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 4 {
		t.Errorf("in the folder: %v, %v", entries, err)
	}
}

// TestAuthorityIsNotOverwritten: whichever of the files is there, it stays as it
// is, and none is made beside it.
func TestAuthorityIsNotOverwritten(t *testing.T) {
	dir, a, server := makeAuthority(t, time.Now())
	_, key, err := a.issue([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{caKeyFile, caFile, serverKeyFile, serverFile} {
		alone := t.TempDir()
		if err := os.WriteFile(filepath.Join(alone, name), []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.write(alone, server, key); err == nil || !strings.Contains(err.Error(), name+" exists, and stays as it is") {
			t.Errorf("%s: %v", name, err)
		}
		text, err := os.ReadFile(filepath.Join(alone, name))
		if err != nil || string(text) != "precious" {
			t.Errorf("%s is now %q, %v", name, text, err)
		}
		if entries, err := os.ReadDir(alone); err != nil || len(entries) != 1 {
			t.Errorf("%s: beside it: %v, %v", name, entries, err)
		}
	}
	if err := a.write(dir, server, key); err == nil {
		t.Error("a whole folder was overwritten")
	}
}

func TestNamesOf(t *testing.T) {
	names, err := namesOf([]string{"METERD", "a_b.internal", "::ffff:10.0.0.1", "localhost", "3com", "meterd"})
	given := names[len(new(hosts).serverNames())+len(own):]
	if want := []string{"meterd", "a_b.internal", "10.0.0.1", "3com"}; err != nil || !slices.Equal(given, want) {
		t.Errorf("got %q, %v; want %q", given, err, want)
	}
	for _, bad := range []string{
		"", " ", ".", "a.", ".a", "a..b", "*.internal", "https://meterd", "meterd:443", "[::1]", "10.1.2.300", "fe80::1%eth0",
		"-a", "a-", "bücher.example", "a/b", strings.Repeat("a", 64), strings.Repeat("a.", 127) + "b",
	} {
		if _, err := namesOf([]string{bad}); err == nil || !strings.Contains(err.Error(), "is neither a host name") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestTrustHelp reads it for each platform: every one has its own way to trust
// and to undo that, and quotes paths as its shell wants.
func TestTrustHelp(t *testing.T) {
	t.Setenv("SHELL", "/bin/bash")
	for os, wants := range map[string][]string{
		"linux": {
			"127.0.0.1 metering.marketplace.eu-west-1.amazonaws.com\n", "  meterd dev --tls '/a b' --listen 127.0.0.1:443\n",
			"export AWS_CA_BUNDLE='/a b/ca.pem'\n", "setcap cap_net_bind_service=+ep /bin/meterd", "sudo rm /usr/local/share/ca-certificates/", "update-ca-trust\n",
		},
		"darwin":  {"/etc/hosts:", "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain '/a b/ca.pem'\n", "delete-certificate -t -c 'a CA'"},
		"windows": {`drivers\etc\hosts`, "$Env:AWS_CA_BUNDLE = '/a b/ca.pem'\n", "certutil -delstore Root 'a CA'"},
		"freebsd": {"the system's manual"},
	} {
		var b strings.Builder
		err := printTrustHelp(&b, trustGuide{OS: os, Dir: "/a b", CA: "/a b/ca.pem", KeyFile: caKeyFile, Name: "a CA", Hosts: namesFor("eu-west-1"), Program: "meterd", Binary: "/bin/meterd"})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: there is no %q in\n%s", os, want, &b)
			}
		}
		if os != "linux" && strings.Contains(b.String(), "update-ca-certificates") {
			t.Errorf("%s is told of Debian", os)
		}
	}
}
