package awsjson

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Timestamp is an instant together with the number it was written as, so that
// an echo is what came, digit for digit.
type Timestamp struct {
	Time    time.Time
	Literal string // a JSON number: seconds since 1970
}

// limit bounds timestamps on either side of 1970: it is the last second that RFC
// 3339 can tell. What lies beyond is moved to the bound; no clock is near it.
var limit = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()

// ParseTimestamp reads a JSON number. Decimal digits are read exactly, to the
// nanosecond; numbers with an exponent as closely as a float64 can.
func ParseTimestamp(literal string) Timestamp {
	ts := Timestamp{Literal: literal}
	if seconds, ok := wholeSeconds(literal); ok {
		ts.Time = time.Unix(seconds, 0).UTC()
		return ts
	}
	if strings.ContainsAny(literal, "eE") {
		f, _ := strconv.ParseFloat(literal, 64) // out of range is ±Inf, which the bound catches
		if math.Abs(f) > float64(limit) {
			f = math.Copysign(float64(limit), f)
		}
		whole, fraction := math.Modf(f)
		ts.Time = time.Unix(int64(whole), int64(math.Round(fraction*1e6))*1e3).UTC()
		return ts
	}
	digits, negative := strings.CutPrefix(literal, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds > limit {
		seconds, fraction = limit, ""
	}
	var nanoseconds int64
	for i := range 9 {
		nanoseconds *= 10
		if i < len(fraction) {
			nanoseconds += int64(fraction[i] - '0')
		}
	}
	if negative {
		seconds, nanoseconds = -seconds, -nanoseconds
	}
	ts.Time = time.Unix(seconds, nanoseconds).UTC()
	return ts
}

// wholeSeconds reads what nearly every timestamp is: digits that are within limit.
func wholeSeconds(literal string) (seconds int64, ok bool) {
	if len(literal) > 12 {
		return 0, false // limit has twelve
	}
	for i := range len(literal) {
		c := literal[i] - '0'
		if c > 9 {
			return 0, false
		}
		seconds = 10*seconds + int64(c)
	}
	return seconds, literal != "" && seconds <= limit
}
