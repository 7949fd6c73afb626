package admin

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// inFile are the fields that an entry of a file cannot be without. The API takes
// some of them from the path, so that the types say of all that they may be
// absent.
var inFile = map[string][]string{
	"Seller":      {"account"},
	"Buyer":       {"account"},
	"Product":     {"code", "seller", "type"},
	"Dimension":   {"name"},
	"Agreement":   {"id", "product", "buyer"},
	"Entitlement": {"dimension"},
	"Workload":    {"id", "platform", "account", "region"},
	"Policy":      {"name", "document"},
	"Role":        {"account", "name", "trust"},
	"Credential":  {"access_key_id", "account"},
	"Token":       {"token", "agreement"},
	"Quota":       {"account", "operation", "per_second"},
}

// CatalogSchema is the JSON schema of catalogue files, draft 2020-12.
func CatalogSchema() ([]byte, error) {
	const defs = "#/$defs/"
	all := huma.NewMapRegistry(defs, huma.DefaultSchemaNamer)
	root := huma.SchemaFromType(all, reflect.TypeFor[Catalog]())
	root.Title, root.Description = "meterd catalogue", "What a marketplace consists of: sellers, buyers, products, agreements, and who may call."
	for name, fields := range inFile {
		s := all.Map()[name]
		if s == nil {
			return nil, fmt.Errorf("no part of a catalogue is called %q", name)
		}
		s.Required = fields
	}
	// Apply reads it as any, to refuse what is no whole number (see Entitlement).
	integer := all.Map()["Entitlement"].Properties["integer"]
	integer.Type, integer.Format = huma.TypeInteger, "int32"

	b, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	var text map[string]any
	if err := json.Unmarshal(b, &text); err != nil {
		return nil, err
	}
	text["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	text["$defs"] = all.Map()
	b, err = json.MarshalIndent(text, "", "  ")
	return append(b, '\n'), err
}
