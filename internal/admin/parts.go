package admin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// part is a piece of a catalogue file that can be read alone: some entries of one
// list, under the list's name. goccy/go-yaml 1.19.2 holds a hundred bytes for each
// byte that it reads at once: a file of 20 MB took 2 GB.
type part struct {
	list  string // its name; "" is the whole file
	first int    // the place of the first entry in the list
	line  int    // what is to be added to a line of text to have that of the file
	text  []byte
}

const (
	partBytes = 64 << 10 // a part ends with the entry that reaches it
	maxWhole  = 16 << 20 // of a file that cannot be taken apart
)

var (
	block  = regexp.MustCompile(`^([a-z_]+):( +#.*| *)\r?\n?$`)
	inline = regexp.MustCompile(`^([a-z_]+): +[^ #|>]`)
	// To YAML a carriage return ends a line, be there a line feed after it or not.
	bareReturn = regexp.MustCompile(`\r([^\n]|$)`)
)

// takeApart cuts a file into parts. It knows no YAML but the names at the left
// edge and the dashes of a list: whether a part means what it does in the whole is
// seen when it is read, since of a text that was cut in two neither half can be,
// and no alias without its anchor.
// A file of another form is not taken apart. A part ends with the entry that makes
// it most bytes long.
func takeApart(source []byte, most int) (parts []part, ok bool) {
	if bareReturn.Match(source) {
		return nil, false
	}
	var section []byte // from a name at the left edge to the next
	var name string
	began, line := 0, 0 // the section's first line, and this one
	seen := make(map[string]bool)
	end := func() {
		if name != "" {
			parts = append(parts, partsOf(name, section, began, most)...)
		}
	}
	at := 0
	from := 0
	for text := range bytes.Lines(source) {
		line++
		start := at
		at += len(text)
		if first := text[0]; first == ' ' || first == '#' || first == '\n' || first == '\r' || first == '-' && !bytes.HasPrefix(text, []byte("---")) {
			if blank := len(bytes.Trim(text, " \r\n")) == 0; name == "" && !blank && first != '#' {
				return nil, false
			}
			section = source[from:at]
			continue
		}
		found := block.FindSubmatch(text)
		if found == nil {
			found = inline.FindSubmatch(text)
		}
		if found == nil || seen[string(found[1])] {
			return nil, false
		}
		end()
		name, from, began, section = string(found[1]), start, line, text
		seen[name] = true
	}
	end()
	return parts, true
}

// partsOf cuts a section between entries. Its first line is that of its name.
func partsOf(name string, section []byte, line, most int) []part {
	head, body, _ := bytes.Cut(section, []byte("\n"))
	if len(section) <= most || !block.Match(head) {
		return []part{{name, 0, line - 1, section}}
	}
	var parts []part
	p := part{list: name, line: line - 1}
	indent, entries, from, at := -1, 0, 0, 0
	finish := func() {
		p.text = append([]byte(name+":\n"), body[from:at]...)
		parts = append(parts, p)
	}
	for text := range bytes.Lines(body) {
		line++
		if bare := bytes.TrimLeft(text, " "); len(bare) > 0 && bare[0] == '-' && (indent < 0 || len(text)-len(bare) == indent) {
			indent = len(text) - len(bare)
			if at-from >= most {
				finish()
				p, from = part{list: name, first: entries, line: line - 2}, at
			}
			entries++
		}
		at += len(text)
	}
	finish()
	return parts
}

// parse reads a catalogue: in parts, if it can be taken apart and each can be
// read, and as a whole otherwise, for then what is wrong is told best. A part is
// some most bytes long; nothing longer than whole is read at once.
func (c *Catalog) parse(source []byte, most, whole int) error {
	tooLong := func(p part) bool { return len(p.text) > whole }
	if parts, ok := takeApart(source, most); ok && !slices.ContainsFunc(parts, tooLong) {
		read := Catalog{parts: parts}
		var wrong *part
		var err error
		for i := range parts {
			if err = read.add(parts[i].text); err != nil {
				wrong = &parts[i]
				break
			}
		}
		if wrong == nil {
			*c = read
			return nil
		}
		if len(source) > whole {
			return fmt.Errorf("in line %d or below, under %s: %w", wrong.line+1, wrong.list, err)
		}
	}
	if len(source) > whole {
		return fmt.Errorf("the file is above %d MB: one that long is read in parts, and needs to be of the plain form: "+
			"each list's name alone on its line, then an entry after each dash, without anchors", whole>>20)
	}
	*c = Catalog{parts: []part{{text: source}}}
	return c.add(source)
}

// add reads a part's text and adds its entries.
func (c *Catalog) add(text []byte) error {
	var more Catalog
	err := calmly(func() error {
		file := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
		if err := file.Decode(&more); err != nil {
			return err
		}
		if err := file.Decode(new(any)); !errors.Is(err, io.EOF) {
			return errors.New("a catalogue is one document: there is another after ---")
		}
		return nil
	})
	if err != nil && !errors.Is(err, io.EOF) { // an empty file is an empty catalogue
		return &CatalogError{[]Problem{{Message: hushed(strings.TrimRight(yaml.FormatError(err, false, true), "\n"))}}}
	}
	c.Sellers = append(c.Sellers, more.Sellers...)
	c.Buyers = append(c.Buyers, more.Buyers...)
	c.Products = append(c.Products, more.Products...)
	c.Agreements = append(c.Agreements, more.Agreements...)
	c.Workloads = append(c.Workloads, more.Workloads...)
	c.Policies = append(c.Policies, more.Policies...)
	c.Roles = append(c.Roles, more.Roles...)
	c.Credentials = append(c.Credentials, more.Credentials...)
	c.Tokens = append(c.Tokens, more.Tokens...)
	c.Quotas = append(c.Quotas, more.Quotas...)
	if more.Compat != nil {
		c.Compat = more.Compat
	}
	return nil
}
