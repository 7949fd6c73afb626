package session

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// The claims in a token are their fields one after the other, without names: a
// token has room for a policy, or for names. Texts are led by their length,
// numbers are as in encoding/binary. A field more is another version.

// The first byte of packed claims says how the rest is written.
const (
	plainly  = 0
	deflated = 1
)

// maxClaims bounds what claims can unfold to, and with it what opening a token
// can cost. A policy and fifty tags of ASCII, as long as STS takes them, fit.
const maxClaims = 32 << 10

// pack writes claims into at most so many bytes. Those that do not fit are
// deflated, which for a policy saves two thirds; the others open more cheaply
// without. Nothing is betrayed by how well they deflate: whoever chose the
// claims can read all of them.
func pack(c *Claims, most int) ([]byte, error) {
	b := c.append([]byte{plainly})
	if len(b) <= most {
		return b, nil
	}
	if len(b) > maxClaims {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(b))
	}
	var out bytes.Buffer
	out.WriteByte(deflated)
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b[1:]); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if out.Len() > most {
		return nil, fmt.Errorf("%w: %d bytes deflated, with room for %d", ErrTooLarge, out.Len(), most)
	}
	return out.Bytes(), nil
}

// unpack reads what pack wrote. It is given nothing else; an error is a token of
// a program that disagrees with this one.
func unpack(b []byte) (*Claims, error) {
	how, b := b[:min(1, len(b))], b[min(1, len(b)):]
	if len(how) == 1 && how[0] == deflated {
		var err error
		// Longer ones are cut, and then not understood.
		b, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), maxClaims))
		if err != nil {
			return nil, fmt.Errorf("%w: its claims do not inflate", ErrInvalid)
		}
	} else if len(how) == 0 || how[0] != plainly {
		return nil, fmt.Errorf("%w: its claims are written in an unknown way", ErrInvalid)
	}
	r := reader{rest: string(b)} // which all texts are then parts of
	c := r.claims()
	if r.broken || r.rest != "" {
		return nil, fmt.Errorf("%w: its claims are not understood", ErrInvalid)
	}
	return c, nil
}

func (c *Claims) append(b []byte) []byte {
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	text(string(c.Account))
	text(c.Role.ARN)
	text(c.Role.ID)
	text(c.SessionName)
	b = binary.AppendVarint(b, c.Issued.Unix())
	b = binary.AppendVarint(b, c.Expires.Unix())
	text(string(c.Source))
	text(string(c.Workload.Platform))
	text(c.Workload.ID)
	text(c.Workload.Region)
	text(c.Federation.Provider)
	text(c.Federation.Issuer)
	text(c.Federation.Subject)
	text(c.Federation.Audience)
	text(string(c.Policy))
	b = binary.AppendUvarint(b, uint64(len(c.Tags)))
	for _, name := range slices.Sorted(maps.Keys(c.Tags)) {
		text(name)
		text(c.Tags[name])
	}
	return b
}

func (r *reader) claims() *Claims {
	c := &Claims{
		Account:     metering.AccountID(r.text()),
		Role:        Role{ARN: r.text(), ID: r.text()},
		SessionName: r.text(),
		Issued:      r.time(),
		Expires:     r.time(),
		Source:      Source(r.text()),
		Workload:    Workload{Platform: metering.Platform(r.text()), ID: r.text(), Region: r.text()},
		Federation:  Federation{Provider: r.text(), Issuer: r.text(), Subject: r.text(), Audience: r.text()},
	}
	if policy := r.text(); policy != "" {
		c.Policy = []byte(policy)
	}
	if n := r.size(); n > 0 {
		c.Tags = make(map[string]string, min(n, 64))
		for range n {
			name := r.text()
			c.Tags[name] = r.text()
			if r.broken {
				break
			}
		}
	}
	return c
}

// reader takes fields from the front of a text. Once a field is not there it is
// broken, and all that follow are empty.
type reader struct {
	rest   string
	broken bool
}

func (r *reader) text() string {
	n := r.size()
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// size reads a length or a count. What it counts takes at least a byte each.
func (r *reader) size() int {
	n, width := binary.Uvarint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if width <= 0 || n > uint64(len(r.rest)-width) {
		r.rest, r.broken = "", true
		return 0
	}
	r.rest = r.rest[width:]
	return int(n)
}

func (r *reader) time() time.Time {
	seconds, width := binary.Varint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if width <= 0 {
		r.rest, r.broken = "", true
		return time.Time{}
	}
	r.rest = r.rest[width:]
	return time.Unix(seconds, 0).UTC()
}
