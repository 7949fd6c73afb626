package awsjson

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep a request's objects and lists may nest. The deepest shape
// of the services this package was made for has seven levels.
const MaxDepth = 16

// SerializationError says that a body is not the JSON that was expected.
type SerializationError struct{ Message string }

func (e *SerializationError) Error() string { return e.Message }

// Is makes every error of this type the same to errors.Is.
func (e *SerializationError) Is(target error) bool {
	_, ok := target.(*SerializationError)
	return ok
}

var errTooDeep = errors.New("the body nests deeper than " + strconv.Itoa(MaxDepth) + " levels")

// Opt is a member that may be absent. Null is absent, an empty string is not.
type Opt[T any] struct {
	Value T
	Set   bool
}

// Ptr is nil for an absent member.
func (o Opt[T]) Ptr() *T {
	if !o.Set {
		return nil
	}
	return &o.Value
}

// Decoder reads one JSON document. After the first error every method yields
// nothing. What it reads is a copy: strings of one document share it.
type Decoder struct {
	body []byte
	text string // a copy of the body

	// While it reads by itself: see quick.go.
	at    int // the next byte
	read  int // where the last token ended
	depth int
	names [32]span // of members of all objects that are open
	known int      // how many of them there are

	json *jsontext.Decoder // who reads from the first thing on that is not plain; nil before
	err  error
}

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// Decode reads a body that must be one object, whose members the shape reads
// with Decoder.Object. The error is a *SerializationError.
func Decode(body []byte, shape func(*Decoder)) error {
	d := decoders.Get().(*Decoder)
	d.body, d.text = body, string(body)
	err := d.decode(shape)
	d.body, d.text, d.at, d.read, d.depth, d.known, d.json, d.err = nil, "", 0, 0, 0, 0, nil, nil
	decoders.Put(d)
	return err
}

func (d *Decoder) decode(shape func(*Decoder)) error {
	if d.next() == 'n' { // null is absent as a member, and nothing as a body
		return &SerializationError{"the body must be a JSON object"}
	}
	shape(d)
	if d.json == nil {
		if d.next() == 0 && d.at == len(d.body) && d.depth == 0 && d.read > 0 {
			return nil
		}
		d.handOver()
	}
	if d.err == nil {
		if _, err := d.json.ReadToken(); err == nil {
			d.fail(errors.New("there is data after the JSON object"))
		} else if err != io.EOF {
			d.fail(err)
		}
	}
	if d.err != nil {
		return &SerializationError{d.err.Error()}
	}
	return nil
}

// fail keeps the first error, and where it was found.
func (d *Decoder) fail(err error) {
	if d.err != nil {
		return
	}
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		err = errors.New("a member occurs twice in one object")
	case errors.As(err, &syntax):
		err = fmt.Errorf("the body is not valid JSON: %w (at byte %d)", syntax.Err, syntax.ByteOffset)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		err = errors.New("the body is not valid JSON: it ends too early")
	}
	text := shorten(err.Error())
	if at := d.json.StackPointer(); at != "" {
		text += ", at " + shorten(string(at))
	}
	d.err = errors.New(text)
}

// Null reports whether the next value is null, and if so reads it.
func (d *Decoder) Null() bool {
	if d.json == nil {
		if d.next() != 'n' {
			return false
		}
		if d.quickLiteral("null") {
			return true
		}
		d.handOver()
	}
	if d.err != nil || d.json.PeekKind() != 'n' {
		return false
	}
	_, err := d.json.ReadToken()
	if err != nil {
		d.fail(err)
	}
	return err == nil
}

// Object yields the name of each member of an object. The name is valid until
// the next read; the member must be read, or skipped, before the next.
func (d *Decoder) Object() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		first := d.known
		if !d.open('{', "an object") {
			return
		}
		for i := 0; d.more(i, '}'); i++ {
			name, ok := d.name(first)
			if !ok {
				return
			}
			read := d.read
			if ok = yield(name); d.json == nil && (!ok || d.read == read) {
				d.handOver() // to tell what a shape does that leaves off
			}
			if !ok {
				return
			}
		}
		d.close(first)
	}
}

// List yields the index of each element of a list. The element must be read, or
// skipped, before the next.
func (d *Decoder) List() iter.Seq[int] {
	return func(yield func(int) bool) {
		first := d.known
		if !d.open('[', "a list") {
			return
		}
		for i := 0; d.more(i, ']'); i++ {
			read := d.read
			ok := yield(i)
			if d.json == nil && (!ok || d.read == read) {
				d.handOver()
			}
			if !ok {
				return
			}
		}
		d.close(first)
	}
}

func (d *Decoder) open(kind jsontext.Kind, what string) bool {
	if d.json == nil {
		if d.quickOpen(byte(kind)) {
			return true
		}
		d.handOverUnlessNull()
	}
	if !d.expect(kind, what) {
		return false
	}
	if _, err := d.json.ReadToken(); err != nil {
		d.fail(err)
	}
	if d.json.StackDepth() > MaxDepth {
		d.fail(errTooDeep)
	}
	return d.err == nil
}

// more moves on to the i-th member or element, and reports whether there is one.
func (d *Decoder) more(i int, end byte) bool {
	if d.json == nil {
		switch c := d.next(); {
		case c == end:
			return false
		case i == 0:
			return true
		case c == ',':
			if d.at++; d.next() != end {
				return true
			}
		}
		d.handOver()
	}
	return d.err == nil && d.json.PeekKind() != jsontext.Kind(end)
}

// name reads a member's name. The object's names are those from the first on.
func (d *Decoder) name(first int) (name []byte, ok bool) {
	if d.json == nil {
		if name, ok = d.quickName(first); ok {
			return name, true
		}
		d.handOver()
	}
	if d.err != nil {
		return nil, false
	}
	raw, err := d.json.ReadValue()
	if err != nil {
		d.fail(err)
		return nil, false
	}
	return d.unquote(raw), true
}

func (d *Decoder) close(first int) {
	if d.json == nil {
		d.quickClose(first)
		return
	}
	if d.err != nil {
		return
	}
	if _, err := d.json.ReadToken(); err != nil {
		d.fail(err)
	}
}

// expect reports whether the next value is of the kind; if it is of another,
// that is an error, save null, which is read and is absent.
func (d *Decoder) expect(kind jsontext.Kind, what string) bool {
	if d.err != nil || d.Null() {
		return false
	}
	switch got := d.json.PeekKind(); got {
	case kind:
		return true
	case 0, '}', ']':
		_, err := d.json.ReadToken()
		if err == nil {
			err = errors.New("a value is missing")
		}
		d.fail(err)
	default:
		d.fail(fmt.Errorf("expected %s, got %s", what, kindName(got)))
	}
	return false
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return k.String()
}
