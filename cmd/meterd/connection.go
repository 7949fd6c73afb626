package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

const defaultURL = "http://127.0.0.1:8484"

// connection is where the server is, and the token that lets one in.
type connection struct {
	url, token string
	ca         string    // file with the CA that is trusted beside the system's; "": none
	origin     string    // who said so
	state      *devState // if it is the dev that wrote the state file
}

// connect takes what the flag and the environment name, and the rest from the dev
// that runs for this user. Its token goes to no other server than that.
func connect(flagURL string) (connection, error) {
	c := connection{
		url:    strings.TrimRight(cmp.Or(flagURL, os.Getenv(urlVariable)), "/"),
		token:  os.Getenv(tokenVariable),
		ca:     os.Getenv(caVariable),
		origin: "(" + urlVariable + ")",
	}
	state, err := readState()
	if state != nil && (c.url == "" || c.url == state.URL) && (c.token == "" || c.token == state.Token) {
		if c.url == "" {
			c.origin = "where 'meterd dev' was: start it again, or set " + urlVariable
		}
		c.url, c.token, c.state = state.URL, state.Token, state
		c.ca = state.Variables[trustVariables[0]]
	}
	if c.token == "" {
		if err != nil {
			return c, err
		}
		return c, errors.New(tokenVariable + " is not set" + whyNoState(c.url, state) + ": start 'meterd dev', or set " + urlVariable + " and " + tokenVariable)
	}
	c.url = cmp.Or(c.url, defaultURL)
	if !strings.HasPrefix(c.url, "http://") && !strings.HasPrefix(c.url, "https://") {
		return c, fmt.Errorf("%s is %q; it begins with http:// or https://", urlVariable, c.url)
	}
	return c, nil
}

func whyNoState(url string, state *devState) string {
	if state != nil {
		return fmt.Sprintf(", and the 'meterd dev' that runs is not at %s but at %s", url, state.URL)
	}
	return ", and no 'meterd dev' runs for this user"
}

// variables are what a program needs to be this server's client.
func (c connection) variables() []variable {
	var all []variable
	for _, name := range awsVariables {
		value := ""
		if c.state != nil {
			value = c.state.Variables[name]
		} else {
			value = c.fromEnvironment(name)
		}
		if value != "" {
			all = append(all, variable{name, value})
		}
	}
	return append(all, ours(c.url, c.token, c.ca)...)
}

// fromEnvironment fills what the environment leaves out, the keys excepted: they
// are not for us to guess.
func (c connection) fromEnvironment(name string) string {
	value := os.Getenv(name)
	switch {
	case c.ca != "" && slices.Contains(trustVariables, name): // the shell's may be for another server
		value = c.ca
	case value != "":
	case strings.HasPrefix(name, "AWS_ENDPOINT_URL_"):
		value = c.url
	case strings.HasSuffix(name, "_REGION"):
		value = cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), region)
	}
	return value
}

// rivals can win over variables, or spoil them, in one SDK or another: profiles and
// session tokens go with other keys, and a switch can turn endpoints off or ask for
// ones of its own.
var rivals = []string{
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
	"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
}
