package sigv4

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	authHeader  = "Authorization"
	dateHeader  = "Date"
	contentType = "Content-Type"
	amzDate     = "X-Amz-Date"
	amzHash     = "X-Amz-Content-Sha256"
	amzTarget   = "X-Amz-Target"
	amzToken    = "X-Amz-Security-Token"
)

// single lists the headers that decide who asks for what. Sent twice, the
// signature would cover both values and a handler would read only one.
var single = []string{authHeader, amzDate, dateHeader, amzTarget, amzToken, amzHash, contentType}

// Credential is what a key id stands for. It prints and marshals as ***.
type Credential struct {
	Secret       string
	SessionToken string    // empty for a long-term key
	Expires      time.Time // zero for never

	// Holder is whatever the caller of Verify wants to know again once the
	// signature is verified: whose credential it is.
	Holder any
}

// Format implements [fmt.Formatter], so that no verb prints the secret.
func (Credential) Format(s fmt.State, _ rune) { fmt.Fprint(s, "***") }

// MarshalText keeps the secret out of JSON and of structured logs.
func (Credential) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Identity is who signed a request. Only a verified signature makes one.
type Identity struct {
	KeyID    string
	Region   string // of the scope, any string: the caller judges whether it serves it
	SignedAt time.Time
	Holder   any // the Credential's
}

// Verifier verifies requests to one service. Set its fields before the first
// call; its methods may be called concurrently. It must not be copied.
type Verifier struct {
	Service string // as in the scope: "aws-marketplace"

	// Lookup finds a credential. It is asked about every request, before the
	// body is hashed, so a key that it no longer knows is refused at once. It
	// must be safe for concurrent use.
	Lookup func(keyID string) (Credential, bool)

	// Open, if there is one, is asked in place of Lookup about temporary keys
	// (ASIA…), whose token says all that is known of them. It must accept a token
	// with one key id only. An error that is no [*Error] counts as a wrong token.
	Open func(keyID, token string, now time.Time) (Credential, error)

	keys keyCache
}

// Verify returns who signed the request. Headers in required must have been sent
// and signed, beyond those that always must be; write them in lower case.
// The error is always an [*Error].
//
// The Identity's strings are part of the Authorization header; clone them to
// keep them for long.
func (v *Verifier) Verify(r Request, required []string, now time.Time) (Identity, error) {
	// The checks come in the order in which AWS answers, so that a client with
	// two faults hears of the same one. Ours stand where they fit.
	header, err := r.authorizationHeader()
	if err != nil {
		return Identity{}, err
	}
	auth, err := parseAuthorization(header)
	if err != nil {
		return Identity{}, err
	}
	dateName, stamp, dated := r.date()
	if auth.credential == "" || auth.signature == "" || auth.signedHeaders == "" || !dated {
		return Identity{}, errIncomplete(auth, dated, header)
	}

	var space [2048]byte // on the stack; append moves longer requests to the heap
	canonical, err := appendHead(space[:0], r, auth.signedHeaders)
	if err != nil {
		return Identity{}, err
	}
	if err := requireSigned(r, auth.signedHeaders, dateName, required); err != nil {
		return Identity{}, err
	}

	signedAt, err := parseDate(stamp)
	if err != nil {
		return Identity{}, err
	}
	if err := checkSkew(signedAt, now); err != nil {
		return Identity{}, err
	}
	scope, err := parseScope(auth.credential)
	if err != nil {
		return Identity{}, err
	}
	if err := scope.check(v.Service, stamp); err != nil {
		return Identity{}, err
	}

	cred, err := v.credential(r, scope.keyID, now)
	if err != nil {
		return Identity{}, err
	}

	head := len(canonical)
	canonical = appendHexSHA256(canonical, r.Body)
	if sent := r.Header[amzHash]; len(sent) > 0 && sent[0] != string(canonical[head:]) {
		return Identity{}, errMismatch // also UNSIGNED-PAYLOAD and STREAMING-…
	}

	id := keyName{scope.keyID, cred.Secret, scope.date, scope.region, v.Service}
	key, young := v.keys.get(id)
	if key == nil {
		key = deriveKey(id.secret, id.date, id.region, id.service)
	}
	_, scopeText, _ := strings.Cut(auth.credential, "/")
	want := key.sign(stamp, scopeText, canonical)
	// Compared as text: exactly 64 lower-case digits, as every client writes them.
	if !hmac.Equal([]byte(auth.signature), want[:]) {
		return Identity{}, errMismatch
	}
	if !young {
		v.keys.put(id, key) // only now: a stranger must not be able to fill the cache
	}
	return Identity{KeyID: scope.keyID, Region: scope.region, SignedAt: signedAt, Holder: cred.Holder}, nil
}

// authorizationHeader returns the one place where a signature may stand.
func (r Request) authorizationHeader() (string, error) {
	auth := r.Header[authHeader]
	if len(auth) == 0 || !strings.HasPrefix(auth[0], "AWS4-") {
		return "", refuse(MissingAuthenticationToken, "Request is missing Authentication Token")
	}
	for _, name := range single {
		if len(r.Header[name]) > 1 {
			return "", refuse(InvalidSignature, "More than one '%s' header was sent.", name)
		}
	}
	if _, query, _ := strings.Cut(r.RequestURI, "?"); strings.Contains(query, "X-Amz-Algorithm") {
		return "", refuse(InvalidSignature, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	}
	if !isPath(r.RequestURI) {
		return "", errMismatch
	}
	return auth[0], nil
}

// isPath reports whether a request target is a path and nothing else. An absolute
// one ("http://evil/") would override the Host header in net/http.
func isPath(target string) bool {
	return strings.HasPrefix(target, "/") && !strings.Contains(target, "?")
}

// date returns the date of the request and the header it came from. X-Amz-Date
// wins, because proxies and browsers set Date.
func (r Request) date() (name, stamp string, ok bool) {
	for _, name := range [...]string{amzDate, dateHeader} {
		if values := r.Header[name]; len(values) > 0 {
			return name, values[0], true
		}
	}
	return "", "", false
}

// credential looks up the key and checks the session token against it.
func (v *Verifier) credential(r Request, keyID string, now time.Time) (Credential, error) {
	var token string
	tokens := r.Header[amzToken]
	if len(tokens) > 0 {
		token = tokens[0]
	}
	temporary, longTerm := strings.HasPrefix(keyID, "ASIA"), strings.HasPrefix(keyID, "AKIA")
	if temporary && token == "" || longTerm && len(tokens) > 0 {
		return Credential{}, errWrongToken
	}

	if temporary && v.Open != nil {
		return v.open(keyID, token, now)
	}

	cred, ok := v.Lookup(keyID)
	// Anyone can sign with an empty secret, so it is none.
	if !ok || cred.Secret == "" {
		newKey([]byte(keyID)).sign("", "", nil) // a decoy: no key should not be the quickest answer
		return Credential{}, errUnknownKey
	}
	if !hmac.Equal([]byte(token), []byte(cred.SessionToken)) {
		return Credential{}, errWrongToken
	}
	if !cred.Expires.IsZero() && !now.Before(cred.Expires) {
		return Credential{}, ErrExpired
	}
	return cred, nil
}

// open finds a temporary credential by its token.
func (v *Verifier) open(keyID, token string, now time.Time) (Credential, error) {
	cred, err := v.Open(keyID, token, now)
	var ours *Error
	switch {
	case errors.As(err, &ours):
		return Credential{}, ours
	case err != nil, cred.Secret == "":
		return Credential{}, errWrongToken
	case !cred.Expires.IsZero() && !now.Before(cred.Expires):
		return Credential{}, ErrExpired
	}
	return cred, nil
}
