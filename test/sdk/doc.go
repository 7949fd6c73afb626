// Package sdk proves the built binary with clients that know nothing of it: the
// AWS SDK for Go v2 and the AWS SDK for JavaScript v3 always, boto3 and the AWS
// CLI where they are installed. It is a module of its own so that none of them
// becomes a dependency of what we ship.
//
// What is sent and what is expected are data: the 37 conformance vectors in
// testdata/vectors, the modelled errors in testdata/errors.json, and the
// catalogue that both speak of. Every client runs the same table. A client says
// what it got in one form (see answer), so there is one place that judges.
//
// They are sent to three places (see place): to "meterd dev"; to a node of "meterd
// serve" over each PostgreSQL that is supported; and to two nodes over one
// database, each request to the other one than the last. Those nodes are of a
// binary that is built for it, with a clock that moves.
//
// A vector gets a server of its own, and with it a fresh clock and empty books,
// which is why their order never matters.
//
// AWS's own host names are asked in a network of the test's own (see
// TestDefaultEndpoint), by clients that are told no endpoint.
//
// The environment:
//
//	METERD_BINARY      a binary to test instead of building cmd/meterd
//	METERD_SDK_JS      off does without node; required makes its absence a
//	                   failure; otherwise the run says that it is not there
//
// and those of internal/store/postgres/pgtest, where PostgreSQL comes from.
package sdk
