package sigv4

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestTraps holds the ways in which other servers have been, or could be,
// talked into reading a request differently from the one that was signed, and
// the oddities of honest clients that must pass. Each request is signed well and
// then edited; where the edit concerns what is signed, the edit signs it again,
// so that it is the rule which refuses it and not the signature.
func TestTraps(t *testing.T) {
	ok := func(list string) func(*testing.T, Request) Request { // signs this list
		return func(t *testing.T, r Request) Request { signList(t, r, longTerm, list); return r }
	}
	twice := func(name string) func(*testing.T, Request) Request { // with the very same value
		return func(t *testing.T, r Request) Request {
			r.Header[name] = append(r.Header[name], r.Header[name]...)
			return r
		}
	}
	set := func(name string, values ...string) func(*testing.T, Request) Request {
		return func(t *testing.T, r Request) Request { r.Header[name] = values; return r }
	}
	setAndSign := func(name string, values ...string) func(*testing.T, Request) Request {
		return func(t *testing.T, r Request) Request { r.Header[name] = values; sign(t, r, longTerm); return r }
	}
	list := func(list string) func(*testing.T, Request) Request { // claims this list
		return func(t *testing.T, r Request) Request {
			replace(t, r, "SignedHeaders="+header(t, r).signedHeaders, "SignedHeaders="+list)
			return r
		}
	}
	target := func(uri string) func(*testing.T, Request) Request {
		return func(t *testing.T, r Request) Request { r.RequestURI = uri; return r }
	}
	malformed := func(list string) string {
		return "'SignedHeaders' must be lower-case, sorted and unique in the AWS Authorization, got '" + list + "'."
	}
	const (
		wrongToken = "The security token included in the request is invalid"
		unsigned   = " must be a 'SignedHeader' in the AWS Authorization."
		notSent    = " is a 'SignedHeader' in the AWS Authorization but was not sent."
	)

	tests := []struct {
		trap    string
		signer  Signer
		edit    func(*testing.T, Request) Request
		code    Code // none for accepted
		message string
	}{
		// Host
		{"host without its port", longTerm, func(t *testing.T, r Request) Request { r.Host = "127.0.0.1"; return r }, InvalidSignature, mismatch},
		{"host in another case", longTerm, func(t *testing.T, r Request) Request {
			r.Host = "LocalHost:1"
			sign(t, r, longTerm)
			r.Host = "localhost:1"
			return r
		}, InvalidSignature, mismatch},
		{"X-Forwarded-Host does not stand in for Host", longTerm, func(t *testing.T, r Request) Request {
			r.Host, r.Header["X-Forwarded-Host"] = "evil", []string{r.Host}
			return r
		}, InvalidSignature, mismatch},
		{"a Host among the headers does not stand in for Host", longTerm, func(t *testing.T, r Request) Request {
			r.Host, r.Header["Host"] = "evil", []string{r.Host}
			return r
		}, InvalidSignature, mismatch},

		// Target and path
		{"absolute target", longTerm, target("http://127.0.0.1:8484/"), InvalidSignature, mismatch},
		{"asterisk target", longTerm, target("*"), InvalidSignature, mismatch},
		{"empty target", longTerm, target(""), InvalidSignature, mismatch},
		{"another path", longTerm, target("/x"), InvalidSignature, mismatch},
		{"an encoded slash is not a slash", longTerm, target("/%2F"), InvalidSignature, mismatch},

		// Query
		{"query", longTerm, target("/?a=b"), InvalidSignature, mismatch},
		{"empty query", longTerm, target("/?"), InvalidSignature, mismatch},
		{"query that net/url drops: semicolon", longTerm, target("/?a=1;b=2"), InvalidSignature, mismatch},
		{"query that net/url drops: bad escape", longTerm, target("/?c=%zz"), InvalidSignature, mismatch},

		// Header values
		{"spaces around and within a value", longTerm, func(t *testing.T, r Request) Request {
			r.Header["Amz-Sdk-Request"] = []string{"attempt=1; max=3"}
			sign(t, r, longTerm)
			r.Header["Amz-Sdk-Request"] = []string{"  attempt=1;   max=3 "}
			return r
		}, "", ""},
		{"repeats are joined", longTerm, func(t *testing.T, r Request) Request {
			r.Header["My-Header"] = []string{"b,a"}
			sign(t, r, longTerm)
			r.Header["My-Header"] = []string{"b", "a"}
			return r
		}, "", ""},
		{"repeats keep their order", longTerm, func(t *testing.T, r Request) Request {
			r.Header["My-Header"] = []string{"b", "a"}
			sign(t, r, longTerm)
			r.Header["My-Header"] = []string{"a", "b"}
			return r
		}, InvalidSignature, mismatch},
		{"a line feed would blur two headers", longTerm, func(t *testing.T, r Request) Request {
			const list = "a;b;content-type;host;x-amz-date;x-amz-target"
			r.Header["A"], r.Header["B"] = []string{"1"}, []string{"2|b:3"}
			canonical, err := appendHead(nil, r, list)
			if err != nil {
				t.Fatal(err)
			}
			signText(t, r, longTerm, list, strings.Replace(string(canonical), "|", "\n", 1)+payload)
			r.Header["B"] = []string{"2\nb:3"}
			return r
		}, InvalidSignature, mismatch},
		{"a line feed in the method", longTerm, func(t *testing.T, r Request) Request { r.Method = "POST\n"; return r }, InvalidSignature, mismatch},

		// Repeats
		{"two Authorization", longTerm, twice(authHeader), InvalidSignature, "More than one 'Authorization' header was sent."},
		{"two X-Amz-Date", longTerm, twice(amzDate), InvalidSignature, "More than one 'X-Amz-Date' header was sent."},
		{"two X-Amz-Target", longTerm, setAndSign(amzTarget, "x", "y"), InvalidSignature, "More than one 'X-Amz-Target' header was sent."},
		{"two X-Amz-Security-Token", longTerm, set(amzToken, "x", "x"), InvalidSignature, "More than one 'X-Amz-Security-Token' header was sent."},
		{"two X-Amz-Content-Sha256", longTerm, setAndSign(amzHash, "x", "x"), InvalidSignature, "More than one 'X-Amz-Content-Sha256' header was sent."},
		{"two Content-Type", longTerm, setAndSign(contentType, "x", "x"), InvalidSignature, "More than one 'Content-Type' header was sent."},
		{"two Date", longTerm, setAndSign(dateHeader, "x", "x"), InvalidSignature, "More than one 'Date' header was sent."},

		// SignedHeaders
		{"not sorted", longTerm, list("host;content-type;x-amz-date;x-amz-target"), IncompleteSignature, malformed("host;content-type;x-amz-date;x-amz-target")},
		{"repeated", longTerm, list("content-type;host;host;x-amz-date;x-amz-target"), IncompleteSignature, malformed("content-type;host;host;x-amz-date;x-amz-target")},
		{"upper case", longTerm, list("Content-Type;host;x-amz-date;x-amz-target"), IncompleteSignature, malformed("Content-Type;host;x-amz-date;x-amz-target")},
		{"empty item", longTerm, list("content-type;;host;x-amz-date;x-amz-target"), IncompleteSignature, malformed("content-type;;host;x-amz-date;x-amz-target")},
		{"empty first item", longTerm, list(";host;x-amz-date"), IncompleteSignature, malformed(";host;x-amz-date")},
		{"empty last item", longTerm, list("host;x-amz-date;"), IncompleteSignature, malformed("host;x-amz-date;")},
		{"without host", longTerm, ok("content-type;x-amz-date;x-amz-target"), InvalidSignature, "'Host' or ':authority'" + unsigned},
		{"without x-amz-date", longTerm, ok("content-type;host;x-amz-target"), InvalidSignature, "'X-Amz-Date'" + unsigned},
		{"without content-type", longTerm, ok("host;x-amz-date;x-amz-target"), InvalidSignature, "'Content-Type'" + unsigned},
		{"without an x-amz- header that was sent", longTerm, func(t *testing.T, r Request) Request {
			sign(t, r, longTerm)
			r.Header["X-Amz-User-Agent"], r.Header["X-Amz-Acl"] = []string{"a"}, []string{"b"}
			return r
		}, InvalidSignature, "'X-Amz-Acl'" + unsigned},
		{"x-amzn-trace-id is not x-amz-", longTerm, set("X-Amzn-Trace-Id", "Root=1"), "", ""},
		{"required but not sent", longTerm, func(t *testing.T, r Request) Request {
			delete(r.Header, amzTarget)
			sign(t, r, longTerm)
			return r
		}, InvalidSignature, "'X-Amz-Target'" + unsigned},
		{"the least that the metering door takes", longTerm, ok("content-type;host;x-amz-date;x-amz-target"), "", ""},
		{"the session token unsigned", temporary, func(t *testing.T, r Request) Request {
			signList(t, r, temporary, "content-type;host;x-amz-date;x-amz-target")
			return r
		}, "", ""},

		// Content-Length, and whatever is signed but removed on the way
		{"listed but not sent", longTerm, func(t *testing.T, r Request) Request {
			delete(r.Header, "Content-Length")
			return r
		}, InvalidSignature, "'Content-Length'" + notSent},
		{"listed but sent without a value", longTerm, set("Content-Length"), InvalidSignature, "'Content-Length'" + notSent},

		// Never signed: the list is the client's, not ours
		{"user-agent changed", longTerm, set("User-Agent", "proxy"), "", ""},
		{"user-agent signed", longTerm, ok("content-type;host;user-agent;x-amz-date;x-amz-target"), "", ""},
		{"user-agent signed and changed", longTerm, func(t *testing.T, r Request) Request {
			signList(t, r, longTerm, "content-type;host;user-agent;x-amz-date;x-amz-target")
			r.Header["User-Agent"] = []string{"proxy"}
			return r
		}, InvalidSignature, mismatch},

		// Date
		{"X-Amz-Date wins over Date", longTerm, set(dateHeader, "Tue, 15 Sep 2026 10:30:00 GMT"), "", ""},
		{"Date alone", longTerm, onlyDate("20260915T103000Z", "content-type;date;host;x-amz-target"), "", ""},
		{"Date alone must be signed", longTerm, onlyDate("20260915T103000Z", "content-type;host;x-amz-target"), InvalidSignature, "'Date'" + unsigned},
		{
			"Date alone must be basic, too", longTerm, onlyDate("Tue, 15 Sep 2026 10:30:00 GMT", "content-type;date;host;x-amz-target"),
			IncompleteSignature, "Date must be in ISO-8601 'basic format'. Got 'Tue, 15 Sep 2026 10:30:00 GMT'. See http://en.wikipedia.org/wiki/ISO_8601",
		},
		{
			"fractions of a second", longTerm, date("20260915T103000.0Z"),
			IncompleteSignature, "Date must be in ISO-8601 'basic format'. Got '20260915T103000.0Z'. See http://en.wikipedia.org/wiki/ISO_8601",
		},
		{
			"no such day", longTerm, date("20260931T103000Z"),
			IncompleteSignature, "Date must be in ISO-8601 'basic format'. Got '20260931T103000Z'. See http://en.wikipedia.org/wiki/ISO_8601",
		},
		{
			"empty date", longTerm, date(""),
			IncompleteSignature, "Date must be in ISO-8601 'basic format'. Got ''. See http://en.wikipedia.org/wiki/ISO_8601",
		},

		// X-Amz-Content-Sha256
		{"the right hash", longTerm, setAndSign(amzHash, payload), "", ""},
		{"the hash of another body", longTerm, setAndSign(amzHash, strings.Repeat("0", 64)), InvalidSignature, mismatch},
		{"the right hash in upper case", longTerm, setAndSign(amzHash, strings.ToUpper(payload)), InvalidSignature, mismatch},
		{"the hash unsigned", longTerm, set(amzHash, payload), InvalidSignature, "'X-Amz-Content-Sha256'" + unsigned},
		{"UNSIGNED-PAYLOAD, our hash", longTerm, setAndSign(amzHash, "UNSIGNED-PAYLOAD"), InvalidSignature, mismatch},
		{"UNSIGNED-PAYLOAD, as S3 signs it", longTerm, marker("UNSIGNED-PAYLOAD"), InvalidSignature, mismatch},
		{"STREAMING-…, as S3 signs it", longTerm, marker("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), InvalidSignature, mismatch},
		{"STREAMING-UNSIGNED-…, as S3 signs it", longTerm, marker("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), InvalidSignature, mismatch},

		// Comparison: edits of the signature itself are in mutate_test.go
		{"no signature but a prefix of it", longTerm, func(t *testing.T, r Request) Request {
			s := header(t, r).signature
			replace(t, r, s, s[:32])
			return r
		}, InvalidSignature, mismatch},

		// Session token
		{"ASIA without a token", temporary, func(t *testing.T, r Request) Request {
			signList(t, r, temporary, "content-type;host;x-amz-date;x-amz-target")
			delete(r.Header, amzToken)
			return r
		}, UnrecognizedClient, wrongToken},
		{"ASIA with an empty token", temporary, token(""), UnrecognizedClient, wrongToken},
		{"AKIA with a token", longTerm, token("x"), UnrecognizedClient, wrongToken},
		{"AKIA with an empty token", longTerm, token(""), UnrecognizedClient, wrongToken},
		{"token of another key", Signer{"ASIAOTHER", temporary.Credential, "eu-west-1", service}, nil, UnrecognizedClient, wrongToken},
		{"ASIA that is kept without a token", Signer{"ASIABARE", Credential{Secret: "bare"}, "eu-west-1", service}, token("x"), UnrecognizedClient, wrongToken},
		{"ASIA that is kept and sent without a token", Signer{"ASIABARE", Credential{Secret: "bare"}, "eu-west-1", service}, nil, UnrecognizedClient, wrongToken},
		{"AKIA that is kept with a token", Signer{"AKIATOKEN", Credential{Secret: "odd"}, "eu-west-1", service}, nil, UnrecognizedClient, wrongToken},

		// Parsing
		{"parameter twice", longTerm, edit("Signature=", "Credential=a, Signature="), IncompleteSignature, "Authorization header has more than one 'Credential' parameter."},
		{"parameter twice, once empty", longTerm, edit("Signature=", "Signature=, Signature="), IncompleteSignature, "Authorization header has more than one 'Signature' parameter."},
		{"unknown parameter", longTerm, edit("Signature=", "X=y, Signature="), IncompleteSignature, "Authorization header has an unknown 'X' parameter."},
		{"no spaces between parameters", longTerm, func(t *testing.T, r Request) Request {
			return edit(", Signature", ",Signature")(t, edit(", SignedHeaders", ",SignedHeaders")(t, r))
		}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.trap, func(t *testing.T) {
			r := newRequest()
			sign(t, r, tt.signer)
			if tt.edit != nil {
				r = tt.edit(t, r)
			}
			v := newVerifier()
			v.Lookup = func(keyID string) (Credential, bool) {
				switch keyID {
				case "ASIAOTHER":
					return Credential{Secret: temporary.Credential.Secret, SessionToken: "its own"}, true
				case "ASIABARE":
					return Credential{Secret: "bare"}, true
				case "AKIATOKEN":
					return Credential{Secret: "odd", SessionToken: "x"}, true
				}
				return lookup(keyID)
			}
			_, err := v.Verify(r, meteringDoor, now)
			if tt.code != "" {
				wantError(t, err, tt.code, tt.message)
			} else if err != nil {
				t.Errorf("got %v, want it accepted", err)
			}
		})
	}
}

// TestSkew: both ends are inclusive, to the nanosecond.
func TestSkew(t *testing.T) {
	r := newRequest()
	sign(t, r, longTerm)
	for skew, want := range map[time.Duration]bool{
		5 * time.Minute: true, 5*time.Minute + 1: false,
		-5 * time.Minute: true, -5*time.Minute - 1: false,
	} {
		if _, err := newVerifier().Verify(r, nil, now.Add(skew)); (err == nil) != want {
			t.Errorf("clock off by %v: got %v", skew, err)
		}
	}
}

// TestMidnight: the scope has the day of the request, whatever day it is here.
func TestMidnight(t *testing.T) {
	r := newRequest()
	signedAt := time.Date(2026, 9, 15, 23, 59, 0, 0, time.UTC)
	if err := longTerm.Sign(r, signedAt); err != nil {
		t.Fatal(err)
	}
	for _, clock := range []time.Time{signedAt.Add(2 * time.Minute), signedAt.In(time.FixedZone("", 14*3600))} {
		if _, err := newVerifier().Verify(r, nil, clock); err != nil {
			t.Errorf("at %v: %v", clock, err)
		}
	}
}

// TestDoors: what a door does not require may be left out.
func TestDoors(t *testing.T) {
	r := newRequest()
	r.RequestURI = "/service/AWSMPEntitlementService/operation/GetEntitlements"
	r.Header = map[string][]string{"Content-Type": {"application/cbor"}, "Smithy-Protocol": {"rpc-v2-cbor"}}
	sign(t, r, longTerm)
	if _, err := newVerifier().Verify(r, []string{"content-type"}, now); err != nil {
		t.Error(err)
	}
	_, err := newVerifier().Verify(r, meteringDoor, now)
	wantError(t, err, InvalidSignature, "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.")

	// A Content-Type that was sent must be signed even where none is required.
	signList(t, r, longTerm, "host;x-amz-date")
	_, err = newVerifier().Verify(r, nil, now)
	wantError(t, err, InvalidSignature, "'Content-Type' must be a 'SignedHeader' in the AWS Authorization.")
}

// payload is the hash of newRequest's body.
const payload = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

func onlyDate(stamp, list string) func(*testing.T, Request) Request {
	return func(t *testing.T, r Request) Request {
		signList(t, r, longTerm, "content-type;host;x-amz-date;x-amz-target")
		delete(r.Header, amzDate)
		r.Header[dateHeader] = []string{stamp}
		resign(t, r, longTerm, list, payload)
		return r
	}
}

// marker signs as S3 clients do, with the marker in place of the body's hash.
func marker(m string) func(*testing.T, Request) Request {
	return func(t *testing.T, r Request) Request {
		r.Header[amzHash] = []string{m}
		resign(t, r, longTerm, "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-target", m)
		return r
	}
}

// TestAppendMIMEKey: the keys we look up are the keys net/http makes.
func TestAppendMIMEKey(t *testing.T) {
	for _, name := range []string{"host", "x-amz-date", "x-amz-content-sha256", "etag", "a--b", "-a", "a_b-c", "1a"} {
		if got, want := string(appendMIMEKey(nil, name)), http.CanonicalHeaderKey(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
