package sdk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store/promise"
)

const (
	signedRequests = 2000
	signedService  = "aws-marketplace"
)

// forged is a signed request, taken apart so that it can be changed.
type forged struct {
	sigv4.Request
	at time.Time // when it arrives
}

// clone returns a copy that shares nothing with the original.
func (f forged) clone() forged {
	f.Header = http.Header(f.Header).Clone()
	f.Body = slices.Clone(f.Body)
	return f
}

// TestSigV4 is our verifier against the SDK's signer: whatever the one signs the
// other accepts, and not after any change.
func TestSigV4(t *testing.T) {
	tally := promise.NewTally(t)
	for seed := range tally.Runs(signedRequests) {
		random := rand.New(rand.NewPCG(seed, 15))
		f, cred, region := randomRequest(t, random)
		v := &sigv4.Verifier{Service: signedService, Lookup: func(keyID string) (sigv4.Credential, bool) {
			return sigv4.Credential{Secret: cred.SecretAccessKey, SessionToken: cred.SessionToken}, keyID == cred.AccessKeyID
		}}
		verify := func(f forged) (sigv4.Identity, error) {
			return v.Verify(f.Request, []string{"content-type"}, f.at)
		}
		id, err := verify(f)
		if err != nil || id.KeyID != cred.AccessKeyID || id.Region != region {
			t.Fatalf("seed %d: got %+v, %v, want %s of %s\n%+v", seed, id, err, cred.AccessKeyID, region, f)
		}
		tally.Add("originals", 1)
		for _, c := range changes {
			changed := f.clone()
			if !c.change(random, &changed) {
				continue
			}
			var refusal *sigv4.Error
			if _, err := verify(changed); !errors.As(err, &refusal) {
				t.Fatalf("seed %d was accepted in spite of %s: %v\n%+v", seed, c.name, err, changed)
			}
			tally.Add("mutants", 1)
		}
	}
}

// changes are what a forger may try. Each tells whether it changed the request.
var changes = []struct {
	name   string
	change func(*rand.Rand, *forged) bool
}{
	{"another bit in the body", func(r *rand.Rand, f *forged) bool {
		if len(f.Body) == 0 {
			return false
		}
		f.Body[r.IntN(len(f.Body))] ^= 1 << r.IntN(8)
		return true
	}},
	{"a longer body", func(_ *rand.Rand, f *forged) bool { f.Body = append(f.Body, ' '); return true }},
	{"another host", func(_ *rand.Rand, f *forged) bool { f.Host = "evil." + f.Host; return true }},
	{"another method", func(_ *rand.Rand, f *forged) bool { f.Method = "PUT"; return true }},
	{"another path", func(_ *rand.Rand, f *forged) bool { f.RequestURI += "x"; return true }},
	{"a query", func(_ *rand.Rand, f *forged) bool { f.RequestURI += "?a=b"; return true }},
	{"a later hour", func(_ *rand.Rand, f *forged) bool { f.at = f.at.Add(time.Hour); return true }},
	{"an earlier hour", func(_ *rand.Rand, f *forged) bool { f.at = f.at.Add(-time.Hour); return true }},
	{"a fresher date", fresherDate},
	{"no date", func(_ *rand.Rand, f *forged) bool { delete(f.Header, "X-Amz-Date"); return true }},
	{"no authorization", func(_ *rand.Rand, f *forged) bool { delete(f.Header, "Authorization"); return true }},
	{"an unsigned header", func(_ *rand.Rand, f *forged) bool { return setHeader(f, "X-Amz-Unsigned", "1") }},
	{"another target", func(_ *rand.Rand, f *forged) bool { return setHeader(f, "X-Amz-Target", "AWSMPMeteringService.Other") }},
	{"another token", func(_ *rand.Rand, f *forged) bool { return setHeader(f, "X-Amz-Security-Token", "forged") }},
	{"another region", inAuthorization("/"+signedService+"/", "x/"+signedService+"/")},
	{"another service", inAuthorization("/"+signedService+"/", "/s3/")},
	{"another key", inAuthorization("Credential=", "Credential=X")},
	{"a header less", inAuthorization("content-type;", "")},
	{"an unsigned payload", func(_ *rand.Rand, f *forged) bool { return setHeader(f, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }},
	{"another signature", func(r *rand.Rand, f *forged) bool {
		auth := []byte(f.Header["Authorization"][0])
		last := len(auth) - 1 - r.IntN(64)
		auth[last] = map[bool]byte{true: '1', false: '0'}[auth[last] == '0']
		return setHeader(f, "Authorization", string(auth))
	}},
	{"another value of a signed header", func(r *rand.Rand, f *forged) bool {
		names := signedNames(f)
		name := http.CanonicalHeaderKey(names[r.IntN(len(names))])
		if name == "Host" {
			return false
		}
		f.Header[name][0] += "x"
		return true
	}},
	{"a signed header twice", func(r *rand.Rand, f *forged) bool {
		names := signedNames(f)
		name := http.CanonicalHeaderKey(names[r.IntN(len(names))])
		if name == "Host" {
			return false
		}
		f.Header[name] = append(f.Header[name], "again")
		return true
	}},
	{"a signed header dropped", func(r *rand.Rand, f *forged) bool {
		names := signedNames(f)
		name := http.CanonicalHeaderKey(names[r.IntN(len(names))])
		if name == "Host" {
			return false
		}
		delete(f.Header, name)
		return true
	}},
}

func setHeader(f *forged, name, value string) bool {
	f.Header[name] = []string{value}
	return true
}

func inAuthorization(old, new string) func(*rand.Rand, *forged) bool {
	return func(_ *rand.Rand, f *forged) bool {
		auth := f.Header["Authorization"][0]
		return setHeader(f, "Authorization", strings.Replace(auth, old, new, 1))
	}
}

func signedNames(f *forged) []string {
	_, list, _ := strings.Cut(f.Header["Authorization"][0], "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	return strings.Split(list, ";")
}

// fresherDate is what a replay needs.
func fresherDate(_ *rand.Rand, f *forged) bool {
	const form = "20060102T150405Z"
	at, err := time.Parse(form, f.Header["X-Amz-Date"][0])
	return err == nil && setHeader(f, "X-Amz-Date", at.Add(time.Second).Format(form))
}

// randomRequest is a request as an SDK could send it, signed by the SDK's signer.
func randomRequest(t *testing.T, r *rand.Rand) (forged, aws.Credentials, string) {
	t.Helper()
	cred := aws.Credentials{AccessKeyID: "AKIA" + text(r, alphanumeric, 16), SecretAccessKey: text(r, printable, 1+r.IntN(60))}
	if r.IntN(2) == 0 {
		cred.AccessKeyID, cred.SessionToken = "ASIA"+cred.AccessKeyID[4:], text(r, base64ish, 1+r.IntN(400))
	}
	region := []string{"us-east-1", "eu-central-2", "us-gov-west-1", "cn-northwest-1", text(r, alphanumeric, 8)}[r.IntN(5)]
	at := time.Unix(r.Int64N(4e9), 0).UTC()
	body := []byte(text(r, printable, r.IntN(300)))
	path := []string{"/", "/service/AWSMPEntitlementService/operation/GetEntitlements", "/" + text(r, alphanumeric, 5) + "/%20%7E%2B"}[r.IntN(3)]
	host := []string{"127.0.0.1:8484", "localhost", "metering.marketplace.us-east-1.amazonaws.com", fmt.Sprintf("[::1]:%d", 1024+r.IntN(60000))}[r.IntN(4)]

	req, err := http.NewRequest(http.MethodPost, "http://"+host+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AWSMPMeteringService."+text(r, alphanumeric, 10))
	req.Header.Set("User-Agent", "aws-sdk-go-v2/1.47.0 "+text(r, printable, 10))
	for range r.IntN(4) {
		name := http.CanonicalHeaderKey("x-" + text(r, alphanumeric, 6))
		for range 1 + r.IntN(2) {
			req.Header.Add(name, text(r, spaced, r.IntN(30)))
		}
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if r.IntN(2) == 0 { // as the SDK for JavaScript does
		req.Header.Set("X-Amz-Content-Sha256", hash)
	}
	if err := v4.NewSigner().SignHTTP(t.Context(), cred, req, hash, signedService, region, at); err != nil {
		t.Fatal(err)
	}
	// What net/http writes and reads again on the way: the host beside the
	// headers, the length among them if the signer counted it in, and values
	// without the spaces around them.
	if len(body) > 0 {
		req.Header.Set("Content-Length", fmt.Sprint(len(body)))
	}
	for _, values := range req.Header {
		for i := range values {
			values[i] = strings.Trim(values[i], " ")
		}
	}
	arrives := at.Add(time.Duration(r.IntN(600)-300) * time.Second)
	hostHeader := req.Host
	if hostHeader == "" {
		hostHeader = req.URL.Host
	}
	return forged{sigv4.Request{
		Method: req.Method, RequestURI: req.URL.RequestURI(), Host: hostHeader, Header: req.Header, Body: body,
	}, arrives}, cred, region
}

const (
	alphanumeric = "abcdefghijklmnopqrstuvwxyz0123456789"
	base64ish    = alphanumeric + "ABCDEFGHIJKLMNOPQRSTUVWXYZ+/="
	printable    = base64ish + ` !"#$%&'()*,-.:;<>?@[\]^_{|}~`
	spaced       = alphanumeric + "    ,;="
)

func text(r *rand.Rand, from string, length int) string {
	b := make([]byte, length)
	for i := range b {
		b[i] = from[r.IntN(len(from))]
	}
	return string(b)
}
