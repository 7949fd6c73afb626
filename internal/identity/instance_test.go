package identity

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

func newInstance(s *wellspring) *InstanceEndpoint {
	return &InstanceEndpoint{
		Instance: Instance{ID: "i-0123456789abcdef0", Account: "111122223333", Region: "eu-west-1", Started: now, Products: []metering.ProductCode{"demo-ami"}},
		Role:     "demo", Source: s.give, Now: s.now,
	}
}

// metadataToken gets a token as SDKs do.
func metadataToken(t testing.TB, e *InstanceEndpoint, seconds string) string {
	t.Helper()
	w := ask(e, http.MethodPut, tokenPath, lifetimeHeader, seconds)
	if w.Code != http.StatusOK || w.Header().Get(lifetimeHeader) != seconds {
		t.Fatalf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	return w.Body.String()
}

// TestInstanceEndpoint: every path, and what is not one.
func TestInstanceEndpoint(t *testing.T) {
	const credentials = `{"Code":"Success","LastUpdated":"2026-11-26T12:00:00Z","Type":"AWS-HMAC",` +
		`"AccessKeyId":"ASIAB","SecretAccessKey":"secret","Token":"token","Expiration":"2026-11-26T13:00:00Z"}`
	e := newInstance(newWellspring())
	token := metadataToken(t, e, "21600")
	for _, test := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/latest/meta-data/iam/security-credentials/", 200, "demo"},
		{"GET", "/latest/meta-data/iam/security-credentials", 200, "demo"},
		{"GET", "/latest/meta-data/iam/security-credentials/demo", 200, credentials},
		{"HEAD", "/latest/meta-data/iam/security-credentials/demo", 200, credentials}, // the server leaves the body out
		{"GET", "/latest/meta-data/instance-id", 200, "i-0123456789abcdef0"},
		{"GET", "/latest/meta-data/placement/region", 200, "eu-west-1"},
		{"GET", "/latest/meta-data/placement/availability-zone", 200, "eu-west-1a"},

		{"GET", "/latest/meta-data/iam/security-credentials/other", 404, "Not Found\n"},
		{"GET", "/latest/meta-data/iam/security-credentials/demo/", 404, "Not Found\n"},
		{"GET", "/latest/meta-data/iam/security-credentials//demo", 404, "Not Found\n"},
		{"GET", "/latest/meta-data/iam/security-credentials/../../instance-id", 404, "Not Found\n"},
		{"GET", "/latest/user-data", 404, "Not Found\n"},
		{"GET", "/2016-09-02/meta-data/instance-id", 404, "Not Found\n"},
		{"GET", "/", 404, "Not Found\n"},
		{"GET", "/latest/dynamic/instance-identity/signature", 404, "Not Found\n"}, // nobody signs
		{"GET", "/latest/dynamic/instance-identity/pkcs7", 404, "Not Found\n"},
		{"GET", "/latest/api/token", 405, "Method Not Allowed\n"},
		{"PUT", "/latest/meta-data/instance-id", 405, "Method Not Allowed\n"},
		{"POST", "/latest/meta-data/iam/security-credentials/demo", 405, "Method Not Allowed\n"},
	} {
		w := ask(e, test.method, test.path, tokenHeader, token)
		if w.Code != test.status || w.Body.String() != test.want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: got %d %v %q, want %d %q", test.method, test.path, w.Code, w.Header(), w.Body, test.status, test.want)
		}
	}
}

// TestNoFirstVersion: without a token that is good, nothing is answered, whatever
// is asked for, and the source is not either.
func TestNoFirstVersion(t *testing.T) {
	s := newWellspring()
	e := newInstance(s)
	token := metadataToken(t, e, "300")
	other := metadataToken(t, newInstance(s), "300")
	for _, path := range []string{
		"/latest/meta-data/iam/security-credentials/", "/latest/meta-data/iam/security-credentials/demo",
		"/latest/meta-data/instance-id", "/latest/dynamic/instance-identity/document", "/latest/user-data", "/",
	} {
		for name, header := range map[string][]string{
			"none":           nil,
			"empty":          {tokenHeader, ""},
			"another's":      {tokenHeader, other},
			"changed":        {tokenHeader, "x" + token[1:]},
			"cut":            {tokenHeader, token[:len(token)-1]},
			"longer":         {tokenHeader, token + "="},
			"two":            {tokenHeader, token, tokenHeader, token},
			"of our own API": {"Authorization", token},
		} {
			if w := ask(e, http.MethodGet, path, header...); w.Code != http.StatusUnauthorized || w.Body.String() != "Unauthorized\n" {
				t.Errorf("%s, token %s: got %d %s", path, name, w.Code, w.Body)
			}
		}
	}
	if s.asked != 0 {
		t.Errorf("credentials were asked for %d times", s.asked)
	}
}

// TestMetadataToken: who gets one, and how long it is good.
func TestMetadataToken(t *testing.T) {
	s := newWellspring()
	e := newInstance(s)
	for _, test := range []struct {
		name, method string
		header       []string
		status       int
	}{
		{"the shortest", "PUT", []string{lifetimeHeader, "1"}, 200},
		{"the longest", "PUT", []string{lifetimeHeader, "21600"}, 200},
		{"no lifetime", "PUT", nil, 400},
		{"two lifetimes", "PUT", []string{lifetimeHeader, "60", lifetimeHeader, "60"}, 400},
		{"zero", "PUT", []string{lifetimeHeader, "0"}, 400},
		{"longer", "PUT", []string{lifetimeHeader, "21601"}, 400},
		{"negative", "PUT", []string{lifetimeHeader, "-1"}, 400},
		{"signed", "PUT", []string{lifetimeHeader, "+60"}, 400},
		{"with a unit", "PUT", []string{lifetimeHeader, "60s"}, 400},
		{"more than 64 bits", "PUT", []string{lifetimeHeader, "18446744073709551617"}, 400},
		{"forwarded", "PUT", []string{lifetimeHeader, "60", "X-Forwarded-For", "192.0.2.1"}, 403},
		{"forwarded for nobody", "PUT", []string{lifetimeHeader, "60", "X-Forwarded-For", ""}, 403},
		{"a GET", "GET", []string{lifetimeHeader, "60"}, 405},
		{"a POST", "POST", []string{lifetimeHeader, "60"}, 405},
	} {
		if w := ask(e, test.method, tokenPath, test.header...); w.Code != test.status {
			t.Errorf("%s: got %d, want %d", test.name, w.Code, test.status)
		}
	}

	get := func(token string) int {
		return ask(e, http.MethodGet, "/latest/meta-data/instance-id", tokenHeader, token).Code
	}
	token := metadataToken(t, e, "60")
	s.pass(time.Minute - 1)
	if status := get(token); status != http.StatusOK {
		t.Errorf("before its end: got %d", status)
	}
	s.pass(1)
	if status := get(token); status != http.StatusUnauthorized {
		t.Errorf("at its end: got %d", status)
	}
}

// TestMetadataTokensAreBounded: beyond so many, those that are over go first, and
// then the one that would be next.
func TestMetadataTokensAreBounded(t *testing.T) {
	s := newWellspring()
	var tokens metadataTokens
	short := tokens.issue(s.now(), time.Second)
	long := tokens.issue(s.now(), time.Hour)
	seen := map[string]bool{}
	for range 3 * maxMetadataTokens {
		token := tokens.issue(s.now(), time.Minute)
		if seen[token] || len(token) != 56 {
			t.Fatalf("the token %q is there twice, or short", token)
		}
		seen[token] = true
		if len(tokens.until) > maxMetadataTokens {
			t.Fatalf("%d tokens are kept", len(tokens.until))
		}
	}
	if tokens.good(short, s.now()) {
		t.Error("the one that ends first has stayed")
	}
	if !tokens.good(long, s.now()) {
		t.Error("the one that ends last has gone")
	}
	s.pass(time.Minute)
	tokens.issue(s.now(), time.Minute)
	if len(tokens.until) != 2 {
		t.Errorf("%d tokens are kept, want 2: the others are over", len(tokens.until))
	}
}

// TestInstanceHosts: by which names the endpoint is found.
func TestInstanceHosts(t *testing.T) {
	e := newInstance(newWellspring())
	for host, want := range map[string]int{
		"127.0.0.1:4321": 200, "169.254.169.254": 200, "[fd00:ec2::254]": 200, "[::1]:80": 200, "localhost:4321": 200, "localhost": 200,
		"evil.example": 403, "evil.example:4321": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403, "": 403,
	} {
		for _, method := range []string{http.MethodPut, http.MethodGet} {
			r := newRequest(method, tokenPath, host)
			r.Header.Set(lifetimeHeader, "60")
			wanted := want
			if method == http.MethodGet && want == 200 {
				wanted = 405
			}
			if w := serve(e, r); w.Code != wanted {
				t.Errorf("%s %q: got %d, want %d", method, host, w.Code, wanted)
			}
		}
	}
}

// TestInstanceTrouble: no credentials is a status and a code, never old ones.
func TestInstanceTrouble(t *testing.T) {
	for _, test := range troubles {
		s := newWellspring()
		e := newInstance(s)
		token := metadataToken(t, e, "300")
		s.err = test.err
		w := ask(e, http.MethodGet, credentialsPath+"demo", tokenHeader, token)
		want := `{"Code":"` + test.code + `","Message":"` + test.message + `"}`
		if w.Code != test.status || w.Body.String() != want || strings.Contains(w.Body.String(), "Success") {
			t.Errorf("%v: got %d %s, want %d %s", test.err, w.Code, w.Body, test.status, want)
		}
	}
}

// TestNoSigner: a document that cannot be signed is not answered unsigned.
func TestNoSigner(t *testing.T) {
	e := newInstance(newWellspring())
	e.Signer = func() (*DocumentSigner, error) { return nil, errors.New("no entropy") }
	token := metadataToken(t, e, "300")
	for _, name := range []string{"signature", "pkcs7"} {
		if w := ask(e, http.MethodGet, identityPath+name, tokenHeader, token); w.Code != http.StatusInternalServerError || w.Body.String() != "Internal Server Error\n" {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
}
