package awsjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

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
// nothing.
type Decoder struct {
	json *jsontext.Decoder
	err  error
}

// Decode reads a body that must be one object, whose members the shape reads
// with Decoder.Object. The error is a *SerializationError.
func Decode(body []byte, shape func(*Decoder)) error {
	d := &Decoder{json: jsontext.NewDecoder(bytes.NewBuffer(body))}
	if kind := d.json.PeekKind(); kind == 'n' { // null is absent as a member, and nothing as a body
		return &SerializationError{"the body must be a JSON object"}
	}
	shape(d)
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
		if !d.open('{', "an object") {
			return
		}
		for d.err == nil && d.json.PeekKind() != '}' {
			raw, err := d.json.ReadValue()
			if err != nil {
				d.fail(err)
				return
			}
			if !yield(d.unquote(raw)) {
				return
			}
		}
		d.close()
	}
}

// List yields the index of each element of a list. The element must be read, or
// skipped, before the next.
func (d *Decoder) List() iter.Seq[int] {
	return func(yield func(int) bool) {
		if !d.open('[', "a list") {
			return
		}
		for i := 0; d.err == nil && d.json.PeekKind() != ']'; i++ {
			if !yield(i) {
				return
			}
		}
		d.close()
	}
}

func (d *Decoder) open(kind jsontext.Kind, what string) bool {
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

func (d *Decoder) close() {
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

// String reads a string.
func (d *Decoder) String() Opt[string] {
	raw := d.scalar('"', "a string")
	if raw == nil {
		return Opt[string]{}
	}
	return Opt[string]{string(d.unquote(raw)), d.err == nil}
}

// Int32 reads an integer of 32 bits. A literal with a point or an exponent is
// not one, whatever its value.
func (d *Decoder) Int32() Opt[int32] {
	raw := d.scalar('0', "an integer")
	if raw == nil {
		return Opt[int32]{}
	}
	if bytes.ContainsAny(raw, ".eE") {
		d.fail(fmt.Errorf("expected an integer, got %s", raw))
		return Opt[int32]{}
	}
	n, err := strconv.ParseInt(string(raw), 10, 32)
	if err != nil {
		d.fail(fmt.Errorf("%s is not an integer of 32 bits", raw))
		return Opt[int32]{}
	}
	return Opt[int32]{int32(n), true}
}

// Bool reads a boolean.
func (d *Decoder) Bool() Opt[bool] {
	if d.err != nil || d.Null() {
		return Opt[bool]{}
	}
	kind := d.json.PeekKind()
	if kind != 't' && kind != 'f' {
		d.expect('t', "a boolean")
		return Opt[bool]{}
	}
	if _, err := d.json.ReadToken(); err != nil {
		d.fail(err)
		return Opt[bool]{}
	}
	return Opt[bool]{kind == 't', true}
}

// Timestamp reads an instant: a number of seconds since 1970, with a fraction.
func (d *Decoder) Timestamp() Opt[Timestamp] {
	raw := d.scalar('0', "a number of seconds")
	if raw == nil {
		return Opt[Timestamp]{}
	}
	return Opt[Timestamp]{ParseTimestamp(string(raw)), true}
}

// Skip reads over a value of any kind. It goes token by token, so that depth is
// bounded in what is ignored, too.
func (d *Decoder) Skip() {
	for outer := d.json.StackDepth(); d.err == nil; {
		if _, err := d.json.ReadToken(); err != nil {
			d.fail(err)
			return
		}
		depth := d.json.StackDepth()
		if depth > MaxDepth {
			d.fail(errTooDeep)
		}
		if depth == outer {
			return
		}
	}
}

// scalar reads a value of the kind as it is written; nil is absent or an error.
func (d *Decoder) scalar(kind jsontext.Kind, what string) []byte {
	if !d.expect(kind, what) {
		return nil
	}
	raw, err := d.json.ReadValue()
	if err != nil {
		d.fail(err)
		return nil
	}
	return raw
}

// unquote takes the quotes off a string that the tokenizer has found sound.
func (d *Decoder) unquote(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		d.fail(err)
	}
	return text
}
