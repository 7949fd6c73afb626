package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// newLog writes a JSON object a line.
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(inertLines{w}, &slog.HandlerOptions{Level: level}))
}

// inertLines writes lines of JSON, whose handler lets through what is no control
// character of ASCII's: U+0085 ends a line for some readers, U+009B commands a
// terminal, U+202E turns a text around. In JSON they stand in texts alone, where
// they can be escaped.
type inertLines struct{ io.Writer }

func (l inertLines) Write(line []byte) (int, error) {
	hidden := func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }
	if !bytes.ContainsFunc(line, hidden) {
		return l.Writer.Write(line)
	}
	b := make([]byte, 0, len(line)+64)
	for rest := line; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case !hidden(r):
			b = append(b, rest[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		rest = rest[n:]
	}
	if _, err := l.Writer.Write(b); err != nil {
		return 0, err
	}
	return len(line), nil
}
