package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// YAML is written here, from JSON, so that both have the same names in the same
// order, and because it is enough: mappings and sequences as blocks, and scalars
// as JSON writes them, which YAML 1.2 reads alike. Texts are all in quotes: no
// reader takes an account for a number, or "no" for false.

// newYAMLSequence writes one document, a sequence, an element at a time.
func newYAMLSequence[T any](out io.Writer) *writer[T] {
	empty := true
	return &writer[T]{
		write: func(item *T) error {
			empty = false
			b, err := json.Marshal(item)
			if err != nil {
				return err
			}
			var element bytes.Buffer
			if err := writeYAML(&element, b); err != nil {
				return err
			}
			first := "- "
			for line := range strings.Lines(element.String()) {
				if _, err := io.WriteString(out, first+line); err != nil {
					return err
				}
				first = "  "
			}
			return nil
		},
		end: func() error {
			if empty {
				_, err := fmt.Fprintln(out, "[]")
				return err
			}
			return nil
		},
	}
}

// writeYAML writes a JSON value as YAML.
func writeYAML(out io.Writer, text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var b bytes.Buffer
	if err := yamlValue(&b, d, "", ""); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := out.Write(bytes.TrimLeft(b.Bytes(), " \n"))
	return err
}

// yamlValue writes the next value, behind what is there already: lead is what goes
// between that and the first line of a block, indent what begins its other lines.
func yamlValue(b *bytes.Buffer, d *json.Decoder, lead, indent string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	delimiter, ok := token.(json.Delim)
	if !ok {
		b.WriteByte(' ')
		return yamlScalar(b, token)
	}
	if !d.More() {
		_, err := d.Token()
		fmt.Fprintf(b, " %c%c", delimiter, delimiter+2) // {} or []
		return err
	}
	for d.More() {
		b.WriteString(lead)
		lead = "\n" + indent
		if delimiter == '[' {
			b.WriteByte('-')
			err = yamlValue(b, d, " ", indent+"  ")
		} else {
			err = yamlField(b, d, indent)
		}
		if err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

func yamlField(b *bytes.Buffer, d *json.Decoder, indent string) error {
	key, err := d.Token()
	if err != nil {
		return err
	}
	name := key.(string) // json.Decoder gives nothing else here
	if isPlainKey(name) {
		b.WriteString(name)
	} else if err := yamlScalar(b, name); err != nil {
		return err
	}
	b.WriteByte(':')
	return yamlValue(b, d, "\n"+indent+"  ", indent+"  ")
}

// isPlainKey holds for names as ours are; those that mean something to YAML 1.1
// are shorter or not lower case.
func isPlainKey(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || c == '_') {
			return false
		}
	}
	switch s {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return false
	}
	return true
}

// yamlScalar writes a scalar as JSON does, except for what YAML would not read in
// quotes.
func yamlScalar(b *bytes.Buffer, token json.Token) error {
	text, err := json.Marshal(token)
	if err != nil {
		return err
	}
	for _, r := range string(text) {
		// YAML's printable characters (5.1 of its specification); the byte order
		// mark is one, but readers trip over it.
		if 0x7f <= r && r < 0xa0 || r == 0xfeff || r == 0xfffe || r == 0xffff {
			fmt.Fprintf(b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return nil
}
