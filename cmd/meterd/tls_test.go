package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startTLS serves over TLS until the test's end.
func startTLS(t *testing.T, lasting bool) (addr string, roots *x509.CertPool) {
	t.Helper()
	dir, a, _ := makeAuthority(t, time.Now(), "meterd.example")
	s := newTestServer(t)
	var err error
	if s.certificate, err = newCertificate(filepath.Join(dir, serverFile), filepath.Join(dir, serverKeyFile), s.log); err != nil {
		t.Fatal(err)
	}
	s.hosts.extra, s.lasting = []string{"meterd.example"}, lasting
	roots = x509.NewCertPool()
	roots.AddCert(a.cert)
	return startServer(t, s), roots
}

// TestTLS: 1.2 and 1.3 and nothing older, with ciphers that keep what was said
// before a key was stolen; HTTP/2 for who knows it, HTTP/1.1 for others; and what is
// not TLS is turned away.
func TestTLS(t *testing.T) {
	t.Parallel()
	addr, roots := startTLS(t, true)
	dial := func(c *tls.Config) (tls.ConnectionState, error) {
		c.RootCAs, c.ServerName = roots, "metering.marketplace.us-east-1.amazonaws.com"
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", addr, c)
		if err != nil {
			return tls.ConnectionState{}, err
		}
		defer conn.Close()
		return conn.ConnectionState(), nil
	}
	for version, served := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		state, err := dial(&tls.Config{MinVersion: version, MaxVersion: version})
		if (err == nil) != served || served && state.Version != version {
			t.Errorf("%s: %v, want served %t", tls.VersionName(version), err, served)
		}
		if !served && err != nil && !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("%s is refused for another reason: %v", tls.VersionName(version), err)
		}
	}
	for _, weak := range tls.InsecureCipherSuites() {
		if _, err := dial(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{weak.ID}}); err == nil {
			t.Errorf("%s is served", tls.CipherSuiteName(weak.ID))
		}
	}
	for _, offer := range []struct {
		protocols []string
		want      string
	}{{[]string{"h2", "http/1.1"}, "h2"}, {[]string{"http/1.1"}, "http/1.1"}, {nil, ""}} {
		if state, err := dial(&tls.Config{NextProtos: offer.protocols}); err != nil || state.NegotiatedProtocol != offer.want {
			t.Errorf("%q: got %q, %v; want %q", offer.protocols, state.NegotiatedProtocol, err, offer.want)
		}
	}

	plain, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	_ = plain.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(plain, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(plain), nil)
	if err != nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP: %v, %v; want 400", res, err)
	}
	if rest, err := io.ReadAll(plain); err != nil || len(rest) != 0 {
		t.Errorf("after plain HTTP the connection is not closed: %q, %v", rest, err)
	}
}

// TestStrictTransport: browsers are told to stay with TLS where operators go, in
// production, and under no name that other servers share.
func TestStrictTransport(t *testing.T) {
	t.Parallel()
	for _, lasting := range []bool{true, false} {
		addr, roots := startTLS(t, lasting)
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		}}
		for _, ask := range []struct {
			host, path string
			want       bool
		}{
			{"meterd.example", "/admin/v1/records", lasting},
			{"meterd.example", "/", false},
			{"meterd.example", "/readyz", false},
			{"localhost", "/admin/v1/records", false},
			{"LocalHost:8443", "/admin/v1/records", false},
			{"meterd.localhost", "/admin/v1/records", false},
		} {
			req, err := http.NewRequest(http.MethodGet, "https://"+addr+ask.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = ask.host
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := res.Header.Get("Strict-Transport-Security"); (got != "") != ask.want || res.Proto != "HTTP/2.0" {
				t.Errorf("%s%s, lasting %t, over %s: got %q", ask.host, ask.path, lasting, res.Proto, got)
			}
		}
	}
}
