package metering

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// TestIDs: the usual form, and nothing else, reads as an id.
func TestIDs(t *testing.T) {
	id := ID{0x01, 0x99, 0x4c, 0x1e, 0xab, 0xcd, 0x7e, 0xf0, 0x81, 0x23, 0x45, 0x67, 0x89, 0x0a, 0xbc, 0xde}
	const text = "01994c1e-abcd-7ef0-8123-4567890abcde"
	if id.String() != text {
		t.Errorf("written as %s, want %s", id, text)
	}
	if got := string(id.AppendText([]byte("id "))); got != "id "+text {
		t.Errorf("appended as %q", got)
	}
	if got, ok := ParseID(text); !ok || got != id {
		t.Errorf("read as %v, %v", got, ok)
	}
	for _, bad := range []string{
		"",
		"01994c1e-abcd-7ef0-8123-4567890abcd",
		"01994c1e-abcd-7ef0-8123-4567890abcdef",
		"01994C1E-abcd-7ef0-8123-4567890abcde",
		"01994c1eabcd7ef081234567890abcde",
		"01994c1e-abcd-7ef0-81234-567890abcde",
		"01994c1e-abcd-7ef0-8123_4567890abcde",
		"-1994c1e-abcd-7ef0-8123-4567890abcde",
		"01994c1eaabcd-7ef0-8123-4567890abcde",
		"01994c1e-abcda7ef0-8123-4567890abcde",
		"01994c1e-abcd-7ef0a8123-4567890abcde",
		"{1994c1e-abcd-7ef0-8123-4567890abcd}",
		"g1994c1e-abcd-7ef0-8123-4567890abcde",
		"01994c1e-abcd-7ef0-8123-4567890abcd:",
		"01994c1e-abcd-7ef0-8123-4567890abcd`",
		"01994c1e-abcd-7ef0-8123-4567890abcd/",
	} {
		if got, ok := ParseID(bad); ok || got != (ID{}) {
			t.Errorf("%q was read as %v, %v", bad, got, ok)
		}
	}
}

// TestIDLaws: what is written is read, and what is read was written so.
func TestIDLaws(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	rapid.Check(t, func(t *rapid.T) {
		id := ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		if got, ok := ParseID(id.String()); !ok || got != id {
			t.Fatalf("%v was read as %v, %v", id, got, ok)
		}
		if !form.MatchString(id.String()) {
			t.Fatalf("written as %s", id)
		}
		s := rapid.StringMatching(`[0-9a-fA-Fg-]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f-]{4}-[0-9a-f]{12}`).Draw(t, "text")
		if got, ok := ParseID(s); ok != form.MatchString(s) || ok && got.String() != s {
			t.Fatalf("%q was read as %v, %v", s, got, ok)
		}
	})
}
