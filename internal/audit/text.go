package audit

import (
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/meterd/meterd/internal/metering"
)

// comma appends a comma, unless nothing of the object or list is there yet.
func comma(b []byte) []byte {
	if last := b[len(b)-1]; last != '{' && last != '[' {
		b = append(b, ',')
	}
	return b
}

func appendName(b []byte, name string) []byte {
	return append(appendQuoted(comma(b), name), ':')
}

func appendText(b []byte, name, value string) []byte {
	return appendQuoted(appendName(b, name), value)
}

func appendTextIfAny(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(b, name, value)
}

func appendInt(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(appendName(b, name), n, 10)
}

func appendBool(b []byte, name string, is bool) []byte {
	return strconv.AppendBool(appendName(b, name), is)
}

func appendID(b []byte, name string, id metering.ID) []byte {
	b = append(appendName(b, name), '"')
	return append(id.AppendText(b), '"')
}

// appendQuoted appends a JSON string. Beyond what JSON asks for, everything is
// escaped that some reader takes for the end of a line (U+0085, U+2028, U+2029), and
// what turns the text around it: what a caller sends is data in any viewer.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0 // s[plain:i] is as it stands
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if c >= utf8.RuneSelf && (r != utf8.RuneError || size > 1) && !escaped(r) {
			i += size
			continue
		}
		b = append(b, s[plain:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = appendEscape(appendEscape(b, high), low)
		default: // what is not UTF-8 is U+FFFD
			b = appendEscape(b, r)
		}
		i += size
		plain = i
	}
	return append(append(b, s[plain:]...), '"')
}

func escaped(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

func appendEscape(b []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
