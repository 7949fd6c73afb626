package sigv4

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// A Code says in which way a request failed to authenticate. It is the name AWS
// gives the exception, without the tail "Exception", which only some protocols
// append; the HTTP status, too, is the protocol's.
type Code string

const (
	MissingAuthenticationToken Code = "MissingAuthenticationToken" // nobody claims to have signed it
	IncompleteSignature        Code = "IncompleteSignature"        // the Authorization header cannot be understood
	InvalidSignature           Code = "InvalidSignature"           // wrong scope, time, headers or signature
	UnrecognizedClient         Code = "UnrecognizedClient"         // no such key, or not with this session token
	ExpiredToken               Code = "ExpiredToken"               // the credential was good once
)

// Error is the error of a request that was refused. Its Message is meant for the
// client and worded as AWS words it where AWS's wording is known. It may quote
// what the client sent, up to the whole Authorization header.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string {
	return "sigv4: " + string(e.Code) + ": " + e.Message
}

// Is reports whether target is an Error of the same code, so that
// errors.Is(err, &Error{Code: InvalidSignature}) tells codes apart.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

func refuse(code Code, format string, args ...any) error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// errMismatch also answers what can only be a forgery or a feature this wire
// does not have: a query, an unsigned payload, a target that is no path.
var errMismatch error = &Error{InvalidSignature, "The request signature we calculated does not match the signature you provided. " +
	"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}

// AWS distinguishes the next two by their full stop alone.
var (
	errUnknownKey = &Error{UnrecognizedClient, "The security token included in the request is invalid."}
	errWrongToken = &Error{UnrecognizedClient, "The security token included in the request is invalid"}
)

// errIncomplete names every missing part. The header is quoted as a hash, as AWS
// has done since it stopped echoing credentials.
func errIncomplete(a authorization, dated bool, header string) error {
	var b strings.Builder
	for _, part := range []struct{ name, value string }{
		{"Credential", a.credential}, {"Signature", a.signature}, {"SignedHeaders", a.signedHeaders},
	} {
		if part.value == "" {
			fmt.Fprintf(&b, "Authorization header requires '%s' parameter. ", part.name)
		}
	}
	if !dated {
		b.WriteString("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
	}
	hash := sha256.Sum256([]byte(header))
	return refuse(IncompleteSignature, "%s(Hashed with SHA-256 and encoded with Base64) Authorization=%s",
		b.String(), base64.StdEncoding.EncodeToString(hash[:]))
}

// ErrExpired answers a temporary credential that was good once.
var ErrExpired = &Error{ExpiredToken, "The security token included in the request is expired"}

func errUnsigned(name string) error {
	if name == "Host" {
		name = "Host' or ':authority"
	}
	return refuse(InvalidSignature, "'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
}
