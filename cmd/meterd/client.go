package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

// clientTimeout bounds one call to the server.
const clientTimeout = 30 * time.Second

// client speaks to the admin API of a running server.
type client struct {
	url, token, origin string
	idempotencyKey     string            // of what is posted; "" if there is none
	ca                 string            // file with the CA that is trusted beside the system's; "": none
	transport          http.RoundTripper // nil: the standard one
}

// newClient is for the server that --url, the environment or a running dev names.
func newClient(cmd *cobra.Command) (*client, error) {
	url, err := cmd.Flags().GetString("url")
	if err != nil {
		return nil, err
	}
	c, err := connect(url)
	if err != nil {
		return nil, err
	}
	made := &client{url: c.url, token: c.token, origin: c.origin, ca: c.ca}
	if c.ca != "" && strings.HasPrefix(c.url, "https://") {
		made.transport, err = transportTrusting(c.ca)
	}
	return made, err
}

// refusedError is the server's no.
type refusedError struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

func (e *refusedError) Error() string {
	text := cmp.Or(e.Detail, e.Title)
	for _, more := range e.Errors {
		said := more.Message
		where := strings.TrimPrefix(strings.TrimPrefix(more.Location, "body"), ".") // who gave flags knows no body
		if where != "" {
			said = where + ": " + said
		}
		if said != e.Detail {
			text += "\n  " + said
		}
	}
	return text
}

// do sends a request.
func (c *client) do(req *http.Request) (*http.Response, error) {
	res, err := (&http.Client{Transport: c.transport}).Do(req)
	if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
		return nil, fmt.Errorf("the server at %s %s is not trusted: %w; if it is yours, set %s to the file with its CA", c.url, c.origin, unknown, caVariable)
	}
	if err != nil {
		return nil, fmt.Errorf("no server answers at %s %s: %w", c.url, c.origin, err)
	}
	return res, nil
}

// call sends in, if it is not nil, and reads the answer into out: raw bytes into
// a *[]byte, JSON into anything else.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+admin.Prefix+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", c.idempotencyKey)
	}
	res, err := c.do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		refused := &refusedError{Title: res.Status}
		_ = json.Unmarshal(answer, refused) // what is no problem document keeps the status line
		refused.Status = res.StatusCode
		return refused
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = answer
		return nil
	}
	return json.Unmarshal(answer, out)
}
