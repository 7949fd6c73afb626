package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// order is what the generator is told to do.
type order struct {
	World     world
	Kind      string
	Addresses []string // connections take turns
	Conns     int
	Requests  int
	Cycle     bool // begins again when it has sent all, to a server that keeps nothing
	Warm, For time.Duration
	Seed      uint64
}

// patience is how long a generator may take on top of what it was told.
const patience = 2 * time.Minute

// report is a line that the generator prints: that the measuring begins, that it
// has ended, or what came of it.
type report struct {
	Event  string // "begin", "end", "measured"
	Result *result
}

// result is what was measured.
type result struct {
	Requests     int // that were answered within the time
	Seconds      float64
	P50, P99     float64 // milliseconds
	RequestBytes int     // of the mean request
	AnswerBytes  int     // of the bodies of the sampled answers
	Answers      int     // that were sampled
	Sampled      int     // records of which the outcome was looked at
	Success      int
	Duplicate    int
	Unsubscribed int
}

// sampling is of how many answers one is looked into.
const sampling = 64

// generate is the generator's process. It ends with its input.
func generate(out io.Writer, text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience+o.Warm+o.For)
	defer cancel()
	made, err := requests(o.World, o.Kind, o.Requests, o.Seed)
	if err != nil {
		return err
	}
	g := &generator{order: o, requests: made, spent: make(chan struct{})}
	return g.run(ctx, json.NewEncoder(out))
}

// The phases of a generator.
const (
	warming = iota
	measuring
	ended
)

type generator struct {
	order
	requests [][]byte
	taken    atomic.Int64
	phase    atomic.Int32
	answered atomic.Bool   // at least one request that is measured
	spent    chan struct{} // closed when there are no more requests
	once     sync.Once

	mu        sync.Mutex
	err       error
	latencies []time.Duration
	result    result
}

func (g *generator) run(ctx context.Context, out *json.Encoder) error {
	conns := make([]*client, g.Conns)
	for i := range conns {
		c := &client{address: g.Addresses[i%len(g.Addresses)]}
		if err := c.dial(ctx); err != nil {
			return err
		}
		defer c.close()
		conns[i] = c
	}
	var working sync.WaitGroup
	for _, c := range conns {
		working.Go(func() { g.work(ctx, c) })
	}
	if !g.wait(ctx, g.Warm) {
		g.stop(errors.New("the requests were used up, or an answer was wrong, before the warm-up's end"))
	}
	g.phase.Store(measuring)
	began := time.Now()
	err := out.Encode(report{Event: "begin"})
	more := g.wait(ctx, g.For)
	for more && !g.answered.Load() { // a short round on a busy machine goes on until there is something to tell
		more = g.wait(ctx, time.Millisecond)
	}
	g.phase.Store(ended)
	took := time.Since(began)
	err = errors.Join(err, out.Encode(report{Event: "end"}))
	working.Wait()
	if err := errors.Join(err, g.err, ctx.Err()); err != nil {
		return err
	}
	r := &g.result
	slices.Sort(g.latencies)
	r.Requests, r.Seconds = len(g.latencies), took.Seconds()
	if r.Requests == 0 {
		return errors.New("no request was answered in the time that is measured")
	}
	ms := func(share float64) float64 {
		return g.latencies[min(int(share*float64(r.Requests)), r.Requests-1)].Seconds() * 1000
	}
	r.P50, r.P99 = ms(.50), ms(.99)
	for _, sent := range g.requests {
		r.RequestBytes += len(sent)
	}
	r.RequestBytes /= len(g.requests)
	return out.Encode(report{Event: "measured", Result: r})
}

// wait returns false if the requests are used up before.
func (g *generator) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
	case <-g.spent:
	}
	return false
}

// stop ends all.
func (g *generator) stop(err error) {
	g.mu.Lock()
	if g.err == nil {
		g.err = err
	}
	g.mu.Unlock()
	g.phase.Store(ended)
	g.once.Do(func() { close(g.spent) })
}

// work is one connection with one request in flight.
func (g *generator) work(ctx context.Context, c *client) {
	var latencies []time.Duration
	var seen result
	for g.phase.Load() != ended {
		n := int(g.taken.Add(1)) - 1
		if n >= len(g.requests) {
			if !g.Cycle {
				g.once.Do(func() { close(g.spent) })
				break
			}
			n %= len(g.requests)
		}
		began := time.Now()
		status, body, err := c.do(ctx, g.requests[n])
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d: %.500s", status, body)
		}
		if err != nil {
			g.stop(fmt.Errorf("request %d: %w", n, err))
			break
		}
		if g.phase.Load() == measuring {
			latencies = append(latencies, time.Since(began))
			if !g.answered.Load() {
				g.answered.Store(true)
			}
		}
		if n%sampling == 0 {
			seen.look(g.Kind, body)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.latencies = append(g.latencies, latencies...)
	g.result.AnswerBytes += seen.AnswerBytes
	g.result.Answers += seen.Answers
	g.result.Sampled += seen.Sampled
	g.result.Success += seen.Success
	g.result.Duplicate += seen.Duplicate
	g.result.Unsubscribed += seen.Unsubscribed
}

// look counts the outcomes of an answer's records.
func (r *result) look(kind string, body []byte) {
	r.Answers++
	r.AnswerBytes += len(body)
	if kind == kindMeter {
		r.Sampled++
		r.Success += bytes.Count(body, []byte(`"MeteringRecordId":"`))
		return
	}
	r.Sampled += perRequest
	r.Duplicate += bytes.Count(body, []byte(`DuplicateRecord"`))
	r.Unsubscribed += bytes.Count(body, []byte(`CustomerNotSubscribed"`))
	r.Success += bytes.Count(body, []byte(`"Success"`))
}

// client is a connection, which is made again if the server has closed it.
type client struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
	body    []byte
}

func (c *client) dial(ctx context.Context) (err error) {
	if c.conn, err = new(net.Dialer).DialContext(ctx, "tcp", c.address); err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	c.in = bufio.NewReaderSize(c.conn, 16<<10)
	return c.conn.SetDeadline(deadline)
}

// do sends a request and reads the whole answer. The body is good until the next.
func (c *client) do(ctx context.Context, request []byte) (status int, body []byte, err error) {
	if c.conn == nil {
		if err := c.dial(ctx); err != nil {
			return 0, nil, err
		}
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("the answer begins with %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, closes := -1, line[7] == '0'
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return status, nil, err
		}
		name, value, found := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		if !found {
			break
		}
		switch value = bytes.TrimSpace(value); {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return status, nil, err
			}
		case bytes.EqualFold(name, []byte("Connection")):
			closes = bytes.EqualFold(value, []byte("close"))
		}
	}
	if length < 0 {
		return status, nil, errors.New("the answer has no Content-Length")
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	_, err = io.ReadFull(c.in, c.body)
	if closes {
		err = errors.Join(err, c.close())
	}
	return status, c.body, err
}

func (c *client) close() error {
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}

// endWithInput ends the process when whoever started it is gone.
func endWithInput() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
}
