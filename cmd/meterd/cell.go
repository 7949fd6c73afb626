package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cellOf is any value of JSON in a cell: texts as they are, the rest as JSON.
func cellOf(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// visible is a text as a terminal may be sent it: what would move its cursor,
// colour it, turn its direction or begin a line shows as Go writes it in quotes.
// Names and refused calls are whatever somebody sent.
func visible(s string) string {
	hidden := func(r rune) bool { return !unicode.IsGraphic(r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if !hidden(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
