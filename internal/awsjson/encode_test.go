package awsjson

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestAppend: members, with the comma where one belongs.
func TestAppend(t *testing.T) {
	b := []byte{'{'}
	b = AppendMember(b, "A", `x"{`)
	b = AppendInt(b, "B", -9223372036854775808)
	b = append(AppendName(b, "C"), '{')
	b = AppendTime(b, "D", time.UnixMilli(1789000000250))
	b = append(b, '}')
	b = append(AppendName(b, "E"), `{}`...)
	b = append(AppendMember(b, "F", ""), '}')
	if want := `{"A":"x\"{","B":-9223372036854775808,"C":{"D":1789000000.250},"E":{},"F":""}`; string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}

// TestAppendString: what was written is read again, and only what is no UTF-8 is
// written otherwise.
func TestAppendString(t *testing.T) {
	for s, want := range map[string]string{
		"":             `""`,
		"a\"\\/\n\x00": `"a\"\\/\n\u0000"`,
		"é😀":           `"é😀"`,
		"a\xffb":       "\"a\uFFFDb\"",
	} {
		if got := string(AppendString(nil, s)); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\x00-\x7f]{0,20}`), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		b := AppendString([]byte(`{"Text":`), s)
		got, err := read(string(b) + "}")
		if err != nil {
			t.Fatalf("%q was written as %s: %v", s, b, err)
		}
		if want := string([]rune(s)); got.Text != set(want) { // runes: every bad byte becomes U+FFFD
			t.Fatalf("%q was read as %q", s, got.Text.Value)
		}
	})
}

// TestAppendTime: seconds, with milliseconds where there are any (contract 1.2).
func TestAppendTime(t *testing.T) {
	for _, row := range []struct {
		at   time.Time
		want string
	}{
		{time.Unix(1789000000, 0), "1789000000"},
		{time.Unix(1789000000, 1e6), "1789000000.001"},
		{time.Unix(1789000000, 999999999), "1789000000.999"},
		{time.Unix(1789000000, 999999), "1789000000"},
		{time.Unix(0, 0), "0"},
		{time.Unix(-1, 5e8), "-0.500"},
		{time.Unix(-2, 0), "-2"},
		{time.Unix(253402300799, 0), "253402300799"},
	} {
		if got := string(AppendTime([]byte{'{'}, "T", row.at)); got != `{"T":`+row.want {
			t.Errorf("%v: got %s, want %s", row.at, got, row.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(-4e12, 250e12).Draw(t, "ms"))
		literal := strings.TrimPrefix(string(AppendTime([]byte{'{'}, "T", at)), `{"T":`)
		if got := ParseTimestamp(literal); !got.Time.Equal(at) {
			t.Fatalf("%v was written as %s and read as %v", at, literal, got.Time)
		}
	})
}

// TestFault: the error envelope (contract 1.4): __type and a lower-case message,
// whatever is in the text.
func TestFault(t *testing.T) {
	for message, want := range map[string]string{
		"too many":    `{"__type":"InvalidTagException","message":"too many"}`,
		"":            `{"__type":"InvalidTagException","message":""}`,
		"a\"b\n\xff<": "{\"__type\":\"InvalidTagException\",\"message\":\"a\\\"b\\n\uFFFD<\"}",
	} {
		got := Fault{Name: "InvalidTagException", Status: 400, Message: message}.Body()
		if string(got) != want || !jsontext.Value(got).IsValid() {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestWrite: an answer's headers (contract 1.3).
func TestWrite(t *testing.T) {
	w := httptest.NewRecorder()
	Write(w, 409, ContentType, "0199-request", []byte(`{"a":1}`))
	want := http.Header{
		"x-amzn-RequestId": {"0199-request"}, // as AWS spells it
		"Content-Type":     {"application/x-amz-json-1.1"},
		"Content-Length":   {"7"},
	}
	if diff := cmp.Diff(want, w.Header()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if w.Code != 409 || w.Body.String() != `{"a":1}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// Decoding is ranging over members; what is not known is skipped.
func ExampleDecode() {
	var dimension Opt[string]
	var quantity Opt[int32]
	shape := func(d *Decoder) {
		for name := range d.Object() {
			switch string(name) {
			case "Dimension":
				dimension = d.String()
			case "Quantity":
				quantity = d.Int32()
			default:
				d.Skip()
			}
		}
	}
	fmt.Println(Decode([]byte(`{"Dimension":"scans","quantity":3,"Quantity":7}`), shape), dimension.Value, quantity.Value)
	fmt.Println(Decode([]byte(`{"Dimension":"scans","Quantity":7.0}`), shape))
	fmt.Println(Decode([]byte(`{"Dimension":"scans","Dimension":"users"}`), shape))

	// Output:
	// <nil> scans 7
	// expected an integer, got 7.0, at /Quantity
	// a member occurs twice in one object, at /Dimension
}
