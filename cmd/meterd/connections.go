package main

import (
	"net"
	"net/netip"
	"sync"

	"github.com/meterd/meterd/internal/caller"
)

// cappedListener accepts so many connections from each address at once, and
// closes those beyond. One client cannot take all there is room for.
type cappedListener struct {
	*net.TCPListener
	most    int    // 0: no cap
	refused func() // told of each that was closed

	mu   sync.Mutex
	open map[netip.Prefix]int
}

func newCappedListener(l *net.TCPListener, most int, refused func()) *cappedListener {
	return &cappedListener{TCPListener: l, most: most, refused: refused, open: make(map[netip.Prefix]int)}
}

// Accept returns the next connection that there is room for.
func (l *cappedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptTCP()
		if err != nil || l.most == 0 {
			return conn, err
		}
		from := origin(conn.RemoteAddr())
		if l.take(from) {
			return &cappedConn{TCPConn: conn, leave: sync.OnceFunc(func() { l.give(from) })}, nil
		}
		l.refused()
		_ = conn.Close()
	}
}

func (l *cappedListener) take(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[from] >= l.most {
		return false
	}
	l.open[from]++
	return true
}

func (l *cappedListener) give(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[from]--; l.open[from] <= 0 {
		delete(l.open, from)
	}
}

// origin is what counts as one address.
func origin(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return caller.Network(tcp.AddrPort().Addr())
}

// cappedConn gives its place back when it is closed.
type cappedConn struct {
	*net.TCPConn
	leave func()
}

func (c *cappedConn) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}
