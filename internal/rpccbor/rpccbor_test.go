package rpccbor

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// shape is one of each thing that the shapes of GetEntitlements are made of.
type shape struct {
	ProductCode *string
	MaxResults  *int32
	Filter      map[string][]string
	Value       *float64   `cbor:",omitempty"`
	When        *time.Time `cbor:",omitempty"`
	Child       *shape     `cbor:",omitempty"`
}

// encoded joins hexadecimal bytes and "texts", each with its head, into a body.
func encoded(t *testing.T, parts string) []byte {
	t.Helper()
	var b []byte
	for _, part := range strings.Fields(parts) {
		if text, ok := strings.CutPrefix(part, `"`); ok {
			text = strings.TrimSuffix(text, `"`)
			if len(text) > 23 {
				t.Fatalf("%q is too long for a head of one byte", text)
			}
			b = append(append(b, 0x60+byte(len(text))), text...)
			continue
		}
		raw, err := hex.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, raw...)
	}
	return b
}

func ptr[T any](v T) *T { return &v }

// TestUnmarshal: exact names, unknown members ignored, null is absent.
func TestUnmarshal(t *testing.T) {
	for _, row := range []struct {
		name, body string
		want       shape
	}{
		{"empty", `a0`, shape{}},
		{"empty, of indefinite length, as some SDKs write", `bf ff`, shape{}},
		{"members", `a2 "ProductCode" "p" "MaxResults" 19 0100`, shape{ProductCode: ptr("p"), MaxResults: ptr[int32](256)}},
		{"of indefinite length", `bf "Filter" bf "K" 9f "v" 7f "w" "x" ff ff ff ff`, shape{Filter: map[string][]string{"K": {"v", "wx"}}}},
		{"other cases are other names", `a3 "productcode" 01 "PRODUCTCODE" 02 "ProductCodE" 03`, shape{}},
		{"unknown members", `a3 "x" a1 "y" 80 "MaxResults" 01 "z" f6`, shape{MaxResults: ptr[int32](1)}},
		{"null members", `a3 "ProductCode" f6 "MaxResults" f6 "Filter" f6`, shape{}},
		{"undefined members", `a1 "ProductCode" f7`, shape{}},
		{"an empty text is there", `a1 "ProductCode" 60`, shape{ProductCode: ptr("")}},
		{"the bounds of int32", `a2 "MaxResults" 1a 7fffffff "Child" a1 "MaxResults" 3a 7fffffff`, shape{MaxResults: ptr[int32](2147483647), Child: &shape{MaxResults: ptr[int32](-2147483648)}}},
		{"a timestamp", `a1 "When" c1 1a 6aa1f940`, shape{When: ptr(time.Unix(0x6aa1f940, 0))}},
		{"a timestamp with a fraction", `a1 "When" c1 fb 41da a87e 5010 0000`, shape{When: ptr(time.Unix(0x6aa1f940, 250_000_000))}},
		{"UTF-8", `a1 "ProductCode" 62 c3a9`, shape{ProductCode: ptr("é")}},
	} {
		var got shape
		if err := Unmarshal(encoded(t, row.body), &got); err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

// TestStrictness: as strict as the JSON form of the same shapes.
func TestStrictness(t *testing.T) {
	lists := func(n int) string { return strings.Repeat("81", n) + "80" }
	for _, row := range []struct{ name, body string }{
		{"an empty body", ``},
		{"null", `f6`},
		{"undefined", `f7`},
		{"a list", `80`},
		{"a text", `"a"`},
		{"a number", `01`},
		{"a tagged map", `d9 d9f7 a0`},
		{"a break", `ff`},
		{"JSON", `7b 7d`},
		{"trailing data", `a0 a0`},
		{"a trailing byte", `a0 00`},
		{"truncated", `a1 "ProductCode"`},
		{"truncated in a text", `a1 "ProductCode" 65 41`},
		{"truncated, of indefinite length", `bf "ProductCode" "p"`},
		{"a length beyond the body", `bb ffffffffffffffff`},
		{"a list's length beyond the body", `a1 "x" 9b 7fffffffffffffff`},

		{"a member twice", `a2 "ProductCode" "a" "ProductCode" "a"`},
		{"a member twice, once null", `a2 "ProductCode" f6 "ProductCode" "a"`},
		{"a member twice, of indefinite length", `bf "ProductCode" "a" "ProductCode" "a" ff`},
		{"an unknown member twice", `a2 "x" 01 "x" 02`},
		{"a key of a map twice", `a1 "Filter" a2 "K" 80 "K" 80`},
		{"a member of a member twice", `a1 "Child" a2 "MaxResults" 01 "MaxResults" 01`},

		{"bad UTF-8", `a1 "ProductCode" 61 ff`},
		{"bad UTF-8: a surrogate", `a1 "ProductCode" 63 eda080`},
		{"bad UTF-8 in a name", `a1 61 ff 01`},
		{"bad UTF-8 in a key", `a1 "Filter" a1 61 ff 80`},
		{"bad UTF-8 in a list", `a1 "Filter" a1 "K" 81 61 ff`},

		{"bytes for a text", `a1 "ProductCode" 41 61`},
		{"a number for a text", `a1 "ProductCode" 01`},
		{"a text for a number", `a1 "MaxResults" "1"`},
		{"a fraction for an integer", `a1 "MaxResults" fb 3ff8000000000000`},
		{"a whole float for an integer (R-39)", `a1 "MaxResults" fb 3ff0000000000000`},
		{"more than 32 bits", `a1 "MaxResults" 1a 80000000`},
		{"less than 32 bits", `a1 "MaxResults" 3a 80000000`},
		{"a list for a map", `a1 "Filter" 80`},
		{"a map for a list", `a1 "Filter" a1 "K" a0`},

		{"17 levels", `a1 "x" ` + lists(15)},
		{"17 levels of members", strings.Repeat(`a1 "Child" `, 16) + `a0`},
		{"ten thousand levels", `a1 "x" ` + lists(10_000)},
	} {
		if err := Unmarshal(encoded(t, row.body), new(shape)); err == nil {
			t.Errorf("%s was accepted", row.name)
		} else if !strings.HasPrefix(err.Error(), "the body is not the CBOR that was expected") || len(err.Error()) > 400 {
			t.Errorf("%s: the error says %.500q", row.name, err)
		}
	}
	for _, body := range []string{`a1 "x" ` + lists(14), strings.Repeat(`a1 "Child" `, 15) + `a0`} {
		if err := Unmarshal(encoded(t, body), new(shape)); err != nil {
			t.Errorf("16 levels: %v", err)
		}
	}
	long := strings.Repeat("a", 100_000)
	body, err := Marshal(map[string]any{"Child": map[string]any{long: 1, "Filter": map[string]any{long: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Unmarshal(body, new(shape)); err == nil || len(err.Error()) > 1024 {
		t.Errorf("a long key: an error of %d bytes", len(err.Error()))
	}
}

// TestIgnored: in members that a shape does not know, well-formed is enough. The
// JSON form is stricter there.
func TestIgnored(t *testing.T) {
	for name, body := range map[string]string{
		"a member twice": `a1 "x" a2 "y" 01 "y" 02`,
		"bad UTF-8":      `a1 "x" a1 61 ff 61 ff`,
		"any tag":        `a1 "x" d9 d9f7 00`,
	} {
		var got shape
		if err := Unmarshal(encoded(t, body), &got); err != nil || !cmp.Equal(got, shape{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, body := range map[string]string{"truncated": `a1 "x" 82 01`, "a reserved head": `a1 "x" 1c`, "a break": `a1 "x" ff`} {
		if err := Unmarshal(encoded(t, body), new(shape)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestTimes: timestamps carry tag 1, whole seconds as an integer (Smithy's RPC v2
// CBOR).
func TestTimes(t *testing.T) {
	for _, row := range []struct {
		at   time.Time
		want string
	}{
		{time.Unix(1789000000, 0), `c1 1a 6aa1f940`},
		{time.Unix(1789000000, 250_000_000).UTC(), `c1 fb 41daa87e50100000`},
		{time.Unix(1789000000, 0).In(time.FixedZone("", 7200)), `c1 1a 6aa1f940`},
		{time.Unix(-1, 0), `c1 20`},
	} {
		got, err := Marshal(row.at)
		if want := encoded(t, row.want); err != nil || string(got) != string(want) {
			t.Errorf("%v: got %x, %v, want %x", row.at, got, err, want)
		}
	}
}

// TestRoundTrip: what is written is read.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := shape{
			ProductCode: rapid.Ptr(rapid.String(), true).Draw(t, "text"),
			MaxResults:  rapid.Ptr(rapid.Int32(), true).Draw(t, "number"),
			Filter:      rapid.MapOfN(rapid.String(), rapid.SliceOfN(rapid.String(), 0, 3), 0, 3).Draw(t, "map"),
			Value:       rapid.Ptr(rapid.Float64(), true).Draw(t, "float"),
		}
		if rapid.Bool().Draw(t, "with a time") {
			want.When = ptr(time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "seconds"), 0))
		}
		body, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got shape
		if err := Unmarshal(body, &got); err != nil {
			t.Fatalf("%x: %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
