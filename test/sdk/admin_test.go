package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
)

// admin makes a request to the operator's API and decodes its answer into out,
// unless out is nil. Changes are made on the first node.
func (s *server) admin(t *testing.T, method, path string, body, out any) {
	t.Helper()
	s.adminOf(t, s.nodes[0], method, path, body, out)
}

// everyNode makes a request to change what each node has for itself.
func (s *server) everyNode(t *testing.T, method, path string, body any) {
	t.Helper()
	for _, node := range s.nodes {
		s.adminOf(t, node, method, path, body, nil)
	}
}

func (s *server) adminOf(t *testing.T, node, method, path string, body, out any) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, node+"/admin/v1/"+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		req.Body = http.NoBody
		req.ContentLength = 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s %s: %s\n%s", method, path, b, resp.Status, answer)
	}
	switch out := out.(type) {
	case nil:
	case *[]byte:
		*out = answer
	default:
		if err := json.Unmarshal(answer, out); err != nil {
			t.Fatalf("%s %s: %v\n%s", method, path, err, answer)
		}
	}
}

func (s *server) setClock(t *testing.T, now string) {
	t.Helper()
	s.everyNode(t, "PUT", "clock", map[string]string{"now": now})
}

// fault makes the next count calls of the operation, of each node, fail with the
// error of that name.
func (s *server) fault(t *testing.T, operation, name string, count int) {
	t.Helper()
	s.everyNode(t, "PUT", "faults", map[string]any{"operation": operation, "code": name, "count": count})
}

// unprocessed makes the next BatchMeterUsage leave all its records unprocessed.
func (s *server) unprocessed(t *testing.T) {
	t.Helper()
	s.admin(t, "PUT", "faults", map[string]any{"operation": "BatchMeterUsage", "unprocessed": true, "count": 1}, nil)
}

// record is a stored record as the operator sees it.
type record struct {
	ID, Product, Account, Party, Region, Dimension string
	Quantity                                       int64
}

// stored returns the product's records of August to November 2026, which is
// wherever a clock of ours may stand. The last node is asked: it knows what the
// others have stored.
func (s *server) stored(t *testing.T, product string) []record {
	t.Helper()
	var page struct {
		Records []record
		Next    string
	}
	query := url.Values{"product": {product}, "from": {"2026-08-01T00:00:00Z"}, "to": {"2026-12-01T00:00:00Z"}}
	s.adminOf(t, s.nodes[len(s.nodes)-1], "GET", "records?"+query.Encode(), nil, &page)
	if page.Next != "" {
		t.Fatalf("%d records of %s fill more than a page", len(page.Records), product)
	}
	return page.Records
}

// publicKey returns the PEM of one version of a product's key.
func (s *server) publicKey(t *testing.T, product string, version int) string {
	t.Helper()
	var pem []byte
	s.admin(t, "GET", fmt.Sprintf("products/%s/keys/%d", product, version), nil, &pem)
	return string(pem)
}

// rotateKey makes the next version of a product's key; the old one expires now.
func (s *server) rotateKey(t *testing.T, product string) {
	t.Helper()
	s.admin(t, "POST", "products/"+product+"/keys", nil, nil)
	s.settle(t)
}
