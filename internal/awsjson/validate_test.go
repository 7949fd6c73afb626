package awsjson

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var top *Path

// TestViolations: the words of contract 1.6, letter for letter.
func TestViolations(t *testing.T) {
	record := top.Element("usageRecords", 2)
	allocation := record.Element("usageAllocations", 0)
	for _, row := range []struct {
		name  string
		check func(*Violations)
		want  string // after the count
	}{
		{"null", func(v *Violations) { v.Null(top.Member("timestamp")) }, "Value null at 'timestamp' failed to satisfy constraint: Member must not be null"},
		{"a path of lists", func(v *Violations) { v.Null(allocation.Element("tags", 1).up.Element("tags", 1)) }, "Value null at 'usageRecords.3.member.usageAllocations.1.member.tags.2.member' failed to satisfy constraint: Member must not be null"},
		{
			"a member of a list's element", func(v *Violations) {
				tag := allocation.Element("tags", 1)
				v.Length(tag.Member("key"), "", 1, 0)
			},
			"Value '' at 'usageRecords.3.member.usageAllocations.1.member.tags.2.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		{
			"a member of a member", func(v *Violations) {
				filter := top.Member("filter")
				v.Null(filter.Member("dimension"))
			},
			"Value null at 'filter.dimension' failed to satisfy constraint: Member must not be null",
		},
		{"too short", func(v *Violations) { v.Length(top.Member("dimension"), "", 1, 255) }, "Value '' at 'dimension' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"too long", func(v *Violations) { v.Length(top.Member("nonce"), "abc", 0, 2) }, "Value 'abc' at 'nonce' failed to satisfy constraint: Member must have length less than or equal to 2"},
		{"too few", func(v *Violations) { v.Size(top.Member("usageAllocations"), 0, 1, 0) }, "Value '[0 members]' at 'usageAllocations' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"too many (vector 11)", func(v *Violations) { v.Size(top.Member("usageRecords"), 26, 0, 25) }, "Value '[26 members]' at 'usageRecords' failed to satisfy constraint: Member must have length less than or equal to 25"},
		{"too little (vector 12)", func(v *Violations) { v.AtLeast(record.Member("quantity"), -1, 0) }, "Value '-1' at 'usageRecords.3.member.quantity' failed to satisfy constraint: Member must have value greater than or equal to 0"},
		{"too much", func(v *Violations) { v.AtMost(top.Member("maxResults"), 26, 25) }, "Value '26' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 25"},
		{"a pattern", func(v *Violations) { v.Pattern(top.Member("productCode"), "a b", "^[a-z]*$") }, "Value 'a b' at 'productCode' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z]*$"},
		{"a rule of our own", func(v *Violations) { v.Value(record, "A and B", "Member must name one of them, not both") }, "Value 'A and B' at 'usageRecords.3.member' failed to satisfy constraint: Member must name one of them, not both"},
		{"U+0000 alone (R-39)", func(v *Violations) { v.NoNUL(top.Member("dimension"), "\x00") }, `Value '\u0000' at 'dimension' failed to satisfy constraint: Member must not contain U+0000`},
		{"U+0000 (R-39)", func(v *Violations) { v.NoNUL(top.Member("dimension"), "a\x00b") }, `Value 'a\u0000b' at 'dimension' failed to satisfy constraint: Member must not contain U+0000`},
	} {
		var v Violations
		row.check(&v)
		err := v.Err()
		if err == nil || err.Error() != "1 validation error detected: "+row.want {
			t.Errorf("%s:\ngot  %v\nwant 1 validation error detected: %s", row.name, err, row.want)
		}
		if !errors.Is(err, new(ValidationError)) || errors.Is(err, new(SerializationError)) {
			t.Errorf("%s: errors.Is does not tell the kind", row.name)
		}
	}
}

// TestNoViolations: at its bounds a value is sound.
func TestNoViolations(t *testing.T) {
	var v Violations
	at := top.Member("m")
	v.Length(at, "", 0, 255)
	v.Length(at, "a", 1, 255)
	v.Length(at, strings.Repeat("a", 255), 1, 255)
	v.Length(at, strings.Repeat("é", 255), 1, 255) // code points, not bytes
	v.Length(at, "éé", 2, 2)
	v.Length(at, strings.Repeat("a", 10_000), 1, 0)
	v.Size(at, 0, 0, 25)
	v.Size(at, 25, 1, 25)
	v.Size(at, 100_000, 1, 0)
	v.AtLeast(at, 0, 0)
	v.AtMost(at, 25, 25)
	v.NoNUL(at, "a\x01")
	v.NoNUL(at, "")
	if err := v.Err(); err != nil {
		t.Error(err)
	}
	if err := new(Violations).Err(); err != nil {
		t.Errorf("nothing was reported: %v", err)
	}
}

// TestLengths compares with counting (contract 1.2: lengths are code points).
func TestLengths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.SampledFrom([]rune("aé😀\x00")), 0, 6, -1).Draw(t, "text")
		least, most := rapid.IntRange(0, 4).Draw(t, "least"), rapid.IntRange(0, 5).Draw(t, "most")
		n := utf8.RuneCountInString(s)
		var v Violations
		v.Length(top.Member("m"), s, least, most)
		if want := n >= least && (most == 0 || n <= most); (v.Err() == nil) != want {
			t.Fatalf("%q, %d characters, of %d to %d: %v", s, n, least, most, v.Err())
		}
	})
}

// TestManyViolations: the plural, and that neither the text nor what is kept
// grows with a request that is wrong a hundred thousand times.
func TestManyViolations(t *testing.T) {
	var v Violations
	v.Null(top.Member("timestamp"))
	v.AtLeast(top.Member("quantity"), -1, 0)
	const want = "2 validation errors detected: Value null at 'timestamp' failed to satisfy constraint: Member must not be null; " +
		"Value '-1' at 'quantity' failed to satisfy constraint: Member must have value greater than or equal to 0"
	if err := v.Err(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}

	for i := range 99_998 {
		v.Value(top.Element("list", i), strings.Repeat("é", 1000), "Member must be short")
	}
	text := v.Err().Error()
	if !strings.HasPrefix(text, "100000 validation errors detected: ") || strings.Count(text, "; ") != maxItems-1 {
		t.Errorf("%.60q names %d of them", text, strings.Count(text, "; ")+1)
	}
	if len(text) > 8192 || !utf8.ValidString(text) || !strings.Contains(text, strings.Repeat("é", maxShown/2)+"…'") {
		t.Errorf("a text of %d bytes", len(text))
	}
	if len(v.items) > maxItems {
		t.Errorf("%d texts are kept", len(v.items))
	}
}

// TestShorten never cuts within a character, and leaves alone what is short.
func TestShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.SampledFrom([]rune("aé😀")), 0, -1, 2*maxShown).Draw(t, "text")
		got := shorten(s)
		kept, cut := strings.CutSuffix(got, "…")
		switch {
		case len(s) <= maxShown && got != s:
			t.Fatalf("%d bytes became %d", len(s), len(got))
		case len(s) > maxShown && (!cut || !strings.HasPrefix(s, kept) || !utf8.ValidString(got) || len(kept) <= maxShown-utf8.UTFMax || len(kept) > maxShown):
			t.Fatalf("%d bytes became %q", len(s), got)
		}
	})
	for n, want := range map[int]int{256: 256, 257: 256 + len("…"), 100_000: 256 + len("…")} {
		if got := shorten(strings.Repeat("a", n)); len(got) != want {
			t.Errorf("%d bytes became %d, want %d", n, len(got), want)
		}
	}
	if got := shorten(strings.Repeat("\x80", 1000)); got != "…" {
		t.Errorf("bytes that begin no character: %q", got)
	}
}
