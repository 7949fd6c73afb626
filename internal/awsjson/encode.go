package awsjson

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendString appends a JSON string. What is not valid UTF-8 becomes U+FFFD; a
// decoded string always is.
func AppendString(b []byte, s string) []byte {
	if isPlain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	b, _ = jsontext.AppendQuote(b, s) // its one error is the replacement
	return b
}

// isPlain reports whether a text needs no escapes and is ASCII.
func isPlain(s string) bool {
	for i := range len(s) {
		if !inString[s[i]] {
			return false
		}
	}
	return true
}

// AppendName appends `"name":`, after a comma unless it is an object's first
// member. Names are the shapes' own and need no escapes.
func AppendName(b []byte, name string) []byte {
	if last := b[len(b)-1]; last != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

// AppendMember appends a string member.
func AppendMember(b []byte, name, value string) []byte {
	return AppendString(AppendName(b, name), value)
}

// AppendInt appends an integer member.
func AppendInt(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(AppendName(b, name), n, 10)
}

// AppendTime appends a timestamp member: seconds since 1970, with milliseconds
// where there are any.
func AppendTime(b []byte, name string, t time.Time) []byte {
	b = AppendName(b, name)
	ms := t.UnixMilli()
	if ms%1000 == 0 {
		return strconv.AppendInt(b, ms/1000, 10)
	}
	return strconv.AppendFloat(b, float64(ms)/1000, 'f', 3, 64)
}
