package awsjson

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// String reads a string.
func (d *Decoder) String() Opt[string] {
	if d.json == nil {
		if from, to, ok := d.quickString(); ok {
			return Opt[string]{d.text[from:to], true}
		}
	}
	raw := d.scalar('"', "a string")
	if raw == nil {
		return Opt[string]{}
	}
	return Opt[string]{string(d.unquote(raw)), d.err == nil}
}

// Int32 reads an integer of 32 bits. A literal with a point or an exponent is
// not one, whatever its value.
func (d *Decoder) Int32() Opt[int32] {
	if d.json == nil {
		if n, ok := d.quickInt32(); ok {
			return Opt[int32]{n, true}
		}
	}
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
	if d.json == nil {
		switch {
		case d.quickLiteral("true"):
			return Opt[bool]{true, true}
		case d.quickLiteral("false"):
			return Opt[bool]{false, true}
		}
		d.handOverUnlessNull()
	}
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
	if d.json == nil {
		if literal, _, ok := d.quickNumber(); ok {
			return Opt[Timestamp]{ParseTimestamp(literal), true}
		}
	}
	raw := d.scalar('0', "a number of seconds")
	if raw == nil {
		return Opt[Timestamp]{}
	}
	return Opt[Timestamp]{ParseTimestamp(string(raw)), true}
}

// Skip reads over a value of any kind. It goes token by token, so that depth is
// bounded in what is ignored, too.
func (d *Decoder) Skip() {
	if d.json == nil {
		if d.quickSkip() {
			return
		}
		d.handOver()
	}
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
	if d.json == nil {
		d.handOverUnlessNull()
	}
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
