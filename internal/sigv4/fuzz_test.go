package sigv4

import (
	"errors"
	"maps"
	"net/textproto"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzAuthorization: the parser does not panic, and what it reads it can print
// and read again.
func FuzzAuthorization(f *testing.F) {
	r := newRequest()
	sign(f, r, longTerm)
	f.Add(r.Header[authHeader][0])
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAuthorization(s)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code != IncompleteSignature {
				t.Errorf("error %v", err)
			}
			return
		}
		if again, err := parseAuthorization(a.String()); err != nil || again != a {
			t.Errorf("%q was read as %q, that as %q, %v", s, a, again, err)
		}
		if s, err := parseScope(a.credential); err == nil {
			if got := strings.Join([]string{s.keyID, s.date, s.region, s.service, s.term}, "/"); got != a.credential {
				t.Errorf("%q was read as %q", a.credential, got)
			}
		}
	})
}

// FuzzVerify: without the secret, nothing is accepted but what was signed. Three
// requests were; whatever else is accepted must say the same as one of them, by
// the measure of same, which shares no code with the package.
func FuzzVerify(f *testing.F) {
	spaces := newRequest()
	spaces.RequestURI = "/service/AWSMPEntitlementService/operation/GetEntitlements"
	spaces.Header["My-Header"] = []string{"a b", "c"}
	spaces.Body = nil
	signed := map[string]Request{}
	for _, s := range []struct {
		Request
		Signer
	}{{newRequest(), longTerm}, {newRequest(), temporary}, {spaces, longTerm}} {
		sign(f, s.Request, s.Signer)
		signed[header(f, s.Request).signature] = s.Request
		var lines strings.Builder
		for _, name := range slices.Sorted(maps.Keys(s.Header)) {
			for _, v := range s.Header[name] {
				lines.WriteString(name + ":" + v + "\n")
			}
		}
		f.Add(s.Method, s.RequestURI, s.Host, lines.String(), s.Body, int64(0))
	}

	v := newVerifier()
	f.Fuzz(func(t *testing.T, method, uri, host, lines string, body []byte, skew int64) {
		r := Request{Method: method, RequestURI: uri, Host: host, Header: map[string][]string{}, Body: body}
		for line := range strings.SplitSeq(lines, "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok {
				name = textproto.CanonicalMIMEHeaderKey(name)
				r.Header[name] = append(r.Header[name], value)
			}
		}
		id, err := v.Verify(r, nil, now.Add(time.Duration(skew)))
		if keyID, region := r.Claim(); err == nil && (keyID != id.KeyID || region != id.Region) {
			t.Errorf("claimed was %s in %s, verified %+v", keyID, region, id)
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Message == "" || id != (Identity{}) {
				t.Errorf("got %+v, %v", id, err)
			}
			return
		}
		a := header(t, r)
		if why := same(r, signed[a.signature], a.signedHeaders); why != "" {
			t.Errorf("accepted another %s: %+v", why, r)
		}
		if d := time.Duration(skew).Abs(); d > 5*time.Minute || !id.SignedAt.Equal(now) {
			t.Errorf("accepted %+v, %v off", id, d)
		}
		if id.KeyID != longTerm.KeyID && id.KeyID != temporary.KeyID {
			t.Errorf("accepted %+v", id)
		}
	})
}

// same returns in what a request differs from the one that was signed.
func same(got, want Request, signedHeaders string) string {
	switch {
	case got.Method != want.Method:
		return "method"
	case path.Clean(got.RequestURI) != want.RequestURI:
		return "target"
	case got.Host != want.Host:
		return "host"
	case string(got.Body) != string(want.Body):
		return "body"
	}
	names := strings.Split(signedHeaders, ";")
	value := func(r Request, key string) string {
		var values []string
		for _, v := range r.Header[key] {
			words := strings.FieldsFunc(v, func(r rune) bool { return r == ' ' })
			values = append(values, strings.Join(words, " "))
		}
		return strings.Join(values, ",")
	}
	for _, name := range names {
		if key := textproto.CanonicalMIMEHeaderKey(name); name != "host" && value(got, key) != value(want, key) {
			return key
		}
	}
	for key := range got.Header {
		name := strings.ToLower(key)
		if (strings.HasPrefix(name, "x-amz-") || name == "content-type") && !slices.Contains(names, name) && key != amzToken {
			return key
		}
	}
	if value(got, amzToken) != value(want, amzToken) {
		return amzToken
	}
	return ""
}
