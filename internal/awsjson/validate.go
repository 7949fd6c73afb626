package awsjson

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// ValidationError says which constraints of the model a request breaks, in the
// words of AWS's front ends.
type ValidationError struct{ Message string }

func (e *ValidationError) Error() string { return e.Message }

// Is makes every error of this type the same to errors.Is.
func (e *ValidationError) Is(target error) bool {
	_, ok := target.(*ValidationError)
	return ok
}

// Path is where in a request a value stands. It costs nothing until it is
// printed: lower-camel names joined by points, list elements as "name.N.member"
// counted from one.
type Path struct {
	up    *Path
	name  string
	index int // from one; zero: not an element
}

// Member is the path of a member of the structure at p; p may be nil.
func (p *Path) Member(name string) Path { return Path{up: p, name: name} }

// Element is the path of the i-th element, from zero, of the member name of the
// structure at p; p may be nil.
func (p *Path) Element(name string, i int) Path { return Path{up: p, name: name, index: i + 1} }

func (p *Path) append(b []byte) []byte {
	if p.up != nil {
		b = append(p.up.append(b), '.')
	}
	b = append(b, p.name...)
	if p.index > 0 {
		b = append(b, '.')
		b = strconv.AppendInt(b, int64(p.index), 10)
		b = append(b, ".member"...)
	}
	return b
}

// Violations collects the constraints a request breaks: all are counted, the
// first few kept.
type Violations struct {
	items []string
	count int
}

// maxItems and maxShown bound an error's length: a client needs to see what is
// wrong, not a megabyte of it.
const (
	maxItems = 10
	maxShown = 256
)

// shorten cuts what a client sent to what an error has room for.
func shorten(s string) string {
	if len(s) <= maxShown {
		return s
	}
	cut := maxShown
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Null reports a required value that is absent.
func (v *Violations) Null(at Path) { v.add("Value null", &at, "Member must not be null") }

// Value reports a value that breaks a rule.
func (v *Violations) Value(at Path, value, rule string) {
	v.add("Value '"+shorten(value)+"'", &at, rule)
}

func (v *Violations) add(value string, at *Path, rule string) {
	if v.count++; v.count > maxItems {
		return
	}
	v.items = append(v.items, value+" at '"+string(at.append(nil))+"' failed to satisfy constraint: "+rule)
}

// Length checks a length in code points; zero maximum is no maximum.
func (v *Violations) Length(at Path, s string, least, most int) {
	if n := len(s); n >= least && (most == 0 || n <= most) && least <= 1 {
		return // bytes bound code points from above, and from below at one
	}
	n := utf8.RuneCountInString(s)
	if n < least {
		v.Value(at, s, "Member must have length greater than or equal to "+strconv.Itoa(least))
	}
	if most > 0 && n > most {
		v.Value(at, s, "Member must have length less than or equal to "+strconv.Itoa(most))
	}
}

// Size checks the length of a list; zero maximum is no maximum.
func (v *Violations) Size(at Path, n, least, most int) {
	if n < least {
		v.Value(at, members(n), "Member must have length greater than or equal to "+strconv.Itoa(least))
	}
	if most > 0 && n > most {
		v.Value(at, members(n), "Member must have length less than or equal to "+strconv.Itoa(most))
	}
}

func members(n int) string { return "[" + strconv.Itoa(n) + " members]" }

// AtLeast checks a number from below.
func (v *Violations) AtLeast(at Path, n, least int32) {
	if n < least {
		v.Value(at, strconv.Itoa(int(n)), "Member must have value greater than or equal to "+strconv.Itoa(int(least)))
	}
}

// AtMost checks a number from above.
func (v *Violations) AtMost(at Path, n, most int32) {
	if n > most {
		v.Value(at, strconv.Itoa(int(n)), "Member must have value less than or equal to "+strconv.Itoa(int(most)))
	}
}

// Pattern reports a value that does not match; the caller has tried.
func (v *Violations) Pattern(at Path, s, pattern string) {
	v.Value(at, s, "Member must satisfy regular expression pattern: "+pattern)
}

// NoNUL checks that a string that will be stored holds no U+0000.
func (v *Violations) NoNUL(at Path, s string) {
	if strings.IndexByte(s, 0) >= 0 {
		v.Value(at, strings.ReplaceAll(s, "\x00", `\u0000`), `Member must not contain U+0000`)
	}
}

// Err is nil, or a *ValidationError that names what was reported.
func (v *Violations) Err() error {
	switch v.count {
	case 0:
		return nil
	case 1:
		return &ValidationError{"1 validation error detected: " + v.items[0]}
	}
	return &ValidationError{strconv.Itoa(v.count) + " validation errors detected: " + strings.Join(v.items, "; ")}
}
