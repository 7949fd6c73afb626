package sigv4

import "testing"

// TestKnownSignature compares with a signature that was computed by other means
// (Python's hmac and hashlib, from the specification), so that Sign and Verify
// cannot be wrong together where AWS's vectors are not at hand.
func TestKnownSignature(t *testing.T) {
	r := Request{
		Method:     "POST",
		RequestURI: "/x/../a%20b/",
		Host:       "127.0.0.1:8484",
		Header: map[string][]string{
			"Content-Type": {"application/x-amz-json-1.1"},
			"My-Header":    {" a   b ", "c"},
			"User-Agent":   {"unsigned"},
			"X-Amz-Target": {"AWSMPMeteringService.MeterUsage"},
		},
		Body: []byte(`{"ProductCode":"prod"}`),
	}
	sign(t, r, longTerm)
	const want = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260915/us-east-1/aws-marketplace/aws4_request, " +
		"SignedHeaders=content-type;host;my-header;x-amz-date;x-amz-target, " +
		"Signature=c81fa6f62ebf81ed3d96e31d2eeb0939aa5b159069aad249d6a1624e91eb0a15"
	if got := r.Header[authHeader][0]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestSignAgain: what an earlier signature left behind does not get into the next.
func TestSignAgain(t *testing.T) {
	r, fresh := newRequest(), newRequest()
	sign(t, r, temporary)
	sign(t, r, longTerm)
	sign(t, fresh, longTerm)
	if got, want := r.Header[authHeader][0], fresh.Header[authHeader][0]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSignRefuses(t *testing.T) {
	for what, r := range map[string]Request{
		"query":                      {RequestURI: "/?a=b", Header: map[string][]string{}},
		"absolute target":            {RequestURI: "http://host/", Header: map[string][]string{}},
		"line feed":                  {RequestURI: "/", Header: map[string][]string{"A": {"b\nc"}}},
		"name not in canonical form": {RequestURI: "/", Header: map[string][]string{"x-amz-acl": {"a"}}},
	} {
		if err := longTerm.Sign(r, now); err == nil {
			t.Errorf("%s: signed", what)
		}
	}
}

func TestAppendPath(t *testing.T) {
	for path, want := range map[string]string{
		"/":            "/",
		"//":           "/",
		"/./":          "/",
		"/..":          "/",
		"/../../a":     "/a",
		"/a/..":        "/",
		"/a//b/./../c": "/a/c",
		"//a//":        "/a/",
		"/a b":         "/a%20b",
		"/%2F..%zz":    "/%252F..%25zz",
		"/ü":           "/%C3%BC",
		"/-._~/AZ09":   "/-._~/AZ09",
		"/service/AWSMPEntitlementService/operation/GetEntitlements": "/service/AWSMPEntitlementService/operation/GetEntitlements",
	} {
		const before = "POST\n" // which no ".." may eat into
		if got := string(appendPath([]byte(before), path)); got != before+want {
			t.Errorf("%s: got %q, want %q", path, got, before+want)
		}
	}
}
