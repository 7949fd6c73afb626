package sigv4

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestAnswers holds the code and the message of every way to fail, in the order
// in which the checks are made.
func TestAnswers(t *testing.T) {
	const expired = "The security token included in the request is expired"
	tests := []struct {
		name    string
		signer  Signer
		edit    func(t *testing.T, r Request) Request // of a request that was signed well
		clock   time.Time
		code    Code
		message string
	}{
		{
			name:    "no header",
			edit:    func(t *testing.T, r Request) Request { delete(r.Header, authHeader); return r },
			code:    MissingAuthenticationToken,
			message: "Request is missing Authentication Token",
		},
		{
			name: "no header but a presigned query",
			edit: func(t *testing.T, r Request) Request {
				delete(r.Header, authHeader)
				r.RequestURI = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"
				return r
			},
			code:    MissingAuthenticationToken,
			message: "Request is missing Authentication Token",
		},
		{
			name:    "another scheme",
			edit:    func(t *testing.T, r Request) Request { r.Header[authHeader] = []string{"Bearer x"}; return r },
			code:    MissingAuthenticationToken,
			message: "Request is missing Authentication Token",
		},
		{
			name: "header and query",
			edit: func(t *testing.T, r Request) Request {
				r.RequestURI = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256"
				return r
			},
			code:    InvalidSignature,
			message: "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
		},
		{
			name:    "SigV4a",
			edit:    edit(algorithm, "AWS4-ECDSA-P256-SHA256"),
			code:    IncompleteSignature,
			message: "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256' (only AWS4-HMAC-SHA256 for now).",
		},
		{
			name: "not key=value",
			edit: func(t *testing.T, r Request) Request {
				r.Header[authHeader] = []string{"AWS4-HMAC-SHA256 Credential=a, b c, Signature=d"}
				return r
			},
			code: IncompleteSignature,
			message: "'b c' not a valid key=value pair (missing equal-sign) in Authorization header: " +
				"'AWS4-HMAC-SHA256 Credential=a, b c, Signature=d'.",
		},
		{
			name: "nothing but the algorithm, and no date",
			edit: func(t *testing.T, r Request) Request {
				r.Header[authHeader] = []string{"AWS4-HMAC-SHA256"}
				delete(r.Header, amzDate)
				return r
			},
			code: IncompleteSignature,
			message: "Authorization header requires 'Credential' parameter. " +
				"Authorization header requires 'Signature' parameter. " +
				"Authorization header requires 'SignedHeaders' parameter. " +
				"Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. " +
				"(Hashed with SHA-256 and encoded with Base64) Authorization=YI2YWea8FSxnksZL2ETHbs5elHm9HQufxTLK0W0ffV0=",
		},
		{
			name: "empty signature",
			edit: func(t *testing.T, r Request) Request {
				r.Header[authHeader] = []string{"AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature="}
				return r
			},
			code: IncompleteSignature,
			message: "Authorization header requires 'Signature' parameter. " +
				"(Hashed with SHA-256 and encoded with Base64) Authorization=jJ9mxNZlDOzT7yWSB8Upp95Rf2bK4mQVWYd/rvLw9Zo=",
		},
		{
			name: "no date",
			edit: func(t *testing.T, r Request) Request {
				r.Header[authHeader] = []string{"AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b"}
				delete(r.Header, amzDate)
				return r
			},
			code: IncompleteSignature,
			message: "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. " +
				"(Hashed with SHA-256 and encoded with Base64) Authorization=kObdg4Rnr5LEY12JMZQjZ6U4UH8c8kf6duT015Rw/lU=",
		},
		{
			name: "host unsigned",
			edit: func(t *testing.T, r Request) Request {
				signList(t, r, longTerm, "content-type;x-amz-date;x-amz-target")
				return r
			},
			code:    InvalidSignature,
			message: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
		},
		{
			name:    "date",
			edit:    date("2026-09-15T10:30:00Z"),
			code:    IncompleteSignature,
			message: "Date must be in ISO-8601 'basic format'. Got '2026-09-15T10:30:00Z'. See http://en.wikipedia.org/wiki/ISO_8601",
		},
		{
			name:    "old",
			clock:   now.Add(5*time.Minute + time.Second),
			code:    InvalidSignature,
			message: "Signature expired: 20260915T103000Z is now earlier than 20260915T103001Z (20260915T103501Z - 5 min.)",
		},
		{
			name:    "future",
			clock:   now.Add(-5*time.Minute - time.Second),
			code:    InvalidSignature,
			message: "Signature not yet current: 20260915T103000Z is still later than 20260915T102959Z (20260915T102459Z + 5 min.)",
		},
		{
			name:    "scope of four parts",
			edit:    edit("/us-east-1/", "/"),
			code:    IncompleteSignature,
			message: "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIAEXAMPLE/20260915/aws-marketplace/aws4_request'",
		},
		{
			name:    "scope of six parts",
			edit:    edit("/us-east-1/", "/us-east-1//"),
			code:    IncompleteSignature,
			message: "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIAEXAMPLE/20260915/us-east-1//aws-marketplace/aws4_request'",
		},
		{
			name:    "service",
			signer:  Signer{"AKIAEXAMPLE", longTerm.Credential, "us-east-1", "metering.marketplace"},
			code:    InvalidSignature,
			message: "Credential should be scoped to correct service: 'aws-marketplace'.",
		},
		{
			name:    "terminator",
			edit:    edit("aws4_request", "aws3_request"),
			code:    InvalidSignature,
			message: "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws3_request'.",
		},
		{
			name: "scope date",
			edit: edit("/20260915/", "/20260914/"),
			code: InvalidSignature,
			message: "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: " +
				"'20260914' != '20260915', from '20260915T103000Z'.",
		},
		{
			name: "all of the scope",
			edit: edit("/20260915/us-east-1/aws-marketplace/aws4_request", "/b/c/d/e"),
			code: InvalidSignature,
			message: "Credential should be scoped to correct service: 'aws-marketplace'. " +
				"Credential should be scoped with a valid terminator: 'aws4_request', not 'e'. " +
				"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: " +
				"'b' != '20260915', from '20260915T103000Z'.",
		},
		{
			name:    "session token broken",
			signer:  temporary,
			edit:    token("another"),
			code:    UnrecognizedClient,
			message: "The security token included in the request is invalid",
		},
		{
			name:    "session token of another length",
			signer:  temporary,
			edit:    token(temporary.Credential.SessionToken + "x"),
			code:    UnrecognizedClient,
			message: "The security token included in the request is invalid",
		},
		{
			name:    "session token old",
			signer:  Signer{"ASIAOLD", Credential{Secret: "old", SessionToken: "oldtoken", Expires: now}, "us-east-1", service},
			code:    ExpiredToken,
			message: expired,
		},
		{
			name:    "key unknown",
			signer:  Signer{"AKIANOBODY", longTerm.Credential, "us-east-1", service},
			code:    UnrecognizedClient,
			message: "The security token included in the request is invalid.",
		},
		{
			name:    "key without a secret",
			signer:  Signer{"AKIAEMPTY", Credential{}, "us-east-1", service},
			code:    UnrecognizedClient,
			message: "The security token included in the request is invalid.",
		},
		{
			name:    "signature",
			signer:  Signer{"AKIAEXAMPLE", Credential{Secret: "a guess"}, "us-east-1", service},
			code:    InvalidSignature,
			message: mismatch,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.signer.KeyID == "" {
				tt.signer = longTerm
			}
			r := newRequest()
			sign(t, r, tt.signer)
			if tt.edit != nil {
				r = tt.edit(t, r)
			}
			if tt.clock.IsZero() {
				tt.clock = now
			}
			v := newVerifier()
			v.Lookup = func(keyID string) (Credential, bool) {
				switch keyID {
				case "ASIAOLD":
					return Credential{Secret: "old", SessionToken: "oldtoken", Expires: now}, true
				case "AKIAEMPTY":
					return Credential{}, true
				}
				return lookup(keyID)
			}
			id, err := v.Verify(r, meteringDoor, tt.clock)
			wantError(t, err, tt.code, tt.message)
			if id != (Identity{}) {
				t.Errorf("got identity %+v together with an error", id)
			}
		})
	}
}

// TestOrder pairs faults that meet in one request with the one that is answered.
func TestOrder(t *testing.T) {
	old, unknown := now.Add(time.Hour), Signer{"AKIANOBODY", longTerm.Credential, "us-east-1", service}
	tests := []struct {
		name   string
		signer Signer
		edit   func(t *testing.T, r Request) Request
		clock  time.Time
		want   string // how the message begins
	}{
		{"missing before repeats", longTerm, func(t *testing.T, r Request) Request {
			delete(r.Header, authHeader)
			r.Header[amzTarget] = []string{"x", "x"}
			return r
		}, now, "Request is missing"},
		{"repeats before algorithm", longTerm, func(t *testing.T, r Request) Request {
			r.Header[amzTarget] = []string{"x", "x"}
			return edit(algorithm, "AWS4-X")(t, r)
		}, now, "More than one"},
		{"algorithm before parameters", longTerm, edit(algorithm, "AWS4-X y"), now, "Unsupported AWS 'algorithm'"},
		{"parameters before host", longTerm, edit("Signature=", "Signatures="), now, "Authorization header has an unknown"},
		{"host before date", longTerm, func(t *testing.T, r Request) Request {
			signList(t, r, longTerm, "content-type;x-amz-date;x-amz-target")
			return date("soon")(t, r)
		}, now, "'Host' or"},
		{"date before scope", longTerm, func(t *testing.T, r Request) Request {
			return edit("/us-east-1", "")(t, date("soon")(t, r))
		}, now, "Date must be"},
		{"age before scope", longTerm, edit("/us-east-1", ""), old, "Signature expired"},
		{"scope before key", unknown, edit("aws4_request", "x"), now, "Credential should be"},
		{"token before signature", temporary, func(t *testing.T, r Request) Request {
			r.Body = nil
			return token("x")(t, r)
		}, now, "The security token included in the request is invalid"},
		{"key before signature", unknown, edit("Signature=", "Signature=0"), now, "The security token included in the request is invalid."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRequest()
			sign(t, r, tt.signer)
			_, err := newVerifier().Verify(tt.edit(t, r), meteringDoor, tt.clock)
			if e, ok := err.(*Error); !ok || !strings.HasPrefix(e.Message, tt.want) {
				t.Errorf("got %v, want %s…", err, tt.want)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	for _, s := range []Signer{longTerm, temporary} {
		r := newRequest()
		sign(t, r, s)
		got, err := newVerifier().Verify(r, meteringDoor, now)
		want := Identity{KeyID: s.KeyID, Region: s.Region, SignedAt: now}
		if err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

// TestIs: a code alone stands for all errors of that code.
func TestIs(t *testing.T) {
	if !errors.Is(errMismatch, &Error{Code: InvalidSignature}) {
		t.Error("a mismatch is no InvalidSignature")
	}
	if errors.Is(errMismatch, &Error{Code: ExpiredToken}) {
		t.Error("a mismatch is an ExpiredToken")
	}
}

func edit(old, with string) func(*testing.T, Request) Request {
	return func(t *testing.T, r Request) Request { replace(t, r, old, with); return r }
}

func token(s string) func(*testing.T, Request) Request {
	return func(t *testing.T, r Request) Request { r.Header[amzToken] = []string{s}; return r }
}

func date(s string) func(*testing.T, Request) Request {
	return func(t *testing.T, r Request) Request { r.Header[amzDate] = []string{s}; return r }
}
