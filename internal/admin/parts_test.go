package admin

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// readWhole reads a file in one piece, which is what reading it in parts must
// come to.
func readWhole(source []byte) (*Catalog, error) {
	c := &Catalog{parts: []part{{text: source}}}
	return c, c.add(source)
}

func sameCatalog(t interface{ Fatalf(string, ...any) }, source []byte) {
	for _, most := range []int{1, 100, partBytes} {
		sameInParts(t, source, most)
	}
}

func sameInParts(t interface{ Fatalf(string, ...any) }, source []byte, most int) {
	kept := bytes.Clone(source)
	got := new(Catalog)
	gotErr := got.parse(source, most, maxWhole)
	if !bytes.Equal(source, kept) {
		t.Fatalf("the file was changed while it was read")
	}
	want, wantErr := readWhole(source)
	if (gotErr == nil) != (wantErr == nil) { // of two that are unknown, goccy/go-yaml names either
		t.Fatalf("in parts: %v\nwhole: %v\n%.2000s", gotErr, wantErr, source)
	}
	if gotErr == nil {
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Catalog{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-whole +in parts)\n%.2000s\n%.2000s", diff, source)
		}
	}
}

// long is a list of so many entries, that takes several parts.
func long(name, entry string, n int) string {
	var b strings.Builder
	b.WriteString(name + ":\n")
	for i := range n {
		b.WriteString(strings.ReplaceAll(entry, "N", fmt.Sprintf("%012d", i)))
	}
	return b.String()
}

// TestParts: files of many forms mean in parts what they mean whole, and are
// refused in the same words.
func TestParts(t *testing.T) {
	const n = 300
	for name, source := range map[string]string{
		"empty":                   "",
		"comment":                 "# nothing\n",
		"blank":                   "  \n\n \r\n",
		"not quite blank":         " \v\n",
		"a tab":                   " \t\n",
		"no line break":           "sellers: [{account: \"1\"}]",
		"two lists":               long("buyers", "  - account: \"N\"\n    name: b\n", n) + long("agreements", "  - {id: N}\n", n),
		"dashes at the edge":      long("buyers", "- account: \"N\"\n  name: b\n", n),
		"comments and gaps":       "# a\n\n" + long("buyers", "\n  # N\n  - account: \"N\"\n\n", n) + "# end\n",
		"carriage returns":        strings.ReplaceAll(long("buyers", "  - account: \"N\"\n    name: b\n", n), "\n", "\r\n"),
		"lines of old":            "# a\rbuyers:\r  - account: \"1\"\r",
		"a comment that ends":     "# a\rbuyers: [{account: \"1\"}]\n",
		"dashes within":           long("buyers", "  - account: \"N\"\n    name: |\n      - a\n      - b\n", n) + "sellers: []\n",
		"a text over lines":       long("buyers", "  - account: \"N\"\n    name: \"a\n      - b\n      c\"\n", n),
		"a text to the edge":      long("buyers", "  - account: \"N\"\n    name: \"a\n  - b\n  c\"\n", n),
		"a text with a name":      long("buyers", "  - account: \"N\"\n    name: \"a\nsellers:\nb\"\n", n),
		"a literal with a name":   long("buyers", "  - account: \"N\"\n    name: |\n      sellers:\n", n),
		"lists within":            long("products", "  - code: N\n    dimensions:\n    - {name: a}\n    - {name: b}\n", n),
		"lists within, same edge": long("products", "- code: N\n  dimensions:\n  - {name: a}\n", n),
		"inline over lines":       "buyers: [\n{account: \"1\"},\n{account: \"2\"}\n]\nsellers: []\n",
		"inline over lines, in":   "buyers: [\n  {account: \"1\"},\n  {account: \"2\"}\n  ]\nsellers: []\n",
		"anchors":                 "sellers:\n  - {account: &a \"1\"}\nbuyers:\n  - {account: *a}\n",
		"anchors, twice":          "sellers:\n  - {account: &a \"1\"}\n  - {account: &a \"2\"}\nbuyers:\n  - {account: *a}\n  - {account: &a \"3\"}\n  - {account: *a}\n",
		"merged":                  "sellers:\n  - &a {account: \"1\"}\nbuyers:\n  - {<<: *a, name: x}\n",
		"twice":                   "sellers: []\nbuyers: []\nsellers: []\n",
		"two documents":           "sellers: []\n---\nbuyers: []\n",
		"a document":              "---\nsellers: []\n",
		"an end":                  "sellers: []\n...\n",
		"null":                    "sellers:\nbuyers: ~\ncompat:\n",
		"compat":                  "compat:\n  repeat: duplicate\n",
		"JSON":                    `{"sellers": [{"account": "1"}]}`,
		"quoted name":             "\"sellers\":\n  - account: \"1\"\n",
		"unknown":                 long("buyers", "  - account: \"N\"\n", n) + "sellerz: []\n",
		"unknown, deep":           long("buyers", "  - account: \"N\"\n", n) + "  - accounts: x\n",
		"twice, deep":             long("buyers", "  - account: \"N\"\n", n) + "  - {name: x, name: y}\n",
		"not a list":              "buyers:\n  account: x\n",
		"tabs":                    "buyers:\n\t- account: x\n",
		"other edge":              long("buyers", "    - account: \"N\"\n", n) + "  - account: x\n",
		"before it":               "  - a\nbuyers: []\n",
		"no space":                "buyers:#x\nsellers:\n",
		"a word":                  "buyers",
		"block in a line":         "buyers: |\n  x\n",
	} {
		t.Run(name, func(t *testing.T) { sameCatalog(t, []byte(source)) })
	}
}

// TestPartsLaw: the same of exports, with a comment or a mistake anywhere.
func TestPartsLaw(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var b bytes.Buffer
		if err := drawCatalog(rt).WriteYAML(&b); err != nil {
			rt.Fatal(err)
		}
		lines := strings.SplitAfter(b.String(), "\n")
		at := rapid.IntRange(0, len(lines)-1).Draw(rt, "line")
		lines[at] += rapid.SampledFrom([]string{"", "# c\n", "\n", "  - x\n", "- x\n", "x: y\n", "\"\n", "  # c\n", "---\n", "sellers:\n", "    name: again\n", "}\n"}).Draw(rt, "more")
		sameCatalog(rt, []byte(strings.Join(lines, "")))
	})
}

// TestPartsPosition: what is wrong is told with its place in the file, whatever
// part it is in, and an entry of a later part is not taken for one of an earlier.
func TestPartsPosition(t *testing.T) {
	const n = 5000
	source := "# first\n" + long("buyers", "  - account: \"N\"\n", n) + "  - account: \"x\"\nsellers: [{account: y}]\n"
	c, err := ParseCatalog([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.parts) < 3 {
		t.Errorf("%d parts: the test shows nothing", len(c.parts))
	}
	_, err = newService(t).Apply(t.Context(), c, Applying{})
	var wrong *CatalogError
	if !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	lines := strings.Split(source, "\n")
	for _, p := range wrong.Problems {
		want := "x"
		if strings.HasPrefix(p.Path, "sellers") {
			want = "y"
		}
		if p.Line == 0 || !strings.Contains(lines[p.Line-1][p.Column-1:], want) || p.Column < 5 {
			t.Errorf("%s is at %d:%d", p.Path, p.Line, p.Column)
		}
	}
	if len(wrong.Problems) != 2 {
		t.Errorf("%v", wrong)
	}
}

// TestTooLongWhole: a file that would take gigabytes of memory is refused, and
// the refusal says what to do.
func TestTooLongWhole(t *testing.T) {
	const whole = 1000
	refusal := func(source string) string {
		err := new(Catalog).parse([]byte(source), 100, whole)
		if err == nil {
			return "none"
		}
		return err.Error()
	}
	for _, name := range []string{"buyers: [", "{\"buyers\": [", "---\nbuyers: ["} {
		if got := refusal(name + strings.Repeat("{account: \"111122223333\"},\n ", whole/20)); !strings.Contains(got, "needs to be of the plain form") {
			t.Errorf("%s: %s", name, got)
		}
	}
	broken := long("buyers", "  - account: \"N\"\n", whole/10) + "  - accounts: x\n"
	if got := refusal(broken); !strings.Contains(got, "under buyers") || !strings.Contains(got, `unknown field "accounts"`) {
		t.Error(got)
	}
	if got := refusal(long("buyers", "  - account: \"N\"\n", whole/10)); got != "none" {
		t.Error(got)
	}
}
