package sigv4

import (
	"slices"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"

	dateFormat = "20060102T150405Z" // ISO 8601, basic
)

// authorization is an Authorization header taken apart, not yet believed. A part
// that was absent is empty.
type authorization struct {
	credential    string // keyid/date/region/service/aws4_request
	signedHeaders string // names separated by semicolons
	signature     string
}

func (a authorization) String() string {
	return algorithm + " Credential=" + a.credential + ", SignedHeaders=" + a.signedHeaders + ", Signature=" + a.signature
}

var parameters = []string{"Credential", "SignedHeaders", "Signature"}

// parseAuthorization is strict where AWS is lenient (it takes the last of two
// equal parameters): whatever two readers could read differently is refused.
func parseAuthorization(header string) (authorization, error) {
	name, list, _ := strings.Cut(header, " ")
	if name != algorithm {
		return authorization{}, refuse(IncompleteSignature, "Unsupported AWS 'algorithm': '%s' (only %s for now).", name, algorithm)
	}
	list = strings.Trim(list, " ")
	if list == "" {
		return authorization{}, nil
	}
	var value [3]string
	var seen [3]bool
	for item := range strings.SplitSeq(list, ",") {
		item = strings.Trim(item, " ")
		k, v, ok := strings.Cut(item, "=")
		if !ok {
			return authorization{}, refuse(IncompleteSignature,
				"'%s' not a valid key=value pair (missing equal-sign) in Authorization header: '%s'.", item, header)
		}
		i := slices.Index(parameters, k)
		if i < 0 {
			return authorization{}, refuse(IncompleteSignature, "Authorization header has an unknown '%s' parameter.", k)
		}
		if seen[i] {
			return authorization{}, refuse(IncompleteSignature, "Authorization header has more than one '%s' parameter.", k)
		}
		seen[i], value[i] = true, v
	}
	return authorization{value[0], value[1], value[2]}, nil
}

// scope is the Credential parameter taken apart: who signed, and for what.
type scope struct {
	keyID, date, region, service, term string
}

func parseScope(credential string) (scope, error) {
	if strings.Count(credential, "/") != 4 {
		return scope{}, refuse(IncompleteSignature,
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", credential)
	}
	var s scope
	s.keyID, credential, _ = strings.Cut(credential, "/")
	s.date, credential, _ = strings.Cut(credential, "/")
	s.region, credential, _ = strings.Cut(credential, "/")
	s.service, s.term, _ = strings.Cut(credential, "/")
	return s, nil
}

// Claim is the key that the request says to be signed with, and the region it
// says to be signed for; "" if the Authorization header cannot be read. Nothing
// of it is verified.
func (r Request) Claim() (keyID, region string) {
	if len(r.Header[authHeader]) != 1 {
		return "", ""
	}
	auth, err := parseAuthorization(r.Header[authHeader][0])
	if err != nil {
		return "", ""
	}
	s, err := parseScope(auth.credential)
	if err != nil {
		return "", ""
	}
	return s.keyID, s.region
}

// check refuses a scope of another service, version or day, naming all that is
// wrong. The day is that of the request's own date, not of the server's clock:
// the two differ around midnight. The region is not judged.
func (s scope) check(service, stamp string) error {
	if s.service == service && s.term == terminator && s.date == stamp[:8] {
		return nil
	}
	var wrong []string
	if s.service != service {
		wrong = append(wrong, "Credential should be scoped to correct service: '"+service+"'.")
	}
	if s.term != terminator {
		wrong = append(wrong, "Credential should be scoped with a valid terminator: '"+terminator+"', not '"+s.term+"'.")
	}
	if s.date != stamp[:8] {
		wrong = append(wrong, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '"+
			s.date+"' != '"+stamp[:8]+"', from '"+stamp+"'.")
	}
	return refuse(InvalidSignature, "%s", strings.Join(wrong, " "))
}

// parseDate parses the date of a request. It goes by way of RFC 3339 because
// package time has a fast path for that, and because its general one would let a
// fraction of a second pass.
func parseDate(s string) (time.Time, error) {
	if len(s) == len(dateFormat) {
		t, err := time.Parse(time.RFC3339, s[:4]+"-"+s[4:6]+"-"+s[6:11]+":"+s[11:13]+":"+s[13:])
		if err == nil {
			return t, nil
		}
	}
	return time.Time{}, refuse(IncompleteSignature,
		"Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", s)
}

// maxSkew is AWS's tolerance. SDKs correct their clock only when it is off by
// more than four minutes, so a smaller one would lock out a client for good.
const maxSkew = 5 * time.Minute

// checkSkew refuses a request that was signed too long before or after now.
func checkSkew(signedAt, now time.Time) error {
	switch age := now.Sub(signedAt); {
	case age > maxSkew:
		return refuse(InvalidSignature, "Signature expired: %s is now earlier than %s (%s - 5 min.)",
			format(signedAt), format(now.Add(-maxSkew)), format(now))
	case age < -maxSkew:
		return refuse(InvalidSignature, "Signature not yet current: %s is still later than %s (%s + 5 min.)",
			format(signedAt), format(now.Add(maxSkew)), format(now))
	}
	return nil
}

func format(t time.Time) string { return t.UTC().Format(dateFormat) }
