package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
)

// caVariable names a file with the CA that our commands trust beside the system's.
const caVariable = "METERD_CA_BUNDLE"

// trustVariables are where clients look for a CA: the AWS CLI, boto3 and the SDK
// for Go in the first, which then trust no other; Node.js in the second, beside
// its own. They are among awsVariables.
var trustVariables = []string{"AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}

// trusting are the variables that have clients trust the CA of a file.
func trusting(ca string) []variable {
	if ca == "" {
		return nil
	}
	var all []variable
	for _, name := range trustVariables {
		all = append(all, variable{name, ca})
	}
	return all
}

// transportTrusting is the standard transport, which trusts the CA of a file, too.
func transportTrusting(ca string) (http.RoundTripper, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", caVariable, err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil { // a system that has none
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: there is no certificate in %s", caVariable, ca)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return transport, nil
}
