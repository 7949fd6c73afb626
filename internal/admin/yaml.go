package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
)

// The catalogue is written here and not by goccy/go-yaml 1.19.2, which leaves some
// texts bare that it then reads as something else: a tab as nothing, for one
// (TestExportLaws). Fields and scalars are those of JSON, which YAML 1.2 reads
// alike; only a text that can be taken for nothing else is bare.

// WriteYAML writes the catalogue as a file.
func (c *Catalog) WriteYAML(w io.Writer) error {
	out := &yamlWriter{w: bufio.NewWriter(w)}
	writeList(out, "sellers", c.Sellers)
	writeList(out, "buyers", c.Buyers)
	writeList(out, "products", c.Products)
	writeList(out, "agreements", c.Agreements)
	writeList(out, "workloads", c.Workloads)
	writeList(out, "policies", c.Policies)
	writeList(out, "roles", c.Roles)
	writeList(out, "credentials", c.Credentials)
	writeList(out, "tokens", c.Tokens)
	writeList(out, "quotas", c.Quotas)
	if c.Compat != nil {
		out.text("compat:")
		out.item(c.Compat, "\n  ")
		out.text("\n")
	}
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

func writeList[T any](w *yamlWriter, name string, items []T) {
	if len(items) == 0 {
		return
	}
	w.text(name + ":")
	for i := range items {
		w.text("\n  -")
		w.item(&items[i], " ")
	}
	w.text("\n")
}

// yamlWriter writes until the first error.
type yamlWriter struct {
	w   *bufio.Writer
	err error
}

func (w *yamlWriter) text(s string) {
	if w.err == nil {
		_, w.err = w.w.WriteString(s)
	}
}

// item writes an entry of the top level's; lead goes before its first field.
func (w *yamlWriter) item(v any, lead string) {
	b, err := json.Marshal(v)
	if err != nil {
		w.err = err
		return
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	indent := "    "
	if lead != " " {
		indent = lead[1:]
	}
	w.value(d, lead, indent)
}

// value writes the next value: lead goes before the first field or element of a
// block, and indent begins its other lines.
func (w *yamlWriter) value(d *json.Decoder, lead, indent string) {
	t, err := d.Token()
	if err != nil {
		w.err = err
		return
	}
	block, ok := t.(json.Delim)
	switch {
	case !ok:
		w.text(" ")
		w.scalar(t)
		return
	case !d.More():
		w.text(" " + block.String() + string(block+2)) // {} or []
	}
	for d.More() && w.err == nil {
		w.text(lead)
		lead = "\n" + indent
		if block == '[' {
			w.text("-")
			w.value(d, " ", indent+"  ")
			continue
		}
		if t, err = d.Token(); err != nil {
			w.err = err
			return
		}
		w.scalar(t)
		w.text(":")
		w.value(d, "\n"+indent+"  ", indent+"  ")
	}
	if _, err := d.Token(); err != nil {
		w.err = err
	}
}

// bareText is a text that needs no quotes, unless it is one of the words that
// mean something; inf and nan follow a dot or a sign, which no bare text begins
// with.
var (
	bareText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*([.:/][A-Za-z0-9_-]+|::[A-Za-z0-9_-]+)*$`)
	words    = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`)
)

// scalar writes a scalar as JSON does, except for what YAML would not read in
// quotes (5.1 of its specification), and the byte order mark, which readers trip
// over.
func (w *yamlWriter) scalar(t json.Token) {
	if s, ok := t.(string); ok && bareText.MatchString(s) && !words.MatchString(s) {
		w.text(s)
		return
	}
	b, err := json.Marshal(t)
	if err != nil {
		w.err = err
		return
	}
	for _, r := range string(b) {
		if 0x7f <= r && r < 0xa0 || r == 0xfeff || r == 0xfffe || r == 0xffff {
			w.text(fmt.Sprintf(`\u%04x`, r))
			continue
		}
		w.text(string(r))
	}
}
