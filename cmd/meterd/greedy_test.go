package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// greed is what the process of the greedy clients is told. It ends with its input,
// and then says what became of them.
type greed struct {
	Address     string // of the server, over TLS
	Connections int    // that dribble
	KeyID       string // a key that is known, whose secret is guessed
}

// greedLog counts what became of greedy clients.
type greedLog struct {
	Open    int64 // that dribble, at the time
	CutOff  int64 // that the server has ended
	Refused int64 // calls that were answered, none of them with success
	Passed  int64 // calls that were: there must be none
}

// Greedy clients come from addresses of loopback's, so many connections from each,
// which is below what one address may have; those that are to be capped from one.
const perAddress = 200

func addressOf(block, i int) string { return fmt.Sprintf("127.0.%d.%d", block+i/250, 1+i%250) }

// greedy is the process: slow clients of four kinds, and floods as fast as one
// connection to the internet may bring them, since what a processor does for its
// own client on one machine is no attack on the server.
func greedy() {
	var g greed
	if err := json.Unmarshal([]byte(os.Args[1]), &g); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var log greedLog
	for i := range g.Connections {
		go g.dribble(ctx, i, &log)
	}
	for i := range 4 {
		go g.streams(ctx, addressOf(200, i), &log)
	}
	// So many calls a second of each: without a signature, and of nearly a megabyte
	// with a signature that is wrong.
	go g.flood(ctx, addressOf(201, 0), time.Second/100, func() *http.Request { return g.call(strings.NewReader("{}"), "") }, &log)
	huge := bytes.Repeat([]byte(" "), 1<<20-1)
	go g.flood(ctx, addressOf(202, 0), time.Second/10, func() *http.Request {
		stamp := time.Now().UTC().Format("20060102T150405Z")
		r := g.call(bytes.NewReader(huge), "AWS4-HMAC-SHA256 Credential="+g.KeyID+"/"+stamp[:8]+"/us-east-1/aws-marketplace/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="+strings.Repeat("0", 64))
		r.Header.Set("X-Amz-Date", stamp)
		return r
	}, &log)
	for range 300 { // of which 44 are beyond the cap
		go g.insist(ctx, addressOf(203, 0), &log)
	}
	fmt.Println("begun")
	in := json.NewDecoder(os.Stdin)
	for in.Decode(new(int)) == nil { // each asks how it stands
		_ = json.NewEncoder(os.Stdout).Encode(greedLog{atomic.LoadInt64(&log.Open), atomic.LoadInt64(&log.CutOff), atomic.LoadInt64(&log.Refused), atomic.LoadInt64(&log.Passed)})
	}
	cancel()
}

func dialFrom(ctx context.Context, from, to string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	return d.DialContext(ctx, "tcp", to)
}

var anyCertificate = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // it is the test's own

// dribble is one slow client after the other: of four, one takes for ever to shake
// hands, one to send its headers and one its body, and one has asked once and then
// stays.
func (g *greed) dribble(ctx context.Context, i int, log *greedLog) {
	pause(ctx, time.Duration(i)*time.Millisecond) // not all in one instant
	for ctx.Err() == nil {
		conn, err := dialFrom(ctx, addressOf(10, i/perAddress), g.Address)
		if err != nil {
			pause(ctx, time.Second)
			continue
		}
		end := context.AfterFunc(ctx, func() { _ = conn.Close() })
		atomic.AddInt64(&log.Open, 1)
		g.dribbleOver(ctx, conn, i%4)
		atomic.AddInt64(&log.Open, -1)
		atomic.AddInt64(&log.CutOff, 1)
		end()
		_ = conn.Close()
	}
}

func (g *greed) dribbleOver(ctx context.Context, raw net.Conn, kind int) {
	if kind == 0 {
		for _, b := range append([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, make([]byte, 500)...) {
			if _, err := raw.Write([]byte{b}); err != nil || !pause(ctx, time.Second) {
				return
			}
		}
		return
	}
	conn := tls.Client(raw, anyCertificate)
	if conn.HandshakeContext(ctx) != nil {
		return
	}
	const call = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\nX-Amz-Target: AWSMPMeteringService.BatchMeterUsage\r\n"
	switch kind {
	case 1:
		_, _ = io.WriteString(conn, call+"X-Slow: ")
	case 2:
		_, _ = io.WriteString(conn, call+"Content-Length: 900000\r\n\r\n")
	default:
		_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	for {
		if _, err := conn.Write([]byte("x")); err != nil || !pause(ctx, time.Second) {
			return
		}
	}
}

// insist opens a connection and stays, or comes again when it is sent away.
func (g *greed) insist(ctx context.Context, from string, log *greedLog) {
	for ctx.Err() == nil {
		if conn, err := dialFrom(ctx, from, g.Address); err == nil {
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
			atomic.AddInt64(&log.CutOff, 1)
		}
		pause(ctx, time.Second)
	}
}

// client speaks HTTP/2, over one connection from an address.
func (g *greed) client(from string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: anyCertificate.Clone(), ForceAttemptHTTP2: true, MaxConnsPerHost: 1,
		DialContext: func(ctx context.Context, _, to string) (net.Conn, error) { return dialFrom(ctx, from, to) },
	}}
}

func (g *greed) call(body io.Reader, authorization string) *http.Request {
	r, err := http.NewRequest(http.MethodPost, "https://"+g.Address+"/", body)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSMPMeteringService.BatchMeterUsage")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

// slowly is a body that brings a byte a second.
type slowly struct{ ctx context.Context }

func (s slowly) Read(b []byte) (int, error) {
	if !pause(s.ctx, time.Second) {
		return 0, s.ctx.Err()
	}
	b[0] = ' '
	return 1, nil
}

// streams has as many streams of HTTP/2 at once as there may be, all of them slow,
// and begins and breaks off a hundred more each second.
func (g *greed) streams(ctx context.Context, from string, log *greedLog) {
	client := g.client(from)
	for range 90 {
		go func() {
			for ctx.Err() == nil {
				g.send(client, g.call(slowly{ctx}, "").WithContext(ctx), log)
				pause(ctx, 100*time.Millisecond)
			}
		}()
	}
	for pause(ctx, time.Second/100) {
		go func() {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
			defer cancel()
			g.send(client, g.call(slowly{ctx}, "").WithContext(ctx), log)
		}()
	}
}

// flood makes calls at a rate.
func (g *greed) flood(ctx context.Context, from string, each time.Duration, next func() *http.Request, log *greedLog) {
	client := g.client(from)
	for pause(ctx, each) {
		go g.send(client, next().WithContext(ctx), log)
	}
}

func (g *greed) send(client *http.Client, r *http.Request, log *greedLog) {
	res, err := client.Do(r)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.StatusCode == http.StatusOK {
		atomic.AddInt64(&log.Passed, 1)
	} else {
		atomic.AddInt64(&log.Refused, 1)
	}
}

// pause waits, and returns false if the context is done before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
