package awsjson

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// slowly decodes with jsontext from the first byte on.
func slowly(body []byte, shape func(*Decoder)) error {
	d := &Decoder{body: body, text: string(body)}
	d.handOver()
	return d.decode(shape)
}

// compare decodes a body both ways: they accept the same, read the same, and refuse
// in the same words.
func compare(t *testing.T, body []byte) {
	t.Helper()
	quick, slow := new(shape), new(shape)
	err, want := Decode(body, quick.decode), slowly(body, slow.decode)
	if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
		t.Errorf("%q: got %v, want %v", body, err, want)
	}
	if !reflect.DeepEqual(slow, quick) {
		t.Errorf("%q (-want +got):\n%s", body, cmp.Diff(slow, quick))
	}
}

// TestQuick: whatever stands in whatever place is read, or refused, as jsontext
// does.
func TestQuick(t *testing.T) {
	values := strings.Split(`1|0|-0|01|-|-1|1.5|1.|.5|1e2|1.5E-3|-1.25|2147483648|1789000000.25|+1|0x1|1x|"a"|""|"é"|"\u0041"|"\n"|"`+"\t"+`"|"a|true|false|tru|truex|True|null|nul|nullx|null"a"|{}|[]|{|[|}|]|,|:||x|[1]|[1,]|[,1]|[1 2]|[null]|["a"]|{"Text":"b"}|{"Text":"b","Text":"c"}|{"Text":"b",}|{,}|{"Text"}|{"Text":}|{"Text" "b"}|[{}]|[{"Count":1},{"Count":2}]|[[]]`, "|")
	for _, name := range []string{"Text", "Count", "Flag", "When", "Counts", "Names", "Items", "Child", "x", "", `\u0054ext`, "é"} {
		for _, value := range values {
			for _, body := range []string{
				`{"` + name + `":` + value + `}`,
				"{ \"" + name + "\"\t:\r\n" + value + " , \"Count\" : 1 } ",
				`{"Text":"b","` + name + `":` + value + `,"Count":2}`,
				`{"Items":[{"Text":"b"},{"` + name + `":` + value + `},null]}`,
			} {
				for n := range len(body) + 1 {
					compare(t, []byte(body[:n]))
				}
				compare(t, []byte(body+"x"))
			}
		}
	}
	var many strings.Builder
	for i := range 2 * len(new(Decoder).names) {
		many.WriteString(`,"` + strings.Repeat("x", i) + `":1`)
	}
	for _, body := range []string{
		`{"Text":"a"` + many.String() + `}`, `{"Text":"a"` + many.String() + `,"Text":"b"}`, `{"Text":"a"` + many.String() + `,"xxx":2}`,
	} {
		compare(t, []byte(body))
	}
}

// TestQuickDoesNotAsk: what clients send is read without jsontext.
func TestQuickDoesNotAsk(t *testing.T) {
	const body = ` {"Text":"a","Count":-12, "Flag" : true,"When":1789000000.25,"Counts":[1,null],"Names":{"k":"v"},"Items":[{"Text":"b"},null,{}],"Child":{"Flag":false},"x":1.5,"y":"s","z":null,"v":true} ` + "\n"
	d := &Decoder{body: []byte(body), text: body}
	if err := d.decode(new(shape).decode); err != nil || d.json != nil {
		t.Errorf("%v, with jsontext: %v", err, d.json != nil)
	}
}

// TestStringsOutliveTheBody: what was decoded stays when the body's memory is used
// again.
func TestStringsOutliveTheBody(t *testing.T) {
	for _, text := range []string{`abc`, `a\u0062c`} {
		body := []byte(`{"Text":"` + text + `","When":1789000000.25,"Names":{"k":"v"}}`)
		s := new(shape)
		if err := Decode(body, s.decode); err != nil {
			t.Fatal(err)
		}
		clear(body)
		if want := (&shape{Text: set("abc"), When: set(ParseTimestamp("1789000000.25")), Names: map[string]string{"k": "v"}}); !cmp.Equal(want, s) {
			t.Errorf("%s: %s", text, cmp.Diff(want, s))
		}
	}
}

// FuzzQuick compares the two ways to read.
func FuzzQuick(f *testing.F) {
	f.Add([]byte(`{"Text":"a","Count":7,"Flag":true,"When":1789000000.25,"Counts":[1,null],"Names":{"k":"v"},"Items":[{"Text":"b"},null],"Child":{"x":[{}]}}`))
	f.Add([]byte(`{ "Text" : "a\u0041" , "Items":[ {"When":1e9,"x":"é"} ] , "Count":-01}`))
	f.Fuzz(func(t *testing.T, body []byte) { compare(t, body) })
}
