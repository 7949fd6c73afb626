package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDevServesItsCertificatesNames: what the certificate is for need not be named
// again for the Host header.
func TestDevServesItsCertificatesNames(t *testing.T) {
	alone(t)
	dir, a, _ := makeAuthority(t, time.Now(), "meterd.internal")
	envFile := filepath.Join(t.TempDir(), "env")
	d := dev{listen: "127.0.0.1:0", tls: dir, envFile: envFile, throttle: "aws", logLevel: "info"}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, io.Discard, io.Discard, "meterd dev") }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	var url string
	eventually(t, "the env file is written", func() bool {
		text, _ := os.ReadFile(envFile)
		if m := regexp.MustCompile(`METERD_URL=(\S+)`).FindSubmatch(text); m != nil {
			url = string(m[1])
		}
		return url != ""
	})
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	for host, want := range map[string]int{"meterd.internal": http.StatusUnauthorized, "other.internal": http.StatusBadRequest} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/admin/v1/records", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: got %s, want %d", host, res.Status, want)
		}
	}
}

// TestDevRefusesAnExpiredCertificate: no client would take it.
func TestDevRefusesAnExpiredCertificate(t *testing.T) {
	dir, _, _ := makeAuthority(t, time.Now().Add(-serverLifetime))
	_, _, err := (&dev{tls: dir}).certificate(slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "the certificate has expired") || !strings.Contains(err.Error(), "meterd ca issue ") {
		t.Errorf("got %v", err)
	}
}
