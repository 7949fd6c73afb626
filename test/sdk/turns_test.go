package sdk

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// takeTurns runs a load balancer that gives each request to the next of the
// nodes, whatever connection it came on, and returns its URL. What is signed
// passes as it was: the host that the client has asked, headers and body.
func takeTurns(t *testing.T, nodes []string) string {
	t.Helper()
	var targets []*url.URL
	for _, node := range nodes {
		target, err := url.Parse(node)
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, target)
	}
	var turn atomic.Uint64
	transport := &http.Transport{DisableCompression: true} // it would ask for some by a header of its own
	front := httptest.NewServer(&httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			target := targets[(turn.Add(1)-1)%uint64(len(targets))]
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
		},
	})
	t.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
	})
	return front.URL
}

// TestTurns wants requests of one connection to reach the nodes in turn, each as
// it was sent.
func TestTurns(t *testing.T) {
	type request struct {
		node                  int
		host, uri, kind, body string
	}
	seen := make(chan request, 1)
	var nodes []string
	for i := range 2 {
		node := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			seen <- request{i, r.Host, r.RequestURI, r.Header.Get("Content-Type"), string(body)}
		}))
		defer node.Close()
		nodes = append(nodes, node.URL)
	}
	front := takeTurns(t, nodes)
	for i := range 6 {
		want := request{i % 2, "metering.example.com", "/service/A%2Fb?c=d", "application/cbor", "\xa0\x00 \r\n"}
		req, err := http.NewRequest(http.MethodPost, front+want.uri, strings.NewReader(want.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = want.host
		req.Header.Set("Content-Type", want.kind)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := <-seen; got != want {
			t.Errorf("request %d: got %+v, want %+v", i, got, want)
		}
	}
}
