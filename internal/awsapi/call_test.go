package awsapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/meterd/meterd/internal/sigv4"
)

// call is a request as a transcript writes it. It is put on the wire by hand, so
// that it can be one that no client library would send.
type call struct {
	method, uri, host string
	key, region       string // nobody signs without a key
	service           string // of the signature's scope
	secret            string
	token             string        // a session's
	late              time.Duration // how long ago it was signed
	header            http.Header
	show              []string // headers of the answer that the transcript shows
	body              []byte
	length            int  // the Content-Length that is claimed; -1: the true one
	chunked           bool // and so without a length
}

func newCall(method, what, key, region string) *call {
	c := &call{
		method: method, uri: "/", host: "metering.marketplace." + region + ".amazonaws.com",
		key: key, region: region, service: "aws-marketplace", secret: secret,
		header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, length: -1,
	}
	switch {
	case strings.ContainsAny(what, "/*"):
		c.uri = what
	case what == "LookupEvents":
		c.host, c.service = "cloudtrail."+region+".amazonaws.com", "cloudtrail"
		c.header.Set("X-Amz-Target", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."+what)
	case what == "GetEntitlements":
		c.header.Set("X-Amz-Target", "AWSMPEntitlementService."+what)
	default:
		c.header.Set("X-Amz-Target", "AWSMPMeteringService."+what)
	}
	return c
}

// parseCall reads a transcript's request: a first line, lines of headers and of
// settings (which begin with @), an empty line, the body.
//
//	POST BatchMeterUsage as KEY in us-east-1   signed by KEY
//	POST /path                                 signed by nobody, for no operation
//	Name: value                                set a header; a second time, add one
//	Name:                                      leave a header out
//	@show Name                                 the transcript shows that header of the answer
//	@service S, @secret S, @late 6m            sign for another service, badly, or long ago
//	@token T                                   send a session's token
//	@length N, @chunked                        claim a length, or send in chunks
//	@quoted                                    the body is a Go string literal
//
// A body in which {{ occurs is a text/template.
func parseCall(text string) (*call, error) {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	words := strings.Fields(lines[0])
	var c *call
	switch {
	case len(words) == 2:
		c = newCall(words[0], words[1], "", "us-east-1")
	case len(words) == 6 && words[2] == "as" && words[4] == "in":
		c = newCall(words[0], words[1], words[3], words[5])
	default:
		return nil, fmt.Errorf("the first line is not \"POST Operation as KEY in region\": %q", lines[0])
	}
	c.body = []byte(strings.TrimSuffix(body, "\n"))
	set := map[string]bool{}
	for _, line := range lines[1:] {
		if err := c.line(line, set); err != nil {
			return nil, err
		}
	}
	if bytes.Contains(c.body, []byte("{{")) {
		t, err := template.New("").Parse(string(c.body))
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, nil); err != nil {
			return nil, err
		}
		c.body = b.Bytes()
	}
	return c, nil
}

// line reads one line between the first and the empty one.
func (c *call) line(line string, set map[string]bool) (err error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "@show":
		c.show = append(c.show, rest)
	case "@service":
		c.service = rest
	case "@secret":
		c.secret = rest
	case "@token":
		c.token = rest
	case "@late":
		c.late, err = time.ParseDuration(rest)
	case "@length":
		c.length, err = strconv.Atoi(rest)
	case "@chunked":
		c.chunked = true
	case "@quoted":
		var text string
		text, err = strconv.Unquote(string(c.body))
		c.body = []byte(text)
	default:
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !ok:
			return fmt.Errorf("%q is neither a header nor a setting", line)
		case name == "Host":
			c.host = value
		case value == "":
			c.header.Del(name)
		case set[name]:
			c.header.Add(name, value)
		default:
			c.header.Set(name, value)
			set[name] = true
		}
	}
	return err
}

// sign signs the call, if anybody does.
func (c *call) sign(now time.Time) error {
	if c.key == "" || c.header.Get("Authorization") != "" {
		return nil
	}
	signer := sigv4.Signer{KeyID: c.key, Credential: sigv4.Credential{Secret: c.secret, SessionToken: c.token}, Region: c.region, Service: c.service}
	return signer.Sign(sigv4.Request{Method: c.method, RequestURI: c.uri, Host: c.host, Header: c.header, Body: c.body}, now.Add(-c.late))
}

// send signs the call, writes it to the connection, and reads the answer.
func (c *call) send(conn net.Conn, now time.Time) (*http.Response, []byte, error) {
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, nil, err
	}
	if err := c.sign(now); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", c.method, c.uri, c.host)
	for _, name := range slices.Sorted(maps.Keys(c.header)) {
		for _, value := range c.header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	switch {
	case c.chunked:
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n")
		for part := range slices.Chunk(c.body, 64<<10) {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
		}
		fmt.Fprintf(&b, "0\r\n\r\n")
	case c.length >= 0:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", c.length, c.body)
	default:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(c.body), c.body)
	}
	wrote := make(chan error, 1)
	go func() { // an answer may come before the body is through
		_, err := conn.Write(b.Bytes())
		if c.length > len(c.body) {
			err = conn.(*net.TCPConn).CloseWrite()
		}
		wrote <- err
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: c.method})
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, err
	}
	if !response.Close {
		err = <-wrote
	}
	return response, body, err
}

func TestParseCallRefuses(t *testing.T) {
	for _, text := range []string{"", "POST", "POST X by KEY in us-east-1", "POST X as KEY in r\nnonsense\n\n{}", "POST X\n@late soon\n\n", "POST X\n\n{{"} {
		if _, err := parseCall(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
