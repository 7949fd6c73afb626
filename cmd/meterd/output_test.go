package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"pgregory.net/rapid"
)

// thing is what the tests of the forms print.
type thing struct {
	Name   string            `json:"name"`
	Count  int64             `json:"count"`
	Price  float64           `json:"unit_price"`
	Fine   bool              `json:"fine"`
	Parent *thing            `json:"parent"`
	Tags   []string          `json:"tags"`
	More   map[string]string `json:"more"`
	Nested [][]thing         `json:"nested,omitempty"`
}

var thingView = view[thing]{
	columns: []string{"name", "unit_price"}, narrow: []string{"name"},
	row:  func(i *thing) []string { return []string{i.Name, "7"} },
	name: func(i *thing) string { return i.Name },
}

func listText(t testing.TB, form string, v view[thing], items ...thing) string {
	t.Helper()
	var out bytes.Buffer
	w, err := newListWriter(&out, form, v)
	if err != nil {
		t.Fatal(err)
	}
	for i := range items {
		if err := w.write(&items[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func oneText(t testing.TB, form string, v view[thing], item thing) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := &cobra.Command{Use: "meterd"}
	cmd.SetOut(&out)
	err := printOne(cmd, form, v, &item)
	return out.String(), err
}

func TestForms(t *testing.T) {
	a := thing{Name: "no", Tags: []string{"012", "=1+1"}, More: map[string]string{"k:": "v #", "x": ""}}
	b := thing{Name: "b", Parent: &thing{Name: "a"}, Nested: [][]thing{{}, {{}, {Count: 1}}}}
	const aJSON = `{"name":"no","count":0,"unit_price":0,"fine":false,"parent":null,"tags":["012","=1+1"],"more":{"k:":"v #","x":""}}`
	for _, test := range []struct{ form, list, one string }{
		{"", "[\n" + aJSON + "\n]\n", aJSON + "\n"}, // not a terminal
		{"json", "[\n" + aJSON + "\n]\n", aJSON + "\n"},
		{"table", "NAME\nno\n", "NAME        no\nUNIT PRICE  7\n"},
		{"csv", "name,unit_price\nno,7\n", "name,unit_price\nno,7\n"},
		{"name", "no\n", "no\n"},
	} {
		if got := listText(t, test.form, thingView, a); got != test.list {
			t.Errorf("list, %s: got\n%s\nwant\n%s", test.form, got, test.list)
		}
		if got, err := oneText(t, test.form, thingView, a); got != test.one || err != nil {
			t.Errorf("one, %s: %v, got\n%s\nwant\n%s", test.form, err, got, test.one)
		}
	}
	const want = `- name: "no"
  count: 0
  unit_price: 0
  fine: false
  parent: null
  tags:
    - "012"
    - "=1+1"
  more:
    "k:": "v #"
    x: ""
- name: "b"
  count: 0
  unit_price: 0
  fine: false
  parent:
    name: "a"
    count: 0
    unit_price: 0
    fine: false
    parent: null
    tags: null
    more: null
  tags: null
  more: null
  nested:
    - []
    - - name: ""
        count: 0
        unit_price: 0
        fine: false
        parent: null
        tags: null
        more: null
      - name: ""
        count: 1
        unit_price: 0
        fine: false
        parent: null
        tags: null
        more: null
`
	if diff := cmp.Diff(want, listText(t, "yaml", thingView, a, b)); diff != "" {
		t.Errorf("yaml: (-want +got)\n%s", diff)
	}
	for form, want := range map[string]string{"json": "[]\n", "yaml": "[]\n", "table": "None.\n", "csv": "name,unit_price\n", "name": ""} {
		if got := listText(t, form, thingView); got != want {
			t.Errorf("nothing, %s: got %q, want %q", form, got, want)
		}
	}
}

func TestWrongForms(t *testing.T) {
	nameless := thingView
	nameless.name = nil
	for form, want := range map[string]string{
		"xml":  `--output "xml" is none of table, json, yaml, csv, name`,
		"name": "--output name: what this lists has no names; take one of table, json, yaml, csv",
	} {
		if _, err := newListWriter(new(bytes.Buffer), form, nameless); err == nil || err.Error() != want {
			t.Errorf("list: got %v, want %s", err, want)
		}
		if _, err := oneText(t, form, nameless, thing{}); err == nil || !strings.HasPrefix(err.Error(), want) || exitCode(err) != exitUsage {
			t.Errorf("one: got %v, want %s", err, want)
		}
	}
}

// TestYAMLLaw: a reader of YAML gets from it what a reader of JSON gets from JSON.
func TestYAMLLaw(t *testing.T) {
	var item *rapid.Generator[thing]
	item = rapid.Custom(func(t *rapid.T) thing {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"no", "~", "0x1", "1_000", "1e3", "2026-09-15T10:00:00Z", " a", "a ", "- a", "a: b", "#", "'", `"`, `\`, "\t", "a\n\n b\n", "\u0085", "\u2028", "\ufeff", "\x7f", "😀", "null", "{}"}))
		i := thing{
			Name: text.Draw(t, "name"), Count: rapid.Int64Range(-1<<53, 1<<53).Draw(t, "count"), Price: rapid.Float64().Draw(t, "price"), Fine: rapid.Bool().Draw(t, "fine"),
			Tags: rapid.SliceOfN(text, 0, 3).Draw(t, "tags"), More: rapid.MapOfN(text, text, 0, 3).Draw(t, "more"),
		}
		if rapid.IntRange(0, 3).Draw(t, "deeper") == 0 {
			i.Nested = [][]thing{{item.Draw(t, "nested")}, {}}
		}
		return i
	})
	rapid.Check(t, func(rt *rapid.T) {
		items := rapid.SliceOfN(item, 0, 3).Draw(rt, "items")
		asJSON, asYAML := listText(t, "json", thingView, items...), listText(t, "yaml", thingView, items...)
		var want, got []thing
		if err := json.Unmarshal([]byte(asJSON), &want); err != nil {
			rt.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(asYAML), &got); err != nil {
			rt.Fatalf("%v in\n%s", err, asYAML)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("(-json +yaml)\n%s\n%s", diff, asYAML)
		}
	})
}

// TestYAMLPrintable: what YAML counts as no printable character is escaped; some
// readers refuse the document otherwise.
func TestYAMLPrintable(t *testing.T) {
	got := listText(t, "yaml", thingView, thing{Name: "\x00\x1b\x7f\u0085\u009f\ufeff\uffffä日😀"})
	if want := `- name: "\u0000\u001b\u007f\u0085\u009f\ufeff\uffffä日😀"` + "\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}
