// Package sigv4 verifies and makes AWS Signature Version 4, the signature that
// every AWS SDK puts on a request.
//
// A client proves that it holds a secret without sending it. It writes the
// request down in one canonical form (method, path, the headers it chose, the
// hash of the body), names the day, region and service the signature is for
// (the scope), and authenticates both with HMAC-SHA256 under a key derived from
// its secret and that scope:
//
//	Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260915/us-east-1/aws-marketplace/aws4_request,
//	    SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=<64 hex digits>
//
// [Verifier.Verify] builds the canonical form again from what arrived and
// compares. It is the only way to an [Identity], and it returns one only
// together with a verified signature: a key id that was merely read from a
// header never leaves the package. [Signer.Sign] is the other side, for our own
// clients and tests.
//
// The package serves a wire that is narrower than the standard, and refuses the
// rest instead of interpreting it: signatures travel in the Authorization
// header, never in the query; there is no query at all; the body is always
// hashed (no UNSIGNED-PAYLOAD, no STREAMING-…); and the asymmetric variant
// (SigV4a) is not offered. Most published bypasses of other servers lived in
// one of these.
//
// Some things are deliberately somebody else's:
//
//   - Which hosts, paths and methods are served. In particular "//" and "/./"
//     have the canonical form of "/", so a router must compare the request
//     target byte for byte and must not rely on the signature to tell them apart.
//   - Whether a region is served: it is reported in the Identity.
//   - Content-Encoding, and the size of the body.
//   - Replay. A captured request stays valid while its date lies within five
//     minutes of the clock; what it asks for must be idempotent.
//
// The package reads no clock, logs nothing and knows nothing of HTTP servers.
// The algorithm is specified at
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package sigv4
