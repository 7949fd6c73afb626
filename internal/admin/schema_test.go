package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// committed holds a file of docs/ against what is made of the code; UPDATE=1
// rewrites it.
func committed(t *testing.T, name string, made []byte) {
	t.Helper()
	name = "../../docs/" + name
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, made, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, made) {
		t.Errorf("%s is not what the code makes: UPDATE=1 writes it anew\n%s", name, cmp.Diff(string(kept), string(made)))
	}
}

func TestSchemaIsCommitted(t *testing.T) {
	schema, err := CatalogSchema()
	if err != nil {
		t.Fatal(err)
	}
	committed(t, "catalog.schema.json", schema)
	var parsed struct {
		Schema string                     `json:"$schema"`
		Defs   map[string]json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal(schema, &parsed); err != nil {
		t.Fatal(err)
	}
	if parsed.Schema != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema is %q", parsed.Schema)
	}
	for name, text := range parsed.Defs {
		var def struct{ AdditionalProperties any }
		if err := json.Unmarshal(text, &def); err != nil || def.AdditionalProperties != false {
			t.Errorf("%s: additionalProperties %v, %v; want false: an unknown key is an error", name, def.AdditionalProperties, err)
		}
	}
	for ref := range bytes.SplitSeq(schema, []byte(`"$ref": "`)) {
		if name, ok := bytes.CutPrefix(ref, []byte("#/$defs/")); ok && parsed.Defs[string(name[:bytes.IndexByte(name, '"')])] == nil {
			t.Errorf("a reference to %.30s leads nowhere", name)
		}
	}
}

// whole has one entry of each part of a file, with all fields that are ever
// needed, as JSON, which is YAML.
const whole = `{
"sellers": [{"account": "210987654321"}],
"buyers": [{"account": "111122223333"}],
"products": [{"code": "p", "seller": "210987654321", "type": "container", "dimensions": [{"name": "d"}]}],
"agreements": [{"id": "a", "product": "p", "buyer": "111122223333", "entitlements": [{"dimension": "d", "integer": 1}]}],
"workloads": [{"id": "w", "platform": "ecs", "account": "111122223333", "region": "us-east-1"}],
"policies": [{"name": "n", "document": {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}}],
"roles": [{"account": "111122223333", "name": "r", "trust": {"Statement": {"Effect": "Allow", "Principal": {"AWS": "210987654321"}, "Action": "sts:AssumeRole"}}}],
"credentials": [{"access_key_id": "AKIAMETERDSELLER0001", "secret_access_key": "s", "account": "210987654321"}],
"tokens": [{"token": "t", "agreement": "a"}],
"quotas": [{"account": "every", "operation": "MeterUsage", "per_second": 0.5}]}`

// TestRequired: what the schema calls required is what Apply calls missing, and
// nothing else. A key's secret is between the two: a key that is known has one.
func TestRequired(t *testing.T) {
	parts := map[string][]string{
		"Seller": {"sellers"}, "Buyer": {"buyers"}, "Product": {"products"}, "Dimension": {"products", "dimensions"},
		"Agreement": {"agreements"}, "Entitlement": {"agreements", "entitlements"}, "Workload": {"workloads"},
		"Policy": {"policies"}, "Role": {"roles"}, "Credential": {"credentials"}, "Token": {"tokens"}, "Quota": {"quotas"},
	}
	if len(parts) != len(inFile) {
		t.Errorf("%d parts are tried, %d are in the table", len(parts), len(inFile))
	}
	for name, way := range parts {
		item := itemOf(t, new(map[string]any), way)
		for field := range item {
			if field == "integer" || field == "secret_access_key" || field == "dimensions" || field == "entitlements" {
				continue
			}
			if !slices.Contains(inFile[name], field) {
				t.Errorf("%s.%s is in the sample and not in the table", name, field)
			}
		}
		for _, field := range inFile[name] {
			var file map[string]any
			delete(itemOf(t, &file, way), field)
			if err := applyJSON(newService(t), file); !isAbout(err, way[0]+"[0]", field) {
				t.Errorf("without %s of %s: %v; want a problem there", field, name, err)
			}
		}
	}
	var file map[string]any
	itemOf(t, &file, []string{"sellers"})
	if err := applyJSON(newService(t), file); err != nil {
		t.Errorf("with nothing but what is required: %v", err)
	}
}

// itemOf reads whole anew and finds an entry of it.
func itemOf(t *testing.T, file *map[string]any, way []string) map[string]any {
	t.Helper()
	if err := json.Unmarshal([]byte(whole), file); err != nil {
		t.Fatal(err)
	}
	item := *file
	for _, step := range way {
		item = item[step].([]any)[0].(map[string]any)
	}
	return item
}

func applyJSON(s *Service, file map[string]any) error {
	text, err := json.Marshal(file)
	if err != nil {
		return err
	}
	c, err := ParseCatalog(text)
	if err != nil {
		return err
	}
	_, err = s.Apply(context.Background(), c, Applying{})
	return err
}

func isAbout(err error, entry, field string) bool {
	var wrong *CatalogError
	return errors.As(err, &wrong) && slices.ContainsFunc(wrong.Problems, func(p Problem) bool {
		return strings.HasPrefix(p.Path, entry) && strings.HasSuffix(p.Path, "."+field)
	})
}

// TestOpenAPIIsCommitted: the description that is served, of a server with
// everything, is the committed one, and says all that a client generator needs.
func TestOpenAPIIsCommitted(t *testing.T) {
	s := newService(t)
	s.ClockMoves = true
	s.SetFault, s.Faults = func(Fault) error { return nil }, func() []Fault { return nil }
	s.Backup = func(context.Context, io.Writer) error { return nil }
	s.Issuing = newIssuing()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, openAPIPath, nil))
	committed(t, "openapi.json", w.Body.Bytes())

	var api struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID, Summary string
			Tags                 []string
			Responses            map[string]any
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &api); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(api.OpenAPI, "3.1.") {
		t.Errorf("OpenAPI %s; want 3.1", api.OpenAPI)
	}
	ids := make(map[string]bool)
	for path, operations := range api.Paths {
		for method, o := range operations {
			if o.OperationID == "" || o.Summary == "" || len(o.Tags) == 0 || ids[o.OperationID] {
				t.Errorf("%s %s: id %q (before: %t), summary %q, tags %v", method, path, o.OperationID, ids[o.OperationID], o.Summary, o.Tags)
			}
			ids[o.OperationID] = true
			good := 0
			for status := range o.Responses {
				if strings.HasPrefix(status, "2") {
					good++
				}
			}
			if good == 0 || len(o.Responses) <= good {
				t.Errorf("%s %s: responses %v; want one that is good and those that are not", method, path, o.Responses)
			}
		}
	}
	if len(ids) < 50 {
		t.Errorf("%d operations are described: the test shows nothing", len(ids))
	}
}
