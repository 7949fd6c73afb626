package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Request is what a signature covers.
type Request struct {
	Method     string
	RequestURI string              // the target on the request line, byte for byte
	Host       string              // the Host header, byte for byte, port included
	Header     map[string][]string // keys in canonical MIME form ("X-Amz-Date"), as net/http makes them; no Host
	Body       []byte
}

// appendHead appends the canonical request up to its last line, which is the
// hash of the body. It refuses a list of signed headers that is malformed or
// names a header that was not sent: net/http removes some (Content-Length of a
// chunked body), and a signed header must never verify as an absent one.
func appendHead(b []byte, r Request, signedHeaders string) ([]byte, error) {
	start := len(b)
	b = append(b, r.Method...)
	b = append(b, '\n')
	b = appendPath(b, r.RequestURI)
	b = append(b, "\n\n"...) // between the two line ends: the query, which is always empty

	lines := 5
	last := ""
	for name := range strings.SplitSeq(signedHeaders, ";") {
		if name <= last || strings.ContainsFunc(name, isUpper) {
			return nil, refuse(IncompleteSignature,
				"'SignedHeaders' must be lower-case, sorted and unique in the AWS Authorization, got '%s'.", signedHeaders)
		}
		last = name
		b = append(b, name...)
		b = append(b, ':')
		if name == "host" {
			b = append(b, r.Host...)
		} else {
			var space [64]byte
			key := appendMIMEKey(space[:0], name)
			values := r.Header[string(key)]
			if len(values) == 0 {
				return nil, refuse(InvalidSignature, "'%s' is a 'SignedHeader' in the AWS Authorization but was not sent.", string(key))
			}
			for i, v := range values {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendValue(b, v)
			}
		}
		b = append(b, '\n')
		lines++
	}
	b = append(b, '\n')
	b = append(b, signedHeaders...)
	b = append(b, '\n')

	// A line feed within a method, host or value would let two requests share
	// one canonical form. net/http lets none through; that is not ours to trust.
	if bytes.Count(b[start:], newline) != lines {
		return nil, errMismatch
	}
	return b, nil
}

var newline = []byte{'\n'}

func isUpper(r rune) bool { return 'A' <= r && r <= 'Z' }

// appendPath appends the path with its dot segments and repeated slashes
// resolved, and then percent-encoded once more than it was on the wire, which is
// what every service but S3 does.
func appendPath(b []byte, path string) []byte {
	start := len(b)
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			b = b[:start+max(0, bytes.LastIndexByte(b[start:], '/'))]
		default:
			b = append(b, '/')
			b = appendEscaped(b, segment)
		}
	}
	if len(b) == start || strings.HasSuffix(path, "/") {
		b = append(b, '/')
	}
	return b
}

func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// appendValue appends a header value without the spaces around it and with runs
// of spaces within it collapsed.
func appendValue(b []byte, v string) []byte {
	v = strings.Trim(v, " ")
	for {
		i := strings.Index(v, "  ")
		if i < 0 {
			return append(b, v...)
		}
		b = append(b, v[:i+1]...)
		v = strings.TrimLeft(v[i+1:], " ")
	}
}

// appendMIMEKey appends the form in which net/http keeps a header's name.
func appendMIMEKey(b []byte, name string) []byte {
	upper := true
	for i := range len(name) {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper = c == '-'
		b = append(b, c)
	}
	return b
}

// requireSigned refuses a request that sends a header which must be signed and
// is not. Host and the date are demanded by the standard; X-Amz-… and
// Content-Type change what a request means. The session token may stay unsigned
// (AWS's vector post-sts-header-after does it), because it is bound to its key.
func requireSigned(r Request, signedHeaders, date string, required []string) error {
	for _, name := range [...]string{"Host", date} {
		if !listed(signedHeaders, name) {
			return errUnsigned(name)
		}
	}
	var unsigned []string
	for key, values := range r.Header {
		weighty := key == contentType || strings.HasPrefix(key, "X-Amz-") && key != amzToken
		if weighty && len(values) > 0 && !listed(signedHeaders, key) {
			unsigned = append(unsigned, key)
		}
	}
	if len(unsigned) > 0 {
		return errUnsigned(slices.Min(unsigned)) // a map has no first: the answer must not depend on it
	}
	for _, name := range required {
		if !listed(signedHeaders, name) {
			return errUnsigned(string(appendMIMEKey(nil, name)))
		}
	}
	return nil
}

// listed reports whether name, in whatever case, is in the list.
func listed(list, name string) bool {
	for item := range strings.SplitSeq(list, ";") {
		if len(item) == len(name) && strings.EqualFold(item, name) {
			return true
		}
	}
	return false
}

// appendStringToSign appends what the signing key authenticates.
func appendStringToSign(b []byte, stamp, scope string, canonicalRequest []byte) []byte {
	b = append(b, algorithm+"\n"...)
	b = append(b, stamp...)
	b = append(b, '\n')
	b = append(b, scope...)
	b = append(b, '\n')
	return appendHexSHA256(b, canonicalRequest)
}

func appendHexSHA256(b, data []byte) []byte {
	sum := sha256.Sum256(data)
	return hex.AppendEncode(b, sum[:])
}
