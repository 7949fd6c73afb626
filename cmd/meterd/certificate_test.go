package main

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// syncBuffer is a log that is written and read at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// eventually waits, ten seconds at most, until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestCertificateIsReadAgain: when told, and when the files have changed at a
// tick; a pair that cannot be used leaves the one before in place.
func TestCertificateIsReadAgain(t *testing.T) {
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	leaf := makeCertificate(t, certFile, keyFile, time.Now().Add(time.Hour))
	log := new(syncBuffer)
	c, err := newCertificate(certFile, keyFile, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if !c.expires().Equal(leaf.NotAfter) {
		t.Errorf("expires %s, want %s", c.expires(), leaf.NotAfter)
	}
	told, tick := make(chan os.Signal), make(chan time.Time)
	go c.watch(t.Context(), told, tick)

	l, err := tls.Listen("tcp", "127.0.0.1:0", c.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = conn.(*tls.Conn).Handshake(); _ = conn.Close() }()
		}
	}()
	served := func() string {
		t.Helper()
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := leaf.SerialNumber.String()
	if served() != first {
		t.Fatal("another certificate is served than was given")
	}
	reads := func() int { return strings.Count(log.String(), "was read again") }

	tick <- time.Time{}
	tick <- time.Time{} // when this is taken, the one before has been dealt with
	if reads() != 0 {
		t.Error("files that had not changed were read again")
	}
	time.Sleep(100 * time.Millisecond) // for the second, which looks at two files
	second := makeCertificate(t, certFile, keyFile, time.Now().Add(2*time.Hour)).SerialNumber.String()
	if served() != first {
		t.Error("a certificate is served before it was read")
	}
	tick <- time.Time{}
	eventually(t, "the change is served", func() bool { return served() == second })

	if err := os.WriteFile(keyFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	tick <- time.Time{}
	eventually(t, "the log says so", func() bool { return strings.Contains(log.String(), "the one before stays") })
	tick <- time.Time{}
	tick <- time.Time{}
	if n := strings.Count(log.String(), "the one before stays"); n != 1 {
		t.Errorf("the log says %d times what is wrong, want once for a change", n)
	}
	if served() != second {
		t.Error("a pair that cannot be used has replaced one that can")
	}

	third := makeCertificate(t, certFile, keyFile, time.Now().Add(3*time.Hour)).SerialNumber.String()
	told <- syscall.SIGHUP
	eventually(t, "the signal is heeded", func() bool { return served() == third })

	_, err = tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		t.Error("TLS 1.1 is served")
	}
}
