package identity

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestFetchRefuses: what a server may try with who fetches from it. That the good
// case works is what TestKeysAreFetched is for.
func TestFetchRefuses(t *testing.T) {
	keys := keySetText(t, jwk(newECKey(t, 1), "one"))
	elsewhere := newServer(t)
	elsewhere.serve(keys)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(keys)
	_ = z.Close()
	at := func(s *server, path string) string { return s.URL + path }

	for _, test := range []struct {
		name   string
		want   string // part of the error
		spoil  func(*Issuer)
		answer func(s *server, w http.ResponseWriter, r *http.Request)
	}{
		{
			"it redirects", "answers 302", nil,
			func(_ *server, w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, at(elsewhere, r.URL.Path), http.StatusFound)
			},
		},
		{
			"it never ends", "too large", nil,
			func(_ *server, w http.ResponseWriter, _ *http.Request) {
				for range 1 << 10 {
					if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<10)); err != nil {
						return
					}
				}
			},
		},
		{
			"its header never ends", "exceeded", nil,
			func(_ *server, w http.ResponseWriter, _ *http.Request) {
				for i := range 100 {
					w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1<<10))
				}
			},
		},
		{
			"it is slow", "deadline", nil,
			func(_ *server, w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					_, _ = w.Write([]byte(" "))
					w.(http.Flusher).Flush()
					time.Sleep(10 * time.Millisecond)
				}
			},
		},
		{
			"it compresses", "", nil,
			func(_ *server, w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "" {
					t.Errorf("asked for %s", r.Header.Get("Accept-Encoding"))
				}
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(zipped.Bytes())
			},
		},
		{
			"it is another's", "is of", nil,
			func(s *server, w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(text(t, fields{"issuer": s.URL + "/", "jwks_uri": s.URL + "/keys"}))
			},
		},
		{
			"its keys are on another port", "has port", nil,
			func(s *server, w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(text(t, fields{"issuer": s.URL, "jwks_uri": at(elsewhere, "/keys")}))
			},
		},
		{
			"its keys are in a file", "host", nil,
			func(s *server, w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(text(t, fields{"issuer": s.URL, "jwks_uri": "file:///etc/passwd"}))
			},
		},
		{
			"its keys are with the cloud", "is not one that an issuer may have", nil,
			func(s *server, w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(text(t, fields{"issuer": s.URL, "jwks_uri": "https://169.254.169.254/keys"}))
			},
		},
		{
			"its keys are not over TLS", "https://", nil,
			func(s *server, w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(text(t, fields{"issuer": s.URL, "jwks_uri": "http://issuer.example/keys"}))
			},
		},
		{"its keys are nowhere", "host", nil, func(s *server, w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(text(t, fields{"issuer": s.URL}))
		}},
		{"it does not know", "answers 404", nil, func(_ *server, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }},
		{"its certificate is nobody's", "certificate", func(i *Issuer) { i.Roots = nil }, nil},
		{"its name leads to us", "is not one that an issuer may have", func(i *Issuer) {
			i.URL = strings.Replace(i.URL, "127.0.0.1", "localhost", 1)
			i.Loopback, i.Private = false, true
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			s.serve(keys)
			if test.answer != nil {
				h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { test.answer(s, w, r) })
				s.handler.Store(&h)
			}
			i := s.issuer()
			if test.spoil != nil {
				test.spoil(&i)
			}
			f := newFetcher(&i)
			f.timeout = 300 * time.Millisecond
			got, err := f.keys(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %d keys, %v, want an error of %q", len(got), err, test.want)
			}
		})
	}
	if n := elsewhere.requests.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// TestNoProxy: a proxy would dial in our place, whatever the address.
func TestNoProxy(t *testing.T) {
	proxy := newServer(t)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	i := Issuer{URL: "https://192.0.2.1", Audiences: []string{us}}
	if _, err := newFetcher(&i).keys(t.Context()); err == nil || proxy.requests.Load() != 0 {
		t.Errorf("got %v, and %d requests by the proxy", err, proxy.requests.Load())
	}
	if transport := newFetcher(&i).client.Transport.(*http.Transport); transport.Proxy != nil {
		t.Error("there is a proxy") // the environment is read once a process, so the above may not see it
	}
}

// TestWithoutTLS: on this machine, for development, and at an address of its own.
func TestWithoutTLS(t *testing.T) {
	keys := keySetText(t, jwk(newECKey(t, 1), "one"))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keys) }))
	defer s.Close()
	w := newWebIdentity(t, Issuer{URL: issuerURL, Audiences: []string{us}, KeySetURL: s.URL, Loopback: true})
	if _, err := w.Verify(t.Context(), sign(t, 1, "one", nil), now); err != nil {
		t.Error(err)
	}
}

// TestMayDial: which addresses a server of an issuer may have.
func TestMayDial(t *testing.T) {
	const (
		anyone   = iota // every issuer
		private         // those of private networks
		loopback        // those on this machine
		nobody
	)
	for address, who := range map[string]int{
		"8.8.8.8": anyone, "172.15.255.255": anyone, "172.32.0.0": anyone, "100.63.255.255": anyone, "100.128.0.0": anyone,
		"2606:4700::1111": anyone, "2a00:1450:4001:81b::200e": anyone,

		"10.0.0.1": private, "172.16.0.1": private, "172.31.255.255": private, "192.168.1.1": private, "100.64.0.1": private, "fc00::1": private, "fd12:3456::1": private,

		"127.0.0.1": loopback, "127.255.255.255": loopback, "::1": loopback,

		"0.0.0.0": nobody, "0.1.2.3": nobody, "169.254.169.254": nobody, "169.254.170.2": nobody, "100.100.100.200": nobody,
		"192.0.0.192": nobody, "192.0.2.1": nobody, "192.88.99.1": nobody, "198.18.0.1": nobody, "198.51.100.1": nobody, "203.0.113.1": nobody, "224.0.0.1": nobody, "240.0.0.1": nobody, "255.255.255.255": nobody,
		"::": nobody, "::ffff:8.8.8.8": nobody, "::ffff:127.0.0.1": nobody, "::ffff:10.0.0.1": nobody, "::7f00:1": nobody,
		"64:ff9b::7f00:1": nobody, "64:ff9b::808:808": nobody, "64:ff9b:1::1": nobody, "100::1": nobody,
		"2001::1": nobody, "2001:db8::1": nobody, "2002:7f00:1::": nobody, "3fff::1": nobody,
		"fd00:ec2::254": nobody, "fd00:ec2::23": nobody, "fd20:ce::254": nobody, "fe80::1": nobody, "fe80::1%eth0": nobody, "fec0::1": nobody, "ff02::1": nobody, "4000::1": nobody,
		"2606:4700::1111%eth0": nobody,
	} {
		addr := netip.MustParseAddr(address)
		for _, test := range []struct {
			issuer Issuer
			want   bool
		}{
			{Issuer{}, who == anyone},
			{Issuer{Private: true}, who == anyone || who == private},
			{Issuer{Loopback: true}, who == anyone || who == loopback},
			{Issuer{Private: true, Loopback: true}, who != nobody},
		} {
			if got := test.issuer.mayDial(addr); got != test.want {
				t.Errorf("%s, private %t, loopback %t: got %t", address, test.issuer.Private, test.issuer.Loopback, got)
			}
			port := netip.AddrPortFrom(addr, 443).String()
			if err := test.issuer.control(t.Context(), "tcp", port, nil); (err == nil) != test.want {
				t.Errorf("%s: got %v", port, err)
			}
		}
	}
	if (&Issuer{Private: true, Loopback: true}).control(t.Context(), "tcp", "localhost:443", nil) == nil {
		t.Error("a name is no address")
	}
}
