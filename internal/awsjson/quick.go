package awsjson

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// What clients send is plain: strings of ASCII without escapes, decimal numbers,
// and no mistakes. A Decoder reads that by itself. At the first thing that is not
// plain it hands over to jsontext, which reads all of it again up to there and goes
// on to the end. So whatever is refused is refused by jsontext, in its words.

// next is the first byte of the next token; 0 is none.
func (d *Decoder) next() byte {
	for ; d.at < len(d.body); d.at++ {
		switch c := d.body[d.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// took notes that a token ends at i.
func (d *Decoder) took(i int) { d.at, d.read = i, i }

// handOver leaves what follows the last token that was read to jsontext.
func (d *Decoder) handOver() {
	d.json = jsontext.NewDecoder(bytes.NewBuffer(d.body))
	for d.err == nil && d.json.InputOffset() < int64(d.read) {
		if _, err := d.json.ReadToken(); err != nil {
			d.fail(err)
		}
	}
}

// handOverUnlessNull is for a value that is not plain, or is not what was expected,
// unless it is absent.
func (d *Decoder) handOverUnlessNull() {
	if d.next() != 'n' {
		d.handOver()
	}
}

// inString are the bytes that stand for themselves in a string.
var inString = func() (plain [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

// quickString reads a plain string: where its text begins and ends.
func (d *Decoder) quickString() (from, to int, ok bool) {
	if d.next() != '"' {
		return 0, 0, false
	}
	from = d.at + 1
	for i := from; i < len(d.body); i++ {
		c := d.body[i]
		if inString[c] {
			continue
		}
		if c == '"' {
			d.took(i + 1)
			return from, i, true
		}
		break
	}
	return 0, 0, false
}

// quickNumber reads a number without an exponent, and finds its point, if it has
// one.
func (d *Decoder) quickNumber() (literal string, point, ok bool) {
	d.next()
	i := d.at
	if i < len(d.body) && d.body[i] == '-' {
		i++
	}
	whole := digits(d.body, i)
	if whole == i || whole > i+1 && d.body[i] == '0' {
		return "", false, false
	}
	end := whole
	if whole < len(d.body) && d.body[whole] == '.' {
		if end = digits(d.body, whole+1); end == whole+1 {
			return "", false, false
		}
	}
	if !d.ends(end) {
		return "", false, false
	}
	literal = d.text[d.at:end]
	d.took(end)
	return literal, end > whole, true
}

// quickInt32 reads a number without a point, if it has no more than 32 bits.
func (d *Decoder) quickInt32() (int32, bool) {
	at, read := d.at, d.read
	if literal, point, ok := d.quickNumber(); ok && !point {
		if n, err := strconv.ParseInt(literal, 10, 32); err == nil {
			return int32(n), true
		}
	}
	d.at, d.read = at, read
	return 0, false
}

// digits is where the digits from i on end.
func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

// quickLiteral reads one of null, true and false.
func (d *Decoder) quickLiteral(word string) bool {
	d.next()
	end := d.at + len(word)
	if end > len(d.body) || string(d.body[d.at:end]) != word || !d.ends(end) {
		return false
	}
	d.took(end)
	return true
}

// ends reports whether a number or a literal can end before i: what follows is no
// part of it.
func (d *Decoder) ends(i int) bool {
	if i == len(d.body) {
		return false // a document ends with its object
	}
	switch d.body[i] {
	case ',', '}', ']', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

// quickOpen reads the beginning of an object or a list.
func (d *Decoder) quickOpen(kind byte) bool {
	if d.next() != kind || d.depth == MaxDepth {
		return false
	}
	d.depth++
	d.took(d.at + 1)
	return true
}

// quickClose reads the end of one, whose members' names are those from the first
// on.
func (d *Decoder) quickClose(first int) {
	d.depth--
	d.known = first
	d.took(d.at + 1)
}

// quickName reads a member's name and the colon, if the object, whose names are
// those from the first on, has no member of that name yet.
func (d *Decoder) quickName(first int) (name []byte, ok bool) {
	before := d.read
	from, to, ok := d.quickString()
	if !ok {
		return nil, false
	}
	end := d.at
	if name = d.body[from:to]; d.next() == ':' && d.isNew(name, first) {
		d.names[d.known] = span{from, to}
		d.known++
		d.at, d.read = d.at+1, end
		return name, true
	}
	d.read = before
	return nil, false
}

// isNew reports whether a name is none of those from the first on, and whether
// there is room to remember it.
func (d *Decoder) isNew(name []byte, first int) bool {
	if d.known == len(d.names) {
		return false
	}
	for _, n := range d.names[first:d.known] {
		if n.to-n.from == len(name) && string(d.body[n.from:n.to]) == string(name) {
			return false
		}
	}
	return true
}

// span is a part of the body.
type span struct{ from, to int }

// quickSkip reads over a value, if it is a string, a number or a literal.
func (d *Decoder) quickSkip() (ok bool) {
	switch d.next() {
	case '"':
		_, _, ok = d.quickString()
	case 'n':
		ok = d.quickLiteral("null")
	case 't':
		ok = d.quickLiteral("true")
	case 'f':
		ok = d.quickLiteral("false")
	default:
		_, _, ok = d.quickNumber()
	}
	return ok
}
