package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// rsaKeys are made once: they take a while.
var rsaKeys = sync.OnceValue(func() map[int]*rsa.PrivateKey {
	keys := map[int]*rsa.PrivateKey{}
	for _, bits := range []int{1024, 2048} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		keys[bits] = key
	}
	return keys
})

// newECKey is a key that every run of the tests has.
func newECKey(t testing.TB, seed byte) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func jwk(key crypto.Signer, id string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: id}
}

func keySetText(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	issuerURL = "https://issuer.example/id/AB12"
	us        = "sts.amazonaws.com"
)

// fields are the claims of a token, or its header.
type fields map[string]any

// newFields is what a cluster says of a pod, with changes; nil leaves a claim out.
func newFields(changes fields) fields {
	f := fields{
		"iss": issuerURL,
		"sub": "system:serviceaccount:shop:billing",
		"aud": []string{us},
		"exp": now.Unix() + 3600,
		"iat": now.Unix(),
		"nbf": now.Unix(),
		"kubernetes.io": fields{
			"namespace":      "shop",
			"serviceaccount": fields{"name": "billing", "uid": "f8e1"},
			"pod":            fields{"name": "billing-7c9f", "uid": "0b7e54a2"},
		},
	}
	maps.Copy(f, changes)
	maps.DeleteFunc(f, func(_ string, value any) bool { return value == nil })
	return f
}

func text(t testing.TB, f any) []byte {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signWith makes a token of any payload, with any header.
func signWith(t testing.TB, algorithm jose.SignatureAlgorithm, key any, header fields, payload []byte) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// sign makes a token with a key of newECKey.
func sign(t testing.TB, seed byte, id string, changes fields) string {
	t.Helper()
	return signWith(t, jose.ES256, newECKey(t, seed), fields{"kid": id}, text(t, newFields(changes)))
}

func newWebIdentity(t testing.TB, issuers ...Issuer) *WebIdentity {
	t.Helper()
	w, err := NewWebIdentity(issuers)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// server is an issuer's server, on this machine.
type server struct {
	*httptest.Server
	roots    *x509.CertPool
	requests atomic.Int64
	keys     atomic.Pointer[[]byte]           // nil: it answers 500
	handler  atomic.Pointer[http.HandlerFunc] // in place of all the rest
}

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{roots: x509.NewCertPool()}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		keys := s.keys.Load()
		switch h := s.handler.Load(); {
		case h != nil:
			(*h)(w, r)
		case keys == nil:
			http.Error(w, "out of order", http.StatusInternalServerError)
		case r.URL.Path == discoveryPath:
			_, _ = w.Write(text(t, fields{"issuer": s.URL, "jwks_uri": s.URL + "/keys"}))
		case r.URL.Path == "/keys":
			_, _ = w.Write(*keys)
		default:
			http.NotFound(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // some clients are meant to go wrong
	s.StartTLS()
	t.Cleanup(s.Close)
	s.roots.AddCert(s.Certificate())
	return s
}

func (s *server) serve(keys []byte) { s.keys.Store(&keys) }

func (s *server) issuer() Issuer {
	return Issuer{URL: s.URL, Audiences: []string{us}, Roots: s.roots, Loopback: true}
}

func TestIssuersRefused(t *testing.T) {
	keys := keySetText(t, jwk(newECKey(t, 1), "one"))
	good := Issuer{URL: issuerURL, Audiences: []string{us}, KeySet: keys}
	for name, spoil := range map[string]func(*Issuer){
		"no URL":              func(i *Issuer) { i.URL = "" },
		"http":                func(i *Issuer) { i.URL = "http://issuer.example" },
		"http, not loopback":  func(i *Issuer) { i.URL, i.Loopback = "http://issuer.example", true },
		"http, loopback":      func(i *Issuer) { i.URL = "http://127.0.0.1" },
		"a file":              func(i *Issuer) { i.URL = "file:///etc/passwd" },
		"a user":              func(i *Issuer) { i.URL = "https://u:p@issuer.example" },
		"a query":             func(i *Issuer) { i.URL += "?a" },
		"an empty query":      func(i *Issuer) { i.URL += "?" },
		"a fragment":          func(i *Issuer) { i.URL += "#a" },
		"no host":             func(i *Issuer) { i.URL = "https://:443/a" },
		"no audience":         func(i *Issuer) { i.Audiences = nil },
		"an empty audience":   func(i *Issuer) { i.Audiences = []string{us, ""} },
		"keys twice":          func(i *Issuer) { i.KeySetURL = "https://issuer.example/keys" },
		"keys over http":      func(i *Issuer) { i.KeySet, i.KeySetURL = nil, "http://issuer.example/keys" },
		"keys of no kind":     func(i *Issuer) { i.KeySet = []byte(`{"keys":[]}`) },
		"keys that are empty": func(i *Issuer) { i.KeySet = []byte{} },
		"a negative lifetime": func(i *Issuer) { i.MaxLifetime = -1 },
	} {
		i := good
		spoil(&i)
		if _, err := NewWebIdentity([]Issuer{i}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewWebIdentity([]Issuer{good, good}); err == nil {
		t.Error("the same twice: no error")
	}
	if _, err := NewWebIdentity([]Issuer{good, {URL: "http://localhost:8080", Audiences: []string{us}, Loopback: true}}); err != nil {
		t.Error(err)
	}
}
