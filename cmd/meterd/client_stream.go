package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/audit"
)

// linesType asks the server for lines of progress (package admin).
const linesType = "application/x-ndjson"

// open begins a call that may take long, and returns its answer while it comes.
// It ends with the context and not before; a refusal is a *refusedError. body may
// be of any length; nil is none.
func (c *client) open(ctx context.Context, method, path, accept string, body []byte) (*http.Response, error) {
	var in io.Reader = http.NoBody
	if body != nil {
		in = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+admin.Prefix+path, in)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", accept)
	if body != nil {
		req.Header.Set("Content-Type", "application/yaml")
	}
	res, err := c.do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	refused := &refusedError{Title: res.Status}
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	_ = json.Unmarshal(answer, refused) // what is no problem document keeps the status line
	refused.Status = res.StatusCode
	return nil, refused
}

// step is admin.Step, with the problem as this client tells it.
type step struct {
	Progress     *admin.Progress
	Plan         *admin.Plan
	Audit        *admin.Audit
	Verification *audit.Report
	Problem      *refusedError
}

// steps makes a call that may take long, shows on stderr how far it is, and
// returns its last step, which is no problem.
func (c *client) steps(ctx context.Context, stderr io.Writer, what, method, path string, body []byte) (*step, error) {
	res, err := c.open(ctx, method, path, linesType, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var shown *progress // from when the total is known
	defer func() { shown.done() }()
	var seen int64
	lines := json.NewDecoder(res.Body)
	for {
		var s step
		if err := lines.Decode(&s); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("the server stopped before it said what came of it: %w", err)
		}
		switch {
		case s.Problem != nil:
			return nil, s.Problem
		case s.Progress == nil:
			return &s, nil
		case shown == nil:
			shown = newProgress(stderr, what, s.Progress.Total)
		}
		shown.add(int(s.Progress.Done - seen))
		seen = s.Progress.Done
	}
}
