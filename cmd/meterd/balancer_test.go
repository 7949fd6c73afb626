package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// balancer is a load balancer: it gives each request to the next of the nodes that
// are ready, and asks them every 50 ms whether they are.
type balancer struct {
	proxy *httputil.ReverseProxy

	mu      sync.Mutex
	nodes   []*url.URL // by place
	ready   []bool
	turn    int
	bad     int           // answers of 500 and above
	since   time.Time     // of the first of those that are the last answers; zero: the last was good
	longest time.Duration // for which there were only those
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := &balancer{}
	transport := &http.Transport{}
	b.proxy = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			if node := b.next(); node != nil {
				r.Out.URL.Scheme, r.Out.URL.Host = node.Scheme, node.Host
			}
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(res *http.Response) error {
			b.answered(res.StatusCode)
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			b.answered(http.StatusBadGateway)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.Tick(50 * time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-tick:
				b.look()
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		transport.CloseIdleConnections()
	})
	return b
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.proxy.ServeHTTP(w, r) }

// put puts a node in a place, in place of the one that was there.
func (b *balancer) put(place int, node string) {
	target, err := url.Parse(node)
	if err != nil {
		panic(err) // the node has said so itself
	}
	b.mu.Lock()
	for len(b.nodes) <= place {
		b.nodes, b.ready = append(b.nodes, nil), append(b.ready, false)
	}
	b.nodes[place], b.ready[place] = target, false
	b.mu.Unlock()
	b.look()
}

// look asks every node whether it is ready.
func (b *balancer) look() {
	b.mu.Lock()
	nodes := append([]*url.URL(nil), b.nodes...)
	b.mu.Unlock()
	client := http.Client{Timeout: time.Second}
	for place, node := range nodes {
		if node == nil {
			continue
		}
		res, err := client.Get(node.JoinPath("/readyz").String())
		if err == nil {
			_ = res.Body.Close()
		}
		b.mu.Lock()
		if b.nodes[place] == node {
			b.ready[place] = err == nil && res.StatusCode == http.StatusOK
		}
		b.mu.Unlock()
	}
}

// awaitReady waits until the node in a place is ready.
func (b *balancer) awaitReady(t *testing.T, place int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		b.mu.Lock()
		ready := b.ready[place]
		b.mu.Unlock()
		if ready {
			return
		}
	}
	t.Fatal("a new node is not ready after 20 s")
}

// next is whose turn it is; nil if no node is ready.
func (b *balancer) next() *url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.nodes {
		b.turn++
		if place := b.turn % len(b.nodes); b.ready[place] {
			return b.nodes[place]
		}
	}
	return nil
}

// answered notes an answer.
func (b *balancer) answered(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case status < http.StatusInternalServerError:
		b.settle()
	case b.since.IsZero():
		b.bad, b.since = b.bad+1, time.Now()
	default:
		b.bad++
	}
}

// settle ends a time of errors. b.mu is held.
func (b *balancer) settle() {
	if !b.since.IsZero() {
		b.longest = max(b.longest, time.Since(b.since))
		b.since = time.Time{}
	}
}

// errors is how many answers were errors, and for how long all of them were.
func (b *balancer) errors() (count int, longest time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle()
	return b.bad, b.longest
}
