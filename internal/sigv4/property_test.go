package sigv4

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSignedIsAccepted signs random requests and lets nothing but them pass.
func TestSignedIsAccepted(t *testing.T) {
	var refused int
	rapid.Check(t, func(t *rapid.T) {
		s := drawSigner(t)
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0).UTC()
		r := drawRequest(t)
		if err := s.Sign(r, at); err != nil {
			t.Fatal(err)
		}
		required := []string{"content-type"}

		v := only(s)
		for range 2 { // the second time with the key from the cache
			got, err := v.Verify(r, required, at.Add(time.Duration(rapid.Int64Range(-300, 300).Draw(t, "skew"))*time.Second))
			if err != nil {
				t.Fatalf("not accepted: %v", err)
			}
			if want := (Identity{KeyID: s.KeyID, Region: s.Region, SignedAt: at}); got != want {
				t.Fatalf("got %+v, want %+v", got, want)
			}
		}
		for m := range mutants(r, at) {
			if m.verify(v, required) == nil {
				t.Fatalf("accepted a mutant: %s: %+v", m.what, m.Request)
			}
			refused++
		}
	})
	t.Logf("%d mutants refused", refused)
}

func drawSigner(t *rapid.T) Signer {
	s := Signer{
		KeyID:      rapid.StringMatching(`A[KS]IA[A-Z2-7]{1,16}`).Draw(t, "key id"),
		Credential: Credential{Secret: rapid.StringMatching(`[!-~]{1,40}`).Draw(t, "secret")},
		Region:     rapid.SampledFrom([]string{"us-east-1", "cn-northwest-1", "nowhere", ""}).Draw(t, "region"),
		Service:    rapid.SampledFrom([]string{service, "sts"}).Draw(t, "service"),
	}
	if strings.HasPrefix(s.KeyID, "ASIA") {
		s.Credential.SessionToken = rapid.StringMatching(`[A-Za-z0-9+/=]{1,40}`).Draw(t, "token")
	}
	return s
}

func drawRequest(t *rapid.T) Request {
	value := rapid.StringMatching(`[ -~]{0,20}`)
	r := Request{
		Method: rapid.SampledFrom([]string{"POST", "GET"}).Draw(t, "method"),
		RequestURI: rapid.OneOf(
			rapid.Just("/"),
			rapid.Just("/service/AWSMPEntitlementService/operation/GetEntitlements"),
			rapid.StringMatching(`/([a-z%~ \pL.]{0,3}/){0,3}[^?]{0,8}`),
		).Filter(func(s string) bool { return !strings.ContainsAny(s, "?\n") }).Draw(t, "target"),
		Host:   rapid.StringMatching(`[a-z0-9.\[\]:-]{1,20}`).Draw(t, "host"),
		Header: map[string][]string{"Content-Type": {value.Draw(t, "content type")}},
		Body:   rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, "body"),
	}
	for _, name := range rapid.SliceOfN(rapid.StringMatching(`(x-amz-)?[a-z][a-z0-9_-]{0,7}`), 0, 4).Draw(t, "names") {
		r.Header[http.CanonicalHeaderKey("my-"+name)] = rapid.SliceOfN(value, 1, 3).Draw(t, name)
		r.Header[http.CanonicalHeaderKey("x-amz-my-"+name)] = rapid.SliceOfN(value, 1, 3).Draw(t, name)
	}
	if rapid.Bool().Draw(t, "hash sent") {
		r.Header[amzHash] = []string{string(appendHexSHA256(nil, r.Body))}
	}
	return r
}

// TestDates: what parses as a date is exactly what formats as one.
func TestDates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`20[0-9]{2}[01][0-9][0-3][0-9]T[0-2][0-9][0-5][0-9][0-5][0-9]Z`),
			rapid.StringMatching(`[0-9T:.,+Z-]{16}`),
			rapid.StringMatching(`20260915T[0-9:.,+Z-]{7}`),
			rapid.String(),
		).Draw(t, "date")
		at, err := parseDate(s)
		if err == nil && format(at) != s {
			t.Fatalf("%q was read as %v", s, at)
		}
		if _, wrong := time.Parse(dateFormat, s); wrong == nil && len(s) == len(dateFormat) && err != nil {
			t.Fatalf("%q was refused: %v", s, err)
		}
	})
}
