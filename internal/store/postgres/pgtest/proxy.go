package pgtest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between clients and a cluster and breaks what lies between them.
// It reads the protocol, so that it knows a COMMIT: one sent by itself, as pgx
// sends it, or prepared, or among others in one query. What commits without one,
// a statement outside a transaction, it lets pass like everything else.
//
// Its methods may be called at once, and while connections are open.
type Proxy struct {
	listener net.Listener
	wait     sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // on mu: something below is not what it was
	target  string
	conns   map[*conn]bool
	closed  bool

	holds   int // how many HoldCommits are not released
	held    int // how many COMMITs wait for that
	losses  int // how many more COMMITs lose their answer
	lost    int // how many have
	failed  bool
	gone    bool // a COMMIT has met failed
	refuse  bool
	frozen  bool
	measure func() int // of CutAfter
	ended   int        // how many connections that has cut
}

// NewProxy starts a proxy before a cluster. It ends with the test, and cuts what
// is still connected.
func NewProxy(tb testing.TB, c *Cluster) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{listener: l, conns: map[*conn]bool{}}
	p.changed = sync.NewCond(&p.mu)
	p.Point(tb, c)
	p.wait.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// URL returns a cluster's URL with the proxy in place of the cluster.
func (p *Proxy) URL(tb testing.TB, of string) string {
	tb.Helper()
	u, err := url.Parse(of)
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set("sslmode", "disable") // the proxy has to read what passes
	u.Host, u.RawQuery = p.listener.Addr().String(), q.Encode()
	return u.String()
}

// Point lets new connections reach another cluster, as an address does that moves
// to a standby. Open ones stay where they are.
func (p *Proxy) Point(tb testing.TB, c *Cluster) {
	tb.Helper()
	u, err := url.Parse(c.URL())
	if err != nil {
		tb.Fatal(err)
	}
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	p.change(func() { p.target = net.JoinHostPort(u.Hostname(), port) })
}

// HoldCommits lets every COMMIT from now on wait before it reaches the server,
// until release is called.
func (p *Proxy) HoldCommits() (release func()) {
	p.change(func() { p.holds++ })
	return sync.OnceFunc(func() { p.change(func() { p.holds-- }) })
}

// AwaitHeld returns when n COMMITs are held at once.
func (p *Proxy) AwaitHeld(n int) { p.await(func() bool { return p.held >= n }) }

// FailCommits lets no COMMIT reach the server any more, not even one that is
// held: with the first that comes every connection is cut, and new ones are refused.
// All that was not committed stays so.
func (p *Proxy) FailCommits() { p.change(func() { p.failed = true }) }

// LoseAnswers lets the next n COMMITs reach the server, waits until it has
// answered, and cuts the connection without passing that on: the client cannot
// know what became of it.
func (p *Proxy) LoseAnswers(n int) { p.change(func() { p.losses, p.lost = n, 0 }) }

// AwaitLost returns when n answers have been lost since LoseAnswers.
func (p *Proxy) AwaitLost(n int) { p.await(func() bool { return p.lost >= n }) }

// CutAfter cuts each connection after a number of bytes from the server, counted
// from now: in the middle of a message, as it falls. bytes is asked for each
// connection, new ones too, one at a time; nil ends it.
func (p *Proxy) CutAfter(bytes func() int) {
	p.change(func() {
		p.measure, p.ended = bytes, 0
		for c := range p.conns {
			c.left = p.budget()
		}
	})
}

// AwaitEnded returns when CutAfter has cut n connections.
func (p *Proxy) AwaitEnded(n int) { p.await(func() bool { return p.ended >= n }) }

// Refuse lets new connections be closed before a word is said.
func (p *Proxy) Refuse(on bool) { p.change(func() { p.refuse = on }) }

// Freeze lets nothing pass while the connections stay up, as when a network is
// parted. What was sent arrives when it ends.
func (p *Proxy) Freeze(on bool) { p.change(func() { p.frozen = on }) }

// Cut cuts every connection that is open now.
func (p *Proxy) Cut() {
	p.change(func() {
		for c := range p.conns {
			c.cut()
		}
	})
}

// Heal ends all that was asked for but holds, which have an end of their own.
func (p *Proxy) Heal() {
	p.change(func() {
		p.losses, p.failed, p.gone, p.refuse, p.frozen, p.measure = 0, false, false, false, false, nil
		for c := range p.conns {
			c.left = p.budget()
		}
	})
}

// unlimited is what a connection may carry that is not to be cut.
const unlimited = -1

// budget is how many bytes a connection may carry. p.mu is held.
func (p *Proxy) budget() int {
	if p.measure == nil {
		return unlimited
	}
	return max(0, p.measure())
}

func (p *Proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.changed.Broadcast()
}

func (p *Proxy) await(ready func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !ready() && !p.closed {
		p.changed.Wait()
	}
}

func (p *Proxy) close() {
	p.change(func() { p.closed = true })
	_ = p.listener.Close()
	p.Cut()
	p.wait.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wait.Go(func() { p.serve(client) })
	}
}

// serve carries one connection until either side, or the proxy, ends it.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	c, err := p.admit(client)
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		c.fromServer()
		c.cut()
		close(done)
	}()
	c.fromClient()
	c.cut()
	<-done
	p.change(func() { delete(p.conns, c) })
}

func (p *Proxy) admit(client net.Conn) (*conn, error) {
	p.mu.Lock()
	refused, target := p.refuse || p.gone || p.closed, p.target
	p.mu.Unlock()
	if refused {
		if tcp, ok := client.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // the client sees a reset, as from a port that nobody listens on
		}
		return nil, errors.New("refused")
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return nil, fmt.Errorf("the cluster: %w", err)
	}
	c := &conn{proxy: p, client: client, server: server}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.cut()
		return nil, net.ErrClosed
	}
	p.conns[c], c.left = true, p.budget()
	return c, nil
}
