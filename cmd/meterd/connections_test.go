package main

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// TestConnectionCap: one address gets so many connections and no more; another
// has its own; a place that is given back is there again.
func TestConnectionCap(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int32
	l := newCappedListener(inner.(*net.TCPListener), 2, func() { refused.Add(1) })
	accepted := make(chan net.Conn, 10)
	go func() {
		defer close(accepted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		for conn := range accepted {
			_ = conn.Close()
		}
	})
	dial := func(from string) net.Conn {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
		conn, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	taken := func() net.Conn {
		t.Helper()
		select {
		case conn := <-accepted:
			return conn
		case <-time.After(5 * time.Second):
			t.Fatal("the connection was not accepted")
			return nil
		}
	}
	dial("127.0.0.1")
	first := taken()
	dial("127.0.0.1")
	taken()

	third := dial("127.0.0.1")
	_ = third.SetReadDeadline(time.Now().Add(5 * time.Second))
	var timeout net.Error
	if _, err := third.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("one too many: %v, want it closed", err)
	}
	if refused.Load() != 1 {
		t.Errorf("%d were refused, want 1", refused.Load())
	}
	dial("127.0.0.2")
	taken()

	_ = first.Close()
	_ = first.Close() // twice gives one place back
	dial("127.0.0.1")
	conn := taken()
	if _, ok := conn.(interface{ CloseWrite() error }); !ok {
		t.Error("the HTTP server could not say the last of an answer")
	}
	fourth := dial("127.0.0.1")
	_ = fourth.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := fourth.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("one too many again: %v, want it closed", err)
	}
}

// TestNoConnectionCap: 0 is none.
func TestNoConnectionCap(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newCappedListener(inner.(*net.TCPListener), 0, func() { t.Error("refused") })
	defer l.Close()
	for range 20 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		served, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(served, "x")
		defer served.Close()
	}
}

// TestOrigin: who counts as one.
func TestOrigin(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"::1", "127.0.0.1", false},
	} {
		of := func(s string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(s), Port: 1} }
		if same := origin(of(test.a)) == origin(of(test.b)); same != test.same {
			t.Errorf("%s and %s count as one: %v", test.a, test.b, same)
		}
	}
}
