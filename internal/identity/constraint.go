package identity

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// constraint is what the service's model says of a text: how long it is, in code
// points, and of which characters.
type constraint struct {
	least, most int
	pattern     string // as AWS's errors quote it; empty for any characters
	has         func(rune) bool
	hidden      bool // its values are not to be repeated
}

// The constraints of the model (August 2026). Java's \w is ASCII.
var (
	roleARN = constraint{20, 2048, `[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`, func(r rune) bool {
		return r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= '~' || r == 0x85 || 0xA0 <= r && r != 0xFFFE && r != 0xFFFF
	}, false}
	roleSessionName  = constraint{2, 64, `[\w+=,.@-]*`, wordOr("+=,.@-"), false}
	externalID       = constraint{2, 1224, `[\w+=,.@:\/-]*`, wordOr("+=,.@:/-"), false}
	sessionPolicy    = constraint{1, 2048, `[\u0009\u000A\u000D\u0020-\u00FF]+`, func(r rune) bool { return r == '\t' || r == '\n' || r == '\r' || ' ' <= r && r <= 0xFF }, false}
	webIdentityToken = constraint{4, 20000, "", nil, true}
	tagKey           = constraint{1, 128, `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`, inTag, false}
	tagValue         = constraint{0, 256, `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`, inTag, false}
)

func wordOr(others string) func(rune) bool {
	return func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || strings.ContainsRune(others, r)
	}
}

func inTag(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Z, unicode.N) || strings.ContainsRune("_.:/=+-@", r)
}

// violations are the constraints that a call breaks, in AWS's words.
type violations struct {
	items []string
	count int
}

// A client needs to see what is wrong, not a page of it.
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

// add reports a value that breaks a rule; a nil value is one that is not there.
func (v *violations) add(at string, value *string, rule string) {
	if v.count++; v.count > maxItems {
		return
	}
	shown := "null"
	if value != nil {
		shown = "'" + shorten(*value) + "'"
	}
	v.items = append(v.items, "Value "+shown+" at '"+at+"' failed to satisfy constraint: Member must "+rule)
}

// text checks a text that is there.
func (v *violations) text(at, s string, c constraint) {
	shown := s
	if c.hidden {
		shown = "***"
	}
	n := utf8.RuneCountInString(s)
	if n < c.least {
		v.add(at, &shown, "have length greater than or equal to "+strconv.Itoa(c.least))
	}
	if n > c.most {
		v.add(at, &shown, "have length less than or equal to "+strconv.Itoa(c.most))
	}
	if c.has != nil && strings.ContainsFunc(s, func(r rune) bool { return !c.has(r) }) {
		v.add(at, &shown, "satisfy regular expression pattern: "+c.pattern)
	}
}

// number checks a number's bounds.
func (v *violations) number(at string, n, least, most int) {
	shown := strconv.Itoa(n)
	if n < least {
		v.add(at, &shown, "have value greater than or equal to "+strconv.Itoa(least))
	}
	if n > most {
		v.add(at, &shown, "have value less than or equal to "+strconv.Itoa(most))
	}
}

// size checks the length of a list.
func (v *violations) size(at string, n, most int) {
	if n > most {
		shown := "[" + strconv.Itoa(n) + " members]"
		v.add(at, &shown, "have length less than or equal to "+strconv.Itoa(most))
	}
}

func (v *violations) err() error {
	switch v.count {
	case 0:
		return nil
	case 1:
		return invalid("1 validation error detected: " + v.items[0])
	}
	return invalid(strconv.Itoa(v.count) + " validation errors detected: " + strings.Join(v.items, "; "))
}

func invalid(message string) error { return &Error{Code: ValidationError, Message: message} }
