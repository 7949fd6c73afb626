package metering

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// tags makes tags of "key=value" pairs.
func tags(pairs ...string) []Tag {
	var all []Tag
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		all = append(all, Tag{key, value})
	}
	return all
}

// TestTags: what an InvalidTag is (contract 7, R-12, R-39).
func TestTags(t *testing.T) {
	tagged := func(sets ...[]Tag) []Allocation {
		all := make([]Allocation, len(sets))
		for i, set := range sets {
			all[i].Tags = set
		}
		return all
	}
	key, value := strings.Repeat("k", 100), strings.Repeat("v", 256)
	five := []string{"a=1", "b=1", "c=1", "d=1", "e=1"}
	for _, row := range []struct {
		name        string
		allocations []Allocation
		ok          bool
	}{
		{"no allocations", nil, true},
		{"no tags", tagged(nil), true},
		{"an empty list of tags is the decoder's to refuse", tagged([]Tag{}), true},
		{"5 tags", tagged(tags(five...)), true},
		{"6 tags (vector 21)", tagged(tags(append(five, "f=1")...)), false},
		{"6 tags in a later allocation", tagged(tags("a=1"), nil, tags(append(five, "f=1")...)), false},
		{"5 keys in all", tagged(tags("a=1", "b=1", "c=1"), tags("c=2", "d=1", "e=1"), tags("a=2", "e=2")), true},
		{"6 keys in all", tagged(tags("a=1", "b=1", "c=1"), tags("c=2", "d=1", "e=1"), tags("f=1")), false},
		{"6 keys in all, in two allocations of 3", tagged(tags("a=1", "b=1", "c=1"), tags("d=1", "e=1", "f=1")), false},
		{"keys are case-sensitive: 6 of them", tagged(tags("a=1", "b=1", "c=1"), tags("A=1", "B=1", "C=1")), false},
		{"many values of 5 keys", tagged(tags("a=1"), tags("a=2"), tags("a=3"), tags("a=4"), tags("a=5"), tags("a=6"), tags("a=7")), true},
		{"one key twice in an allocation", tagged(tags("a=1", "a=2")), false},
		{"one key twice, with one value", tagged(tags("a=1", "a=1")), false},
		{"one key twice, not side by side", tagged(tags("a=1", "b=1", "c=1", "a=2")), false},
		{"one key in two cases", tagged(tags("a=1", "A=1")), true},
		{"one key in two allocations", tagged(tags("a=1"), tags("a=1")), true},
		{"the longest key", tagged([]Tag{{key, "v"}}), true},
		{"a key too long", tagged([]Tag{{key + "k", "v"}}), false},
		{"the longest value", tagged([]Tag{{"k", value}}), true},
		{"a value too long", tagged([]Tag{{"k", value + "v"}}), false},
		{"an empty key", tagged([]Tag{{"", "v"}}), false},
		{"an empty value", tagged([]Tag{{"k", ""}}), false},
		{"the pattern holds for keys", tagged([]Tag{{"k?", "v"}}), false},
		{"the pattern holds for values", tagged([]Tag{{"k", "v?"}}), false},
		{"the pattern holds for the whole text", tagged([]Tag{{"k", "v\n"}}), false},
		{"the pattern holds for the last tag of the last allocation", tagged(nil, tags("a=1"), tags("b=1", "c=~")), false},
		{"spaces", tagged([]Tag{{" cost center ", " 4 711 "}}), true},
		{"not ASCII", tagged([]Tag{{"Größe", "1"}}), false},
	} {
		err := CheckTags(row.allocations)
		if row.ok && err != nil || !row.ok && !errors.Is(err, ErrInvalidTag) {
			t.Errorf("%s: got %v", row.name, err)
		}
	}
}

// TestManyTags: they are counted before each is compared with all before it,
// which for a megabyte of them would take minutes.
func TestManyTags(t *testing.T) {
	many := make([]Tag, 100_000)
	err := CheckTags([]Allocation{{Tags: many}})
	if want := "100000 tags in one allocation, at most 5 are allowed"; !errors.Is(err, ErrInvalidTag) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestTagLengths: lengths are counted in code points (contract 1.2). The
// alphabet is ASCII, so that only the reason for the refusal can tell.
func TestTagLengths(t *testing.T) {
	for n, reason := range map[int]string{100: "does not match", 101: "is longer than"} {
		err := CheckTags([]Allocation{{Tags: []Tag{{strings.Repeat("é", n), "v"}}}})
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("a key of %d two-byte characters: got %v, want it to say %q", n, err, reason)
		}
	}
	for n, reason := range map[int]string{256: "does not match", 257: "is longer than"} {
		err := CheckTags([]Allocation{{Tags: []Tag{{"k", strings.Repeat("é", n)}}}})
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("a value of %d two-byte characters: got %v, want it to say %q", n, err, reason)
		}
	}
}

// TestTagAlphabet compares every character up to U+1FFF, and every byte, with the
// model's pattern, whose " -=" is a range.
func TestTagAlphabet(t *testing.T) {
	pattern := regexp.MustCompile(TagPattern)
	refused := ""
	for c := range 0x3000 {
		text := string(rune(c))
		if c >= 0x2000 {
			text = string([]byte{byte(c)}) // half of these are no UTF-8
		}
		for _, s := range []string{text, "a" + text, text + "a", "a" + text + "a"} {
			ok := CheckTags([]Allocation{{Tags: []Tag{{Key: s, Value: "v"}}}}) == nil
			if ok != pattern.MatchString(s) {
				t.Errorf("key %q: accepted: %v, the pattern says otherwise", s, ok)
			}
			if CheckTags([]Allocation{{Tags: []Tag{{Key: "k", Value: s}}}}) == nil != ok {
				t.Errorf("%q is judged otherwise as a value", s)
			}
			if s == text && c > ' ' && c < 0x7f && !ok {
				refused += s
			}
		}
	}
	// The contract's own words: not ?, [, {, ~, \ .
	if want := ">?[\\]^`{|}~"; refused != want {
		t.Errorf("of visible ASCII %q is refused, want %q", refused, want)
	}
	if !utf8.ValidString(TagPattern) || !strings.Contains(TagPattern, "+ -=.") {
		t.Errorf("the pattern is quoted as %q", TagPattern)
	}
}

// TestAllocations: what InvalidUsageAllocations is (contract 7, R-12).
func TestAllocations(t *testing.T) {
	many := func(n int) []Allocation {
		all := make([]Allocation, n)
		for i := range all {
			all[i] = Allocation{1, tags(fmt.Sprintf("a=%d", i))}
		}
		return all
	}
	const most = math.MaxInt32
	for _, row := range []struct {
		name        string
		quantity    int32
		allocations []Allocation
		ok          bool
	}{
		{"none", 10, nil, true},
		{"an empty list is the decoder's to refuse", 10, []Allocation{}, true},
		{"one, untagged", 10, []Allocation{{10, nil}}, true},
		{"the sum", 10, []Allocation{{6, tags("a=1")}, {4, tags("a=2")}}, true},
		{"6 + 3 is not 10 (vector 19)", 10, []Allocation{{6, tags("a=1")}, {3, tags("a=2")}}, false},
		{"6 + 5 is not 10", 10, []Allocation{{6, tags("a=1")}, {5, tags("a=2")}}, false},
		{"nothing of something", 10, []Allocation{{0, nil}}, false},
		{"something of nothing", 0, []Allocation{{1, nil}}, false},
		{"nothing of nothing", 0, []Allocation{{0, tags("a=1")}, {0, nil}}, true},
		{"one set twice (vector 20)", 10, []Allocation{{5, tags("a=1")}, {5, tags("a=1")}}, false},
		{"one set twice, other quantities", 10, []Allocation{{6, tags("a=1")}, {4, tags("a=1")}}, false},
		{"one set twice, in another order", 10, []Allocation{{5, tags("a=1", "b=2")}, {5, tags("b=2", "a=1")}}, false},
		{"one set twice, others between", 9, []Allocation{{3, tags("b=1")}, {2, tags("a=1")}, {2, tags("c=1")}, {2, tags("b=1")}}, false},
		{"no tags twice", 10, []Allocation{{5, nil}, {5, nil}}, false},
		{"no tags twice, once as an empty list", 10, []Allocation{{5, nil}, {5, []Tag{}}}, false},
		{"no tags once", 10, []Allocation{{5, nil}, {5, tags("a=1")}}, true},
		{"a subset", 10, []Allocation{{5, tags("a=1")}, {5, tags("a=1", "b=1")}}, true},
		{"other values", 10, []Allocation{{5, tags("a=1", "b=1")}, {5, tags("a=1", "b=2")}}, true},
		{"other cases", 10, []Allocation{{5, tags("a=x")}, {5, tags("a=X")}}, true},
		{"the same letters, cut elsewhere", 10, []Allocation{{5, []Tag{{"ab", "c"}}}, {5, []Tag{{"a", "bc"}}}}, true},
		{"a key for a value", 10, []Allocation{{5, []Tag{{"a", "b"}}}, {5, []Tag{{"b", "a"}}}}, true},
		{"2500", 2500, many(2500), true},
		{"2501", 2501, many(2501), false},
		{"2500 with one set twice", 2500, append(many(2499), Allocation{1, tags("a=1249")}), false},
		{"a sum of exactly 31 bits", most, []Allocation{{most - 1, tags("a=1")}, {1, tags("a=2")}}, true},
		{"a sum that wraps 32 bits round to the quantity", 10, []Allocation{{most, tags("a=1")}, {most, tags("a=2")}, {12, tags("a=3")}}, false},
		{"a sum of 32 bits", -2, []Allocation{{most, tags("a=1")}, {most, tags("a=2")}}, false},
	} {
		err := CheckAllocations(row.allocations, row.quantity)
		if row.ok && err != nil || !row.ok && !errors.Is(err, ErrInvalidUsageAllocations) {
			t.Errorf("%s: got %v", row.name, err)
		}
	}
}

// TestCanonical: tags by key, allocations by tags; what had no tags has nil.
func TestCanonical(t *testing.T) {
	got := Canonical([]Allocation{
		{1, tags("b=2", "a=1")},
		{2, []Tag{}},
		{3, tags("a=2")},
		{4, tags("a=1", "b=1")},
		{5, tags("a=1")},
		{6, tags("A=9")},
	})
	want := []Allocation{
		{2, nil},
		{6, tags("A=9")},
		{5, tags("a=1")},
		{4, tags("a=1", "b=1")},
		{1, tags("a=1", "b=2")},
		{3, tags("a=2")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("canonical order (-want +got):\n%s", diff)
	}
	for _, none := range [][]Allocation{nil, {}} {
		if got := Canonical(none); got != nil {
			t.Errorf("of no allocations: %#v", got)
		}
	}
}
