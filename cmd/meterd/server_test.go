package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startServer serves until the test's end.
func startServer(t *testing.T, s *server) string {
	t.Helper()
	listener := loopback(t)
	ctx, stop := context.WithCancel(t.Context())
	ended, started := make(chan error, 1), make(chan struct{})
	go func() { ended <- s.serve(ctx, listener, func() { close(started) }) }()
	<-started
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// TestConnectionLimits: a sender who dribbles is cut off after five seconds, and
// headers beyond their size are refused.
func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	addr := startServer(t, newTestServer(t))
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		return conn
	}
	large := dial()
	fmt.Fprintf(large, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Pad: %s\r\n\r\n", strings.Repeat("x", maxHeaderBytes+8<<10))
	res, err := http.ReadResponse(bufio.NewReader(large), nil)
	if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("large headers: %v %v", res, err)
	}
	slow := dial()
	began := time.Now()
	fmt.Fprint(slow, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	if _, err := io.Copy(io.Discard, slow); err != nil {
		t.Errorf("a slow sender is not cut off: %v", err)
	}
	if waited := time.Since(began); waited < readHeaderTimeout-time.Second {
		t.Errorf("a slow sender is cut off after %s, want %s", waited, readHeaderTimeout)
	}
}

// TestHTTP2Streams: over TLS it is HTTP/2, and the server's first frame says how
// many streams there may be (RFC 9113, 6.5.2).
func TestHTTP2Streams(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	certFile, keyFile := filepath.Join(t.TempDir(), "c"), filepath.Join(t.TempDir(), "k")
	makeCertificate(t, certFile, keyFile, time.Now().Add(time.Hour))
	var err error
	if s.certificate, err = newCertificate(certFile, keyFile, s.log); err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", startServer(t, s), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Fatalf("the protocol is %q", got)
	}
	fmt.Fprint(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	head := make([]byte, 9)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(conn, payload); err != nil {
		t.Fatal(err)
	}
	const settingsFrame, maxConcurrentStreams = 4, 3
	for ; head[3] == settingsFrame && len(payload) >= 6; payload = payload[6:] {
		if binary.BigEndian.Uint16(payload) == maxConcurrentStreams {
			if got := binary.BigEndian.Uint32(payload[2:]); got != maxStreams {
				t.Errorf("%d streams, want %d", got, maxStreams)
			}
			return
		}
	}
	t.Error("the server does not say how many streams there may be")
}
