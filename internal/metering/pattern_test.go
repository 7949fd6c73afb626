package metering

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// matchers are the functions of this package that stand for a pattern of the
// service's model.
var matchers = []struct {
	name    string
	pattern string
	model   string // contract 3, letter for letter
	match   func(string) bool
	sound   string // what to draw from
}{
	{
		"ProductCode", ProductCodePattern, `^[-a-zA-Z0-9/=:_.@]*$`,
		IsProductCode, `[-a-zA-Z0-9/=:_.@]{0,12}`,
	},
	{
		"CustomerAWSAccountId", AccountPattern, `^[0-9]+$`,
		IsAccountDigits, `[0-9]{1,14}`,
	},
	{
		"LicenseArn", LicenseARNPattern,
		`^arn:aws[a-zA-Z-]*:[A-Za-z0-9][A-Za-z0-9_/.-]{0,62}:[A-Za-z0-9_/.-]{0,63}:[A-Za-z0-9_/.-]{0,63}:[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,1023}$`,
		IsLicenseARN, `arn:aws[a-zA-Z-]{0,6}:[A-Za-z0-9][A-Za-z0-9_/.-]{0,5}:[A-Za-z0-9_/.-]{0,5}:[A-Za-z0-9_/.-]{0,5}:[A-Za-z0-9][A-Za-z0-9:_/+=,@.-]{0,8}`,
	},
	{
		"TagKey and TagValue", TagPattern, `^[a-zA-Z0-9+ -=._:\/@]+$`,
		func(s string) bool { return CheckTags([]Allocation{{Tags: []Tag{{Key: "k", Value: s}}}}) == nil },
		`[a-zA-Z0-9+ -=._:/@]{1,12}`,
	},
}

// compiled is a pattern of the model as Go compiles it: Go repeats nothing more
// often than a thousand times, so that bound is taken in two.
func compiled(t *testing.T, pattern string) *regexp.Regexp {
	const last = `[A-Za-z0-9:_/+=,@.-]`
	re, err := regexp.Compile(strings.Replace(pattern, last+`{0,1023}`, last+`{0,1000}`+last+`{0,23}`, 1))
	if err != nil {
		t.Fatal(err)
	}
	return re
}

// TestPatterns: the patterns are the model's, and the functions match what they
// match: what is sound, and what is nearly so.
func TestPatterns(t *testing.T) {
	for _, m := range matchers {
		if m.pattern != m.model {
			t.Errorf("%s: the pattern is %s, want %s", m.name, m.pattern, m.model)
		}
		re := compiled(t, m.pattern)
		var matched, refused int
		rapid.Check(t, func(t *rapid.T) {
			s := rapid.OneOf(rapid.StringMatching(m.sound), rapid.StringMatching(m.sound), rapid.String()).Draw(t, "text")
			if s != "" && rapid.Bool().Draw(t, "spoil") {
				i := rapid.IntRange(0, len(s)).Draw(t, "where")
				other := rapid.SampledFrom([]string{"", ":", "::", "-", "/", " ", "?", "é", "\n", "\x00", "\xff", "[", "0", "A"}).Draw(t, "what")
				s = s[:i] + other + s[min(len(s), i+rapid.IntRange(0, 2).Draw(t, "in place of")):]
			}
			if got := m.match(s); got != re.MatchString(s) {
				t.Fatalf("%s: %q: matches: %v, the pattern says otherwise", m.name, s, got)
			} else if got {
				matched++
			} else {
				refused++
			}
		})
		if enough := enough(); matched < enough || refused < enough/2 {
			t.Errorf("%s: %d texts matched and %d did not: too few of one kind were tried", m.name, matched, refused)
		}
	}
}

// TestPatternBounds: the lengths of an ARN's parts, each at its bound and beyond,
// and what stands first in a part; by the pattern's word.
func TestPatternBounds(t *testing.T) {
	re := compiled(t, LicenseARNPattern)
	n := func(n int) string { return strings.Repeat("a", n) }
	for _, row := range []struct {
		arn string
		ok  bool
	}{
		{"arn:aws:license-manager::294406891311:license:l-0f", true},
		{"aws:license-manager::294406891311:license:l-0f", false}, // the slip in the guide's samples (contract 0.2)
		{"arn:aws-cn:license-manager::294406891311:license:l-0f", true},
		{"arn:aws1:license-manager::294406891311:license:l-0f", false},
		{"arn:aws:s:::r", true},
		{"arn:aws::::r", false},
		{"arn:aws:s:::", false},
		{"arn:aws:s::r", false},
		{"arn:aws:s:r", false},
		{"arn:aws", false},
		{"arn:aws:", false},
		{"", false},
		{"arn:aws:" + n(63) + ":::r", true},
		{"arn:aws:" + n(64) + ":::r", false},
		{"arn:aws:s:" + n(63) + "::r", true},
		{"arn:aws:s:" + n(64) + "::r", false},
		{"arn:aws:s::" + n(63) + ":r", true},
		{"arn:aws:s::" + n(64) + ":r", false},
		{"arn:aws:s:::" + n(1024), true},
		{"arn:aws:s:::" + n(1025), false},
		{"arn:aws" + n(2000) + ":s:::r", true},
		{"arn:aws:-s:::r", false},
		{"arn:aws:s:-:-:r", true},
		{"arn:aws:s:::-r", false},
		{"arn:aws:s:::r:r:/+=,@.-_", true},
		{"arn:aws:s:+::r", false},
		{"arn:aws:s::+:r", false},
		{"arn:aws:s+:::r", false},
		{"arn:aws:s:::r r", false},
		{"arn:aws:s:::r\n", false},
		{" arn:aws:s:::r", false},
		{"ARN:aws:s:::r", false},
		{"arn:aw:s:::r", false},
		{"arn:other:s:::r", false},
	} {
		if got := IsLicenseARN(row.arn); got != row.ok || got != re.MatchString(row.arn) {
			t.Errorf("%.80q (%d bytes): %v, want %v; the pattern says %v", row.arn, len(row.arn), got, row.ok, re.MatchString(row.arn))
		}
	}
	for code, ok := range map[string]bool{"": true, "2exampleproductcode0001": true, "-/=:_.@": true, "a b": false, "a+b": false, "é": false} {
		if IsProductCode(code) != ok {
			t.Errorf("product code %q: %v, want %v", code, !ok, ok)
		}
	}
	for account, digits := range map[string]bool{"": false, "1": true, "111122223333": true, "1111-2222-3333": false, "11112222333a": false, "１": false} {
		if IsAccountDigits(account) != digits {
			t.Errorf("account %q: %v, want %v", account, !digits, digits)
		}
	}
}

// TestAccountIDs: an account that exists has twelve digits (contract 3, "real").
func TestAccountIDs(t *testing.T) {
	for id, ok := range map[AccountID]bool{
		"111122223333": true, "000000000000": true, "11112222333": false, "1111222233334": false, "11112222333x": false, "": false, "１１１１": false,
	} {
		if id.Valid() != ok {
			t.Errorf("%q: valid: %v, want %v", id, !ok, ok)
		}
	}
}
