package awsjson

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shape is one of each thing that a service's shapes are made of.
type shape struct {
	Text   Opt[string]
	Count  Opt[int32]
	Flag   Opt[bool]
	When   Opt[Timestamp]
	Counts []Opt[int32]
	Names  map[string]string
	Items  []*shape // nil for null
	Child  *shape
}

func (s *shape) decode(d *Decoder) {
	for name := range d.Object() {
		switch string(name) {
		case "Text":
			s.Text = d.String()
		case "Count":
			s.Count = d.Int32()
		case "Flag":
			s.Flag = d.Bool()
		case "When":
			s.When = d.Timestamp()
		case "Counts":
			if d.Null() {
				continue
			}
			s.Counts = []Opt[int32]{}
			for range d.List() {
				s.Counts = append(s.Counts, d.Int32())
			}
		case "Names":
			if d.Null() {
				continue
			}
			s.Names = map[string]string{}
			for name := range d.Object() {
				key := string(name)
				s.Names[key] = d.String().Value
			}
		case "Items":
			if d.Null() {
				continue
			}
			s.Items = []*shape{}
			for i := range d.List() {
				if i != len(s.Items) {
					panic("List counts wrong")
				}
				s.Items = append(s.Items, child(d))
			}
		case "Child":
			s.Child = child(d)
		default:
			d.Skip()
		}
	}
}

func child(d *Decoder) *shape {
	if d.Null() {
		return nil
	}
	s := new(shape)
	s.decode(d)
	return s
}

func read(body string) (*shape, error) {
	s := new(shape)
	err := Decode([]byte(body), s.decode)
	return s, err
}

func set[T any](v T) Opt[T] { return Opt[T]{v, true} }

// TestDecode: what is read is what was written (contract 1.2).
func TestDecode(t *testing.T) {
	when := ParseTimestamp("1789000000.25")
	for _, row := range []struct {
		name, body string
		want       shape
	}{
		{"empty", `{}`, shape{}},
		{"white space", " \t\r\n{ \"Text\" :\n\"a\" , \"Count\":1 } \n", shape{Text: set("a"), Count: set[int32](1)}},
		{"all", `{"Text":"a","Count":7,"Flag":true,"When":1789000000.25,"Counts":[1,2],"Names":{"k":"v"},"Items":[{"Text":"b"}],"Child":{"Flag":false}}`, shape{
			Text: set("a"), Count: set[int32](7), Flag: set(true), When: set(when), Counts: []Opt[int32]{set[int32](1), set[int32](2)},
			Names: map[string]string{"k": "v"}, Items: []*shape{{Text: set("b")}}, Child: &shape{Flag: set(false)},
		}},
		{"any order", `{"Child":{"Flag":false},"Text":"a"}`, shape{Text: set("a"), Child: &shape{Flag: set(false)}}},
		{"a null member is absent", `{"Text":null,"Count":null,"Flag":null,"When":null,"Counts":null,"Names":null,"Items":null,"Child":null}`, shape{}},
		{"an empty string is not (R-39)", `{"Text":""}`, shape{Text: set("")}},
		{"nor is zero, or false", `{"Count":0,"Flag":false}`, shape{Count: set[int32](0), Flag: set(false)}},
		{"an empty list is not", `{"Counts":[],"Items":[]}`, shape{Counts: []Opt[int32]{}, Items: []*shape{}}},
		{"a null element stays an element", `{"Counts":[1,null],"Items":[null,{}]}`, shape{Counts: []Opt[int32]{set[int32](1), {}}, Items: []*shape{nil, {}}}},
		{"unknown members are ignored", `{"x":1,"Text":"a","y":{"Text":[{"Text":"b"}]},"z":null,"w":[1,"2",true,{}],"v":"s","u":true}`, shape{Text: set("a")}},
		{"names are exact: case", `{"text":"a","TEXT":"b","texT":1}`, shape{}},
		{"names are exact: the whole name", `{"Tex":1,"Textt":1,"Text ":1," Text":1,"":1}`, shape{}},
		{"a name may be written with escapes", `{"\u0054ext":"a","C\u006funt":1}`, shape{Text: set("a"), Count: set[int32](1)}},
		{"escapes", `{"Text":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, shape{Text: set("\"\\/\b\f\n\r\té😀")}},
		{"U+0000 is decoded; whether it may be stored is the shape's question", `{"Text":"\u0000"}`, shape{Text: set("\x00")}},
		{"UTF-8", `{"Text":"é😀"}`, shape{Text: set("é😀")}},
		{"U+FFFD, when it was sent", `{"Text":"` + "\uFFFD" + `"}`, shape{Text: set("\uFFFD")}},
		{"the last of int32", `{"Count":2147483647}`, shape{Count: set[int32](2147483647)}},
		{"the first of int32", `{"Count":-2147483648}`, shape{Count: set[int32](-2147483648)}},
		{"minus zero", `{"Count":-0}`, shape{Count: set[int32](0)}},
	} {
		got, err := read(row.body)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if diff := cmp.Diff(row.want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

// TestStrictness: what is no JSON, not an object, or of a wrong type is a
// SerializationException (contract 1.2, 1.5, R-9, R-22, R-39).
func TestStrictness(t *testing.T) {
	for _, row := range []struct{ name, body, want string }{
		{"an empty body", ``, "ends too early"},
		{"white space", " \n", "ends too early"},
		{"null", `null`, "must be a JSON object"},
		{"null after white space", ` null`, "must be a JSON object"},
		{"nearly null", `nul`, "JSON"},
		{"a list", `[]`, "expected an object, got a list"},
		{"a string", `"{}"`, "expected an object, got a string"},
		{"a number", `1`, "expected an object, got a number"},
		{"true", `true`, "expected an object, got a boolean"},
		{"false", `false`, "expected an object, got a boolean"},
		{"text", `hello`, "not valid JSON"},
		{"a form", `Action=MeterUsage`, "not valid JSON"},
		{"a byte order mark", "\ufeff{}", "not valid JSON"},

		{"trailing data: an object", `{}{}`, "data after"},
		{"trailing data: a brace", `{}}`, "JSON"},
		{"trailing data: null", `{} null`, "data after"},
		{"trailing data: a comma", `{},`, "JSON"},
		{"trailing data: a NUL", "{}\x00", "JSON"},
		{"trailing data: text", `{}x`, "JSON"},

		{"a trailing comma", `{"Text":"a",}`, "JSON"},
		{"a trailing comma in a list", `{"Counts":[1,]}`, "JSON"},
		{"a leading comma", `{,"Text":"a"}`, "JSON"},
		{"no comma", `{"Text":"a" "Count":1}`, "JSON"},
		{"no comma in a list", `{"Counts":[1 2]}`, "JSON"},
		{"two commas", `{"Text":"a",,"Count":1}`, "JSON"},
		{"no colon", `{"Text" "a"}`, "JSON"},
		{"no value", `{"Text":}`, "JSON"},
		{"no value, then another member", `{"Text":,"Count":1}`, "JSON"},
		{"a name alone", `{"Text"}`, "JSON"},
		{"a name without quotes", `{Text:"a"}`, "JSON"},
		{"single quotes", `{'Text':'a'}`, "JSON"},
		{"a number for a name", `{1:"a"}`, "JSON"},
		{"null for a name", `{null:"a"}`, "JSON"},
		{"an object for a name", `{{}:"a"}`, "JSON"},
		{"a comment", `{/**/}`, "JSON"},
		{"the wrong closing", `{"Counts":[1}`, "JSON"},
		{"the wrong closing", `{"Text":"a"]`, "JSON"},

		{"a member twice", `{"Text":"a","Text":"a"}`, "occurs twice"},
		{"a member twice, once null", `{"Text":null,"Text":"a"}`, "occurs twice"},
		{"a member twice, spelled otherwise", `{"Text":"a","\u0054ext":"a"}`, "occurs twice"},
		{"a member twice, both spelled otherwise", `{"T\u0065xt":"a","\u0054ext":"a"}`, "occurs twice"},
		{"a member twice, others between", `{"Text":"a","Count":1,"x":{},"Text":"a"}`, "occurs twice"},
		{"an unknown member twice", `{"x":1,"x":2}`, "occurs twice"},
		{"an unknown member twice, spelled otherwise", `{"x":1,"\u0078":2}`, "occurs twice"},
		{"a member of an unknown member twice", `{"x":{"y":1,"y":2}}`, "occurs twice"},
		{"a member of a list's element twice", `{"Items":[{},{"Text":"a","Text":"b"}]}`, "occurs twice"},
		{"a member of a map twice", `{"Names":{"a":"1","a":"1"}}`, "occurs twice"},

		{"bad UTF-8", "{\"Text\":\"\xff\"}", "UTF-8"},
		{"bad UTF-8: overlong", "{\"Text\":\"\xc0\x80\"}", "UTF-8"},
		{"bad UTF-8: a surrogate", "{\"Text\":\"\xed\xa0\x80\"}", "UTF-8"},
		{"bad UTF-8: cut off", "{\"Text\":\"\xc3\"}", "UTF-8"},
		{"bad UTF-8: beyond Unicode", "{\"Text\":\"\xf4\x90\x80\x80\"}", "UTF-8"},
		{"bad UTF-8 in a name", "{\"Te\xffxt\":\"a\"}", "UTF-8"},
		{"bad UTF-8 in what is ignored", "{\"x\":[\"\xff\"]}", "UTF-8"},
		{"bad UTF-8 between tokens", "{\xff}", "JSON"},
		{"a lone high surrogate", `{"Text":"\ud83d"}`, "JSON"},
		{"a lone low surrogate", `{"Text":"\ude00"}`, "JSON"},
		{"surrogates the wrong way round", `{"Text":"\ude00\ud83d"}`, "JSON"},
		{"a high surrogate, then text", `{"Text":"\ud83dabcdef"}`, "JSON"},
		{"a lone surrogate in a name", `{"\ud83d":"a"}`, "JSON"},
		{"a lone surrogate in what is ignored", `{"x":{"y":"\ud83d"}}`, "JSON"},
		{"an unknown escape", `{"Text":"\x41"}`, "JSON"},
		{"half an escape", `{"Text":"\u00"}`, "JSON"},
		{"a control character", "{\"Text\":\"a\nb\"}", "JSON"},
		{"NUL in a string", "{\"Text\":\"\x00\"}", "JSON"},

		{"a number for a string", `{"Text":1}`, "expected a string, got a number"},
		{"a boolean for a string", `{"Text":true}`, "expected a string, got a boolean"},
		{"an object for a string", `{"Text":{}}`, "expected a string, got an object"},
		{"a list for a string", `{"Text":[]}`, "expected a string, got a list"},
		{"a string for an integer", `{"Count":"1"}`, "expected an integer, got a string"},
		{"a boolean for an integer", `{"Count":true}`, "expected an integer, got a boolean"},
		{"a list for an integer", `{"Count":[1]}`, "expected an integer, got a list"},
		{"a string for a boolean", `{"Flag":"true"}`, "expected a boolean, got a string"},
		{"a number for a boolean", `{"Flag":1}`, "expected a boolean, got a number"},
		{"a string for a timestamp (R-9)", `{"When":"1789000000"}`, "expected a number of seconds, got a string"},
		{"a date for a timestamp", `{"When":"2026-09-15T10:30:00Z"}`, "expected a number of seconds, got a string"},
		{"an object for a list", `{"Items":{}}`, "expected a list, got an object"},
		{"a string for a list", `{"Counts":"1"}`, "expected a list, got a string"},
		{"a list for an object", `{"Child":[]}`, "expected an object, got a list"},
		{"an element of a wrong type", `{"Counts":[1,"2"]}`, "expected an integer, got a string"},
		{"an element of a wrong type", `{"Items":[{},1]}`, "expected an object, got a number"},

		{"a fraction for an integer (R-9)", `{"Count":1.5}`, "expected an integer, got 1.5"},
		{"a fraction of zero (R-39)", `{"Count":1.0}`, "expected an integer, got 1.0"},
		{"an exponent (R-39)", `{"Count":1e2}`, "expected an integer, got 1e2"},
		{"an exponent in upper case", `{"Count":1E2}`, "expected an integer, got 1E2"},
		{"an exponent of zero", `{"Count":1e0}`, "expected an integer, got 1e0"},
		{"more than 32 bits (vector 12)", `{"Count":2147483648}`, "not an integer of 32 bits"},
		{"less than 32 bits", `{"Count":-2147483649}`, "not an integer of 32 bits"},
		{"more than 64 bits", `{"Count":18446744073709551617}`, "not an integer of 32 bits"},
		{"a leading zero", `{"Count":01}`, "JSON"},
		{"a leading zero after a sign", `{"Count":-01}`, "JSON"},
		{"a plus", `{"Count":+1}`, "JSON"},
		{"hexadecimal", `{"Count":0x1}`, "JSON"},
		{"a sign alone", `{"Count":-}`, "JSON"},
		{"a point alone", `{"When":1.}`, "JSON"},
		{"nothing before the point", `{"When":.5}`, "JSON"},
		{"an exponent without digits", `{"When":1e}`, "JSON"},
		{"NaN", `{"When":NaN}`, "JSON"},
		{"Infinity", `{"When":-Infinity}`, "JSON"},
		{"True", `{"Flag":True}`, "JSON"},
		{"nearly true", `{"Flag":tru}`, "JSON"},
		{"nearly null", `{"Text":nul}`, "JSON"},
		{"undefined", `{"Text":undefined}`, "JSON"},
	} {
		_, err := read(row.body)
		var broken *SerializationError
		if !errors.As(err, &broken) {
			t.Errorf("%s: %s: got %v, want a SerializationError", row.name, row.body, err)
			continue
		}
		if !strings.Contains(broken.Message, row.want) {
			t.Errorf("%s: %s: got %q, want it to say %q", row.name, row.body, broken.Message, row.want)
		}
		if strings.Contains(broken.Message, "jsontext") {
			t.Errorf("%s: %s: %q is not for a caller to read", row.name, row.body, broken.Message)
		}
		if !errors.Is(err, new(SerializationError)) || errors.Is(err, new(ValidationError)) {
			t.Errorf("%s: errors.Is does not tell the kind", row.name)
		}
	}
}

// TestTruncation: a body that ends anywhere before its end is refused.
func TestTruncation(t *testing.T) {
	const body = `{"Text":"a\u00e9é","Count":-12,"Flag":true,"When":1789000000.25,"Counts":[1,null],"Names":{"k":"v"},"Items":[{"Text":"b"},null],"Child":{"Flag":false},"x":{"y":[1.5e3]}}`
	if _, err := read(body); err != nil {
		t.Fatal(err)
	}
	for n := range len(body) {
		if s, err := read(body[:n]); !errors.Is(err, new(SerializationError)) {
			t.Errorf("%s: got %v, %+v", body[:n], err, s)
		}
	}
}

// TestDepth: 16 levels, in what is known and in what is ignored.
func TestDepth(t *testing.T) {
	nested := func(open, inner, end string, levels int) string {
		return strings.Repeat(open, levels) + inner + strings.Repeat(end, levels)
	}
	for _, row := range []struct {
		name string
		body func(levels int) string
	}{
		{"known objects", func(n int) string { return nested(`{"Child":`, `{}`, `}`, n-1) }},
		{"known lists and objects", func(n int) string { return nested(`{"Items":[`, ``, `]}`, n/2) }},
		{"unknown objects", func(n int) string { return `{"x":` + nested(`{"y":`, `{}`, `}`, n-2) + `}` }},
		{"unknown lists", func(n int) string { return `{"x":` + nested(`[`, ``, `]`, n-1) + `}` }},
		{"unknown, below known", func(n int) string { return `{"Child":{"x":` + nested(`[`, `"s"`, `]`, n-2) + `}}` }},
	} {
		if _, err := read(row.body(MaxDepth)); err != nil {
			t.Errorf("%s: %d levels: %v", row.name, MaxDepth, err)
		}
		for _, levels := range []int{MaxDepth + 2, 9000, 100_000} {
			if _, err := read(row.body(levels)); !errors.Is(err, new(SerializationError)) || !strings.Contains(err.Error(), "nests deeper than 16 levels") {
				t.Errorf("%s: %d levels: got %v", row.name, levels, err)
			}
		}
	}
	for _, body := range []string{
		nested(`{"Child":`, `{}`, `}`, MaxDepth), `{"x":` + nested(`[`, ``, `]`, MaxDepth) + `}`,
		nested(`{"Child":`, `{"Counts":[]}`, `}`, MaxDepth-1), nested(`{"Child":`, `{"Names":{}}`, `}`, MaxDepth-1),
	} {
		if _, err := read(body); !errors.Is(err, new(SerializationError)) {
			t.Errorf("%s: 17 levels: got %v", body, err)
		}
	}
}

// TestErrorsSayWhere, and stay short: a client needs to see what is wrong, not a
// megabyte of what it sent.
func TestErrorsSayWhere(t *testing.T) {
	for body, want := range map[string]string{
		`{"Items":[{},{"Count":"1"}]}`: "/Items/1/Count",
		`{"Child":{"When":true}}`:      "/Child/When",
		`{"Text":"a","Count":x}`:       "at byte 20",
	} {
		if _, err := read(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it to say %q", body, err, want)
		}
	}
	long := strings.Repeat("9", 100_000)
	for _, body := range []string{
		`{"Count":` + long + `}`, `{"Count":1.` + long + `}`, `{"` + long + `":x}`, `{"Names":{"` + long + `":1}}`, `{"` + long + `":1,"` + long + `":1}`,
		`{"Names":{"` + strings.Repeat("é", 50_000) + `":1}}`,
	} {
		if _, err := read(body); err == nil || len(err.Error()) > 1024 {
			t.Errorf("%.40s…: got an error of %d bytes", body, len(err.Error()))
		} else if strings.ToValidUTF8(err.Error(), "") != err.Error() {
			t.Errorf("%.40s…: the error was cut within a character", body)
		}
	}
}

// TestAfterAnError every method yields nothing, and the first error stays.
func TestAfterAnError(t *testing.T) {
	var names int
	err := Decode([]byte(`{"a":tru,"b":1}`), func(d *Decoder) {
		for range d.Object() {
			names++
			if v := d.Bool(); v != (Opt[bool]{}) {
				t.Errorf("a broken boolean was read as %+v", v)
			}
			if d.String().Set || d.Int32().Set || d.Bool().Set || d.Timestamp().Set || d.Null() {
				t.Error("a value was read after an error")
			}
			for range d.List() {
				t.Error("an element after an error")
			}
			for range d.Object() {
				t.Error("a member after an error")
			}
			d.Skip()
		}
	})
	if names != 1 || err == nil || !strings.Contains(err.Error(), "/a") {
		t.Errorf("%d members were read; %v", names, err)
	}

	err = Decode([]byte(`{"Counts":[2147483648,null]}`), func(d *Decoder) {
		for range d.Object() {
			for range d.List() {
				if d.Int32(); d.Null() {
					t.Error("null was read after an error")
				}
			}
		}
	})
	if !errors.Is(err, new(SerializationError)) {
		t.Errorf("got %v", err)
	}

	// A shape that leaves off early does not go unnoticed.
	err = Decode([]byte(`{"a":1,"b":2}`), func(d *Decoder) {
		for range d.Object() {
			d.Skip()
			break
		}
	})
	if !errors.Is(err, new(SerializationError)) {
		t.Errorf("a body that was not read to its end: got %v", err)
	}
}

// TestPtr: an absent member is nil.
func TestPtr(t *testing.T) {
	if p := (Opt[string]{}).Ptr(); p != nil {
		t.Errorf("absent: %q", *p)
	}
	if p := set("").Ptr(); p == nil || *p != "" {
		t.Error("an empty string is absent")
	}
}
