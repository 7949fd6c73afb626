package pgtest

import "strings"

// token is a piece of SQL. Comments are none.
type token struct {
	kind  kind
	text  string // a word in lower case; a quoted name without its quotes
	depth int    // how many brackets are open around it; a bracket is outside itself
}

type kind int

const (
	word kind = iota
	quoted
	constant // a string or a number
	sign     // brackets, commas, operators, parameters
)

// is reports whether a token is a word of SQL, or a sign.
func (t token) is(text string) bool { return t.text == text && (t.kind == word || t.kind == sign) }

// name reports whether a token may name a table or a column.
func (t token) name() bool { return t.kind == word || t.kind == quoted }

const operators = "+-*/<>=~!@#%^&|?:$"

// split cuts SQL into statements, and those into tokens.
func split(sql string) [][]token {
	var all [][]token
	var now []token
	depth := 0
	for sql != "" {
		t, size := next(sql)
		sql = sql[size:]
		switch {
		case size > 0 && t.text == "" && t.kind == sign: // space or comment
			continue
		case t.is(";"):
			if now != nil {
				all = append(all, now)
			}
			now, depth = nil, 0
			continue
		case t.is(")"):
			depth--
		}
		t.depth = depth
		if t.is("(") {
			depth++
		}
		now = append(now, t)
	}
	if now != nil {
		all = append(all, now)
	}
	return all
}

// next reads what SQL begins with, and how long that is.
func next(sql string) (t token, size int) {
	switch c := sql[0]; {
	case strings.HasPrefix(sql, "--"):
		return token{kind: sign}, until(sql, "\n", 2)
	case strings.HasPrefix(sql, "/*"):
		return token{kind: sign}, until(sql, "*/", 2)
	case strings.ContainsRune(" \t\r\n", rune(c)):
		return token{kind: sign}, 1
	case c == '\'':
		size = until(sql, "'", 1)
		return token{kind: constant, text: sql[:size]}, size
	case c == '"':
		size = until(sql, `"`, 1)
		return token{kind: quoted, text: strings.Trim(sql[:size], `"`)}, size
	case c == '$':
		if tag := dollar(sql); tag != "" {
			size = until(sql, tag, len(tag))
			return token{kind: constant, text: sql[:size]}, size
		}
		size = 1 + span(sql[1:], letterOrDigit)
		return token{kind: sign, text: sql[:size]}, size
	case letterOrDigit(c):
		size = span(sql, letterOrDigit)
		if c >= '0' && c <= '9' {
			return token{kind: constant, text: sql[:size]}, size
		}
		return token{kind: word, text: strings.ToLower(sql[:size])}, size
	case strings.ContainsRune(operators, rune(c)):
		size = span(sql, func(c byte) bool { return c != '$' && strings.ContainsRune(operators, rune(c)) })
		return token{kind: sign, text: sql[:size]}, size
	}
	return token{kind: sign, text: sql[:1]}, 1
}

// until is how long SQL is up to an end, which is looked for from some place on,
// and with it. What does not end runs to the end of the text.
func until(sql, end string, from int) int {
	i := strings.Index(sql[from:], end)
	if i < 0 {
		return len(sql)
	}
	return from + i + len(end)
}

// dollar is the tag of a dollar-quoted string, $$ or $tag$; empty if there is
// none.
func dollar(sql string) string {
	n := 1 + span(sql[1:], letterOrDigit)
	if n < len(sql) && sql[n] == '$' {
		return sql[:n+1]
	}
	return ""
}

func span(s string, in func(byte) bool) int {
	n := 0
	for n < len(s) && in(s[n]) {
		n++
	}
	return n
}

func letterOrDigit(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
