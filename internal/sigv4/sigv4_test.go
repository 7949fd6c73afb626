package sigv4

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"
)

const service = "aws-marketplace"

var (
	now = time.Date(2026, 9, 15, 10, 30, 0, 0, time.UTC)

	longTerm = Signer{
		KeyID:      "AKIAEXAMPLE",
		Credential: Credential{Secret: "wonderful"},
		Region:     "us-east-1",
		Service:    service,
	}
	temporary = Signer{
		KeyID:      "ASIAEXAMPLE",
		Credential: Credential{Secret: "marvellous", SessionToken: strings.Repeat("token/+=", 40), Expires: now.Add(time.Hour)},
		Region:     "eu-west-1",
		Service:    service,
	}

	// meteringDoor is what the metering door requires.
	meteringDoor = []string{"content-type", "x-amz-target"}
)

func newVerifier() *Verifier {
	return &Verifier{Service: service, Lookup: lookup}
}

func lookup(keyID string) (Credential, bool) {
	for _, s := range []Signer{longTerm, temporary} {
		if s.KeyID == keyID {
			return s.Credential, true
		}
	}
	return Credential{}, false
}

// newRequest returns the request of a Go SDK, not yet signed.
func newRequest() Request {
	return Request{
		Method:     "POST",
		RequestURI: "/",
		Host:       "127.0.0.1:8484",
		Header: map[string][]string{
			"Accept-Encoding": {"gzip"},
			"Amz-Sdk-Request": {"attempt=1; max=3"},
			"Content-Length":  {"2"},
			"Content-Type":    {"application/x-amz-json-1.1"},
			"User-Agent":      {"aws-sdk-go-v2/1.47.7"},
			"X-Amz-Target":    {"AWSMPMeteringService.MeterUsage"},
		},
		Body: []byte("{}"),
	}
}

func sign(t testing.TB, r Request, s Signer) {
	t.Helper()
	if err := s.Sign(r, now); err != nil {
		t.Fatal(err)
	}
}

// signList signs exactly the headers in the list, as a client that knows no
// better would.
func signList(t testing.TB, r Request, s Signer, list string) {
	t.Helper()
	sign(t, r, s)
	resign(t, r, s, list, string(appendHexSHA256(nil, r.Body)))
}

// resign signs again, within the scope that was signed already, a list of
// headers and what is to pass for the hash of the body.
func resign(t testing.TB, r Request, s Signer, list, hash string) {
	t.Helper()
	canonical, err := appendHead(nil, r, list)
	if err != nil {
		t.Fatal(err)
	}
	signText(t, r, s, list, string(canonical)+hash)
}

func signText(t testing.TB, r Request, s Signer, list, canonical string) {
	t.Helper()
	a := header(t, r)
	_, scope, _ := strings.Cut(a.credential, "/")
	_, stamp, _ := r.date()
	digits := deriveKey(s.Credential.Secret, scope[:8], s.Region, s.Service).sign(stamp, scope, []byte(canonical))
	a.signedHeaders, a.signature = list, string(digits[:])
	r.Header[authHeader] = []string{a.String()}
}

// header returns the request's Authorization header taken apart.
func header(t testing.TB, r Request) authorization {
	t.Helper()
	a, err := parseAuthorization(r.Header[authHeader][0])
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// replace replaces text within the request's Authorization header.
func replace(t testing.TB, r Request, old, with string) {
	t.Helper()
	before := r.Header[authHeader][0]
	after := strings.Replace(before, old, with, 1)
	if before == after {
		t.Fatalf("%q is not in %q", old, before)
	}
	r.Header[authHeader] = []string{after}
}

func clone(r Request) Request {
	r.Header = maps.Clone(r.Header)
	return r
}

// wantError fails the test unless err is the refusal with this code and message.
func wantError(t testing.TB, err error, code Code, message string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want %s", err, code)
	}
	if e.Code != code || e.Message != message {
		t.Errorf("got  %s: %s\nwant %s: %s", e.Code, e.Message, code, message)
	}
}

const mismatch = "The request signature we calculated does not match the signature you provided. " +
	"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
