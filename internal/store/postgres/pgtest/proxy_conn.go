package pgtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
)

// conn is one connection through a proxy. Two goroutines carry it, one for each
// direction.
type conn struct {
	proxy          *Proxy
	client, server net.Conn
	left           int  // bytes until it is cut; proxy.mu
	dead           bool // proxy.mu
	losing         atomic.Bool
	commits        commits
}

// cut ends both sides. Whoever waits for the proxy has to be woken by the caller.
func (c *conn) cut() {
	_ = c.client.Close()
	_ = c.server.Close()
}

var errCut = errors.New("cut")

// Codes of first messages, which have no type; https://www.postgresql.org/docs/18/protocol-message-formats.html.
const (
	sslRequest    = 80877103
	gssRequest    = 80877104
	cancelRequest = 80877102
)

// fromClient carries what the client says. It returns when the connection is over.
func (c *conn) fromClient() {
	in, out := bufio.NewReader(c.client), bufio.NewWriter(c.server)
	if err := c.greet(in, out); err != nil {
		return
	}
	for {
		m, err := readMessage(in)
		if err != nil {
			return
		}
		commit := c.commits.see(m)
		if commit && out.Flush() != nil {
			return
		}
		if c.pass(commit) != nil {
			return
		}
		if _, err := out.Write(m); err != nil {
			return
		}
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

// greet carries the first message. Encryption is declined, because what passes
// has to be read.
func (c *conn) greet(in *bufio.Reader, out *bufio.Writer) error {
	for {
		m, err := readBody(in, nil)
		if err != nil || len(m) < 8 {
			return errCut
		}
		code := binary.BigEndian.Uint32(m[4:])
		if code == sslRequest || code == gssRequest {
			if _, err := c.client.Write([]byte{'N'}); err != nil {
				return err
			}
			continue
		}
		if err := c.pass(false); err != nil {
			return err
		}
		if _, err := out.Write(m); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if code == cancelRequest {
			// The server answers by closing, once it has passed the request on.
			_, _ = io.Copy(io.Discard, c.server)
			return errCut
		}
		return nil
	}
}

// pass waits until a message of the client's may go on to the server, or says
// that it may not.
func (c *conn) pass(commit bool) error {
	p := c.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if commit && p.holds > 0 {
		p.held++
		p.changed.Broadcast()
		for p.holds > 0 && !p.failed && !p.closed && !c.dead {
			p.changed.Wait()
		}
		p.held--
	}
	for p.frozen && !p.gone && !p.closed && !c.dead {
		p.changed.Wait()
	}
	if commit && p.failed {
		p.gone = true
		for other := range p.conns {
			other.cut()
		}
		p.changed.Broadcast()
	}
	if p.gone || p.closed || c.dead {
		return errCut
	}
	if commit && p.losses > 0 {
		p.losses--
		c.losing.Store(true)
	}
	return nil
}

// fromServer carries what the server says. It returns when the connection is
// over.
func (c *conn) fromServer() {
	in := bufio.NewReader(c.server)
	for {
		m, err := readMessage(in)
		if err != nil {
			break
		}
		if c.losing.Load() {
			if !answersCommit(m) {
				continue
			}
			c.proxy.change(func() { c.proxy.lost++ })
			break
		}
		n, err := c.allow(len(m))
		if _, werr := c.client.Write(m[:n]); werr != nil || err != nil {
			break
		}
	}
	c.proxy.change(func() { c.dead = true })
}

// allow waits until a message of the server's may go on to the client, and says
// how much of it; with an error if the connection ends there.
func (c *conn) allow(size int) (n int, err error) {
	p := c.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.frozen && !p.gone && !p.closed {
		p.changed.Wait()
	}
	switch {
	case c.left == unlimited:
		return size, nil
	case size < c.left:
		c.left -= size
		return size, nil
	}
	p.ended++
	p.changed.Broadcast()
	return c.left, errCut
}

// answersCommit reports whether a message says that a COMMIT is done, or that it
// was not.
func answersCommit(m []byte) bool {
	tag := bytes.TrimRight(m[5:], "\x00")
	return m[0] == 'E' || m[0] == 'C' && (string(tag) == "COMMIT" || string(tag) == "ROLLBACK")
}

// readMessage reads a message whole: its type, its length, and the rest.
func readMessage(in *bufio.Reader) ([]byte, error) {
	kind, err := in.ReadByte()
	if err != nil {
		return nil, err
	}
	return readBody(in, []byte{kind})
}

// maxMessage is what PostgreSQL's own largest message takes: a value of a
// gigabyte. More is not its protocol.
const maxMessage = 1 << 30

// readBody reads a length and what it counts, itself included, and returns that
// behind what was read before.
func readBody(in *bufio.Reader, before []byte) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(in, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	start := len(before)
	m := append(before, make([]byte, n)...)
	copy(m[start:], size[:])
	_, err := io.ReadFull(in, m[start+4:])
	return m, err
}
