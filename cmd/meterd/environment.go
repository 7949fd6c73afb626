package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// Variables that the commands read.
const (
	urlVariable   = "METERD_URL"
	tokenVariable = "METERD_ADMIN_TOKEN"
)

// environment is what a client needs to know: of AWS's SDKs, and of our own
// commands.
type environment struct {
	url       string
	variables []variable
}

type variable struct{ name, value string }

// region is what clients are told to sign for. Any listed one is served.
const region = "us-east-1"

// environmentOf is for the server that listens at addr: over TLS if ca is not "",
// which is the file with its CA.
func environmentOf(addr net.Addr, c *admin.Catalog, token store.Secret, ca string) environment {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // a server that listens on every address is reached at this one
	}
	e := environment{url: "http://" + net.JoinHostPort(host, port)}
	if ca != "" {
		e.url = "https://" + net.JoinHostPort(host, port)
	}
	e.variables = []variable{
		{"AWS_ENDPOINT_URL_MARKETPLACE_METERING", e.url},
		{"AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE", e.url},
		{"AWS_ENDPOINT_URL_STS", e.url},
		{"AWS_ENDPOINT_URL_CLOUDTRAIL", e.url},
		{"AWS_REGION", region},
		{"AWS_DEFAULT_REGION", region}, // version 1 of the AWS CLI reads no other
	}
	if len(c.Credentials) > 0 {
		first := c.Credentials[0]
		e.variables = append(e.variables,
			variable{"AWS_ACCESS_KEY_ID", first.AccessKeyID},
			variable{"AWS_SECRET_ACCESS_KEY", first.SecretAccessKey})
	}
	e.variables = append(e.variables, trusting(ca)...)
	e.variables = append(e.variables, ours(e.url, string(token), ca)...) // string: the one place that shows it
	return e
}

// signFor tells clients a region that is served, where the usual one is not.
func (e *environment) signFor(r *metering.Regions) {
	if r.Listed(region) {
		return
	}
	for i, v := range e.variables {
		if v.name == "AWS_REGION" || v.name == "AWS_DEFAULT_REGION" {
			e.variables[i].value = r.Tables[0].Regions[0]
		}
	}
}

// ours are the variables of our own commands.
func ours(url, token, ca string) []variable {
	all := []variable{{urlVariable, url}, {tokenVariable, token}}
	if ca != "" {
		all = append(all, variable{caVariable, ca})
	}
	return all
}

// exports are the lines that set the variables in a shell.
func (e environment) exports() string {
	var b strings.Builder
	for _, v := range e.variables {
		fmt.Fprintf(&b, "export %s=%s\n", v.name, shellQuote(v.value))
	}
	return b.String()
}

// write makes a file of the exports.
func (e environment) write(path string) error { return writeWhole(path, []byte(e.exports())) }

// banner is what a person at a terminal reads. The exports stand there only if
// other shells do not find the server by themselves.
func banner(w io.Writer, data string, e environment, c *admin.Catalog, found bool) {
	fmt.Fprintf(w, "meterd %s dev   data: %s   stop with Ctrl-C\n\n  API  %s\n", version(), cmp.Or(data, "memory"), e.url)
	if len(c.Credentials) > 0 {
		fmt.Fprintf(w, "  Key  %s\n", c.Credentials[0].AccessKeyID)
	}
	take := e.exports()
	if found {
		take = evalLine(invocation()) + "\n"
	}
	fmt.Fprintf(w, "\nIn another shell:\n\n%s", take)
	if call := exampleCall(c); call != "" {
		fmt.Fprintf(w, "%s\n%s usage list\n", call, invocation())
	}
	fmt.Fprintln(w)
}

// invocation is how this program was started, so that it can be again.
func invocation() string {
	if strings.Contains(os.Args[0], "go-build") { // by go run, from a place of its own
		return "go run ./cmd/meterd"
	}
	return os.Args[0]
}

// exampleCall is a first call that works when pasted: a record of the first
// license whose product is the first credential's seller's.
func exampleCall(c *admin.Catalog) string {
	for _, a := range c.Agreements {
		for _, p := range c.Products {
			if p.Code != a.Product || p.Type != metering.SaaS || p.Metering == metering.LegacyGeneration || a.LicenseARN == "" ||
				len(p.Dimensions) == 0 || len(c.Credentials) == 0 || p.Seller != c.Credentials[0].Account {
				continue
			}
			return fmt.Sprintf("aws meteringmarketplace batch-meter-usage --usage-records \\\n  \"Timestamp=$(date +%%s),CustomerAWSAccountId=%s,LicenseArn=%s,Dimension=%s,Quantity=5\"",
				a.Buyer, a.LicenseARN, p.Dimensions[0].Name)
		}
	}
	return ""
}
