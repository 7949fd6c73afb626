package policy

import (
	"errors"
	"fmt"
	"strings"
)

// variable is a ${…} in a policy: a condition key whose value takes its place.
// ${*}, ${?} and ${$} are the characters themselves.
type variable struct {
	escape     rune // for these three
	key        key
	fallback   string // after a comma, in single quotes
	hasDefault bool
}

// parseVariable reads the variable with which text begins, and returns what
// follows it.
func parseVariable(text, version string) (v variable, rest string, err error) {
	if version != version2012 {
		// IAM would take it for plain text. Nobody who writes one means that.
		return v, "", fmt.Errorf("%q has a policy variable, and the document has not the Version %q that variables need", text, version2012)
	}
	inside, rest, ok := strings.Cut(text[len("${"):], "}")
	if !ok {
		return v, "", fmt.Errorf("the policy variable in %q is not closed by a }", text)
	}
	switch inside {
	case "*", "?", "$":
		v.escape = rune(inside[0])
		return v, rest, nil
	}

	name, fallback, hasDefault := strings.Cut(inside, ",")
	if hasDefault {
		fallback = strings.TrimSpace(fallback)
		if len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'' {
			return v, "", fmt.Errorf("the default in ${%s} must stand in single quotes: ${%s, '…'}", inside, name)
		}
		v.fallback, v.hasDefault = fallback[1:len(fallback)-1], true
	}
	if v.key, err = parseKey(name); err != nil {
		return v, "", fmt.Errorf("${%s}: %w", inside, err)
	}
	if v.key.multi() {
		return v, "", fmt.Errorf("${%s}: a key that can have several values is not a policy variable", inside)
	}
	if v.key.webIdentity() {
		return v, "", fmt.Errorf("${%s}: claims of web identities are not policy variables", inside)
	}
	return v, rest, nil
}

// value is what stands for the variable in a request. Without a value and a
// default, nothing is equal to it or like it (as IAM documents).
func (v *variable) value(r *Request) (text string, ok bool, err error) {
	got, err := v.key.value(r)
	switch {
	case errors.Is(err, errAbsent):
		return v.fallback, v.hasDefault, nil
	case err != nil:
		return "", false, err
	}
	return got.String(), true, nil
}
