package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a document, in characters and without its white space, as in IAM.
const (
	ManagedLimit = 6144 // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
	SessionLimit = 2048
	TrustLimit   = 2048
)

const (
	maxBytes = 64 << 10 // with white space; what is longer was not written by a person
	maxDepth = 7        // document, list of statements, statement, Condition, operator, list of values, value
)

// Error says where a policy is wrong and why.
type Error struct {
	Place   string // "Statement[2].Condition.StringEquals.aws:SourceIp", or "" for the whole document
	Problem string
}

func (e *Error) Error() string {
	if e.Place == "" {
		return "policy: " + e.Problem
	}
	return e.Place + ": " + e.Problem
}

// place is where in the document the parser is.
type place string

func (p place) member(name string) place {
	if len(name) > 128 { // whoever wrote it will find it
		name = strings.ToValidUTF8(name[:128], "") + "…"
	}
	if p == "" {
		return place(name)
	}
	return p + "." + place(name)
}

func (p place) item(i int) place { return place(fmt.Sprintf("%s[%d]", p, i)) }

func (p place) errorf(format string, args ...any) error {
	return &Error{Place: string(p), Problem: fmt.Sprintf(format, args...)}
}

func (p place) wrap(err error) error { return &Error{Place: string(p), Problem: err.Error()} }

type nodeKind uint8

const (
	objectNode nodeKind = 1 + iota
	listNode
	stringNode
	numberNode
	boolNode
	nullNode
)

func (k nodeKind) String() string {
	return [...]string{"nothing", "an object", "a list", "a string", "a number", "true or false", "null"}[k]
}

// node is a JSON value whose members kept their order and number.
type node struct {
	kind    nodeKind
	text    string // of what is neither an object nor a list
	members []member
	items   []node
}

type member struct {
	name  string
	value node
}

// parseDocument reads JSON, and refuses what encoding/json would mend in silence:
// the second of two equal names, half a surrogate pair, bytes that are not UTF-8.
func parseDocument(doc []byte, limit int) (node, error) {
	const whole place = ""
	switch {
	case len(doc) > maxBytes:
		return node{}, whole.errorf("the document has %d bytes; even with white space it may have %d", len(doc), maxBytes)
	case !utf8.Valid(doc):
		return node{}, whole.errorf("the document is not UTF-8")
	}
	if n := characters(doc); n > limit {
		return node{}, whole.errorf("the document has %d characters without white space; it may have %d", n, limit)
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	n, err := parseNode(d, whole, maxDepth)
	if err == nil {
		if _, err = d.Token(); err == nil {
			err = whole.errorf("something follows the document")
		}
	}
	var ours *Error
	switch {
	case errors.Is(err, io.EOF) && n.kind != 0:
		return n, nil
	case errors.As(err, &ours):
		return node{}, err
	}
	line := 1 + bytes.Count(doc[:min(int(d.InputOffset()), len(doc))], []byte("\n"))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return node{}, whole.errorf("not JSON: it ends too early, on line %d", line)
	}
	return node{}, whole.errorf("not JSON: %v, on line %d", err, line)
}

func parseNode(d *json.Decoder, p place, depth int) (node, error) {
	token, err := d.Token()
	if err != nil {
		return node{}, err
	}
	switch token := token.(type) {
	case string:
		if strings.ContainsRune(token, utf8.RuneError) {
			return node{}, p.errorf("the text has a character that is none (U+FFFD, or half a surrogate pair)")
		}
		return node{kind: stringNode, text: token}, nil
	case json.Number:
		return node{kind: numberNode, text: token.String()}, nil
	case bool:
		return node{kind: boolNode, text: fmt.Sprint(token)}, nil
	case nil:
		return node{kind: nullNode}, nil
	}
	if depth == 1 {
		return node{}, p.errorf("nested more deeply than any policy")
	}
	if token == json.Delim('[') {
		return parseList(d, p, depth)
	}
	return parseObject(d, p, depth)
}

func parseList(d *json.Decoder, p place, depth int) (node, error) {
	n := node{kind: listNode}
	for d.More() {
		item, err := parseNode(d, p.item(len(n.items)), depth-1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
	}
	_, err := d.Token() // the bracket
	return n, err
}

func parseObject(d *json.Decoder, p place, depth int) (node, error) {
	n := node{kind: objectNode}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return node{}, err
		}
		name, _ := token.(string) // the decoder saw to it
		p := p.member(name)
		if strings.ContainsRune(name, utf8.RuneError) {
			return node{}, p.errorf("the name has a character that is none (U+FFFD, or half a surrogate pair)")
		}
		if seen[name] {
			return node{}, p.errorf("the name is there twice")
		}
		seen[name] = true
		value, err := parseNode(d, p, depth-1)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{name, value})
	}
	_, err := d.Token()
	return n, err
}

// characters counts as IAM does, which leaves white space out.
func characters(doc []byte) int {
	n := utf8.RuneCount(doc)
	for _, c := range doc {
		if strings.IndexByte(" \t\r\n", c) >= 0 {
			n--
		}
	}
	return n
}

// object refuses what is no object, and one without members.
func (p place) object(n node) error {
	switch {
	case n.kind != objectNode:
		return p.errorf("must be an object, not %s", n.kind)
	case len(n.members) == 0:
		return p.errorf("is empty")
	}
	return nil
}

// texts reads a value or a list of values. Beside strings they may be of one other
// kind, whose text is used: IAM takes true for "true".
func (p place) texts(n node, other nodeKind) ([]string, error) {
	if n.kind != listNode {
		if n.kind != stringNode && n.kind != other {
			return nil, p.errorf("must be a string or a list of strings, not %s", n.kind)
		}
		return []string{n.text}, nil
	}
	if len(n.items) == 0 {
		return nil, p.errorf("is empty")
	}
	texts := make([]string, 0, len(n.items))
	for i, item := range n.items {
		if item.kind != stringNode && item.kind != other {
			return nil, p.item(i).errorf("must be a string, not %s", item.kind)
		}
		texts = append(texts, item.text)
	}
	return texts, nil
}

// member finds a member by name.
func (n *node) member(name string) (node, bool) {
	at := slices.IndexFunc(n.members, func(m member) bool { return m.name == name })
	if at < 0 {
		return node{}, false
	}
	return n.members[at].value, true
}
