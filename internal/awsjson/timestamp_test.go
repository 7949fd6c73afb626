package awsjson

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// TestTimestamp: a number of seconds, fractions exact to the nanosecond, and the
// literal kept for the echo (contract 1.2).
func TestTimestamp(t *testing.T) {
	for _, row := range []struct {
		literal string
		want    time.Time
	}{
		{"0", time.Unix(0, 0)},
		{"-0", time.Unix(0, 0)},
		{"1789000000", time.Unix(1789000000, 0)},
		{"1789000000.25", time.Unix(1789000000, 250_000_000)},
		{"1750000000.123", time.Unix(1750000000, 123_000_000)}, // what Go's and JavaScript's SDKs send
		{"1750000000.001", time.Unix(1750000000, 1_000_000)},
		{"1750000000.1234567", time.Unix(1750000000, 123_456_700)},
		{"1750000000.123456789", time.Unix(1750000000, 123_456_789)},
		{"1750000000.1234567899", time.Unix(1750000000, 123_456_789)},
		{"1750000000.999999999999", time.Unix(1750000000, 999_999_999)},
		{"1750000000.0", time.Unix(1750000000, 0)},
		{"1750000000.10", time.Unix(1750000000, 100_000_000)},
		{"0.000000001", time.Unix(0, 1)},
		{"-0.5", time.Unix(-1, 500_000_000)},
		{"-1.25", time.Unix(-2, 750_000_000)},
		{"-86400", time.Unix(-86400, 0)},
		{"1.789e9", time.Unix(1789000000, 0)},
		{"1.78900000025e9", time.Unix(1789000000, 250_000_000)},
		{"1.789000000123456e9", time.Unix(1789000000, 123_456_000)},
		{"1789000000250e-3", time.Unix(1789000000, 250_000_000)},
		{"1789E6", time.Unix(1789000000, 0)},
		{"1789e+6", time.Unix(1789000000, 0)},
		{"-15e-1", time.Unix(-2, 500_000_000)},
		{"0e99", time.Unix(0, 0)},
		{"1e-400", time.Unix(0, 0)},
		{"1789000000123", time.Unix(limit, 0)}, // milliseconds, by mistake
		{"253402300799", time.Unix(253402300799, 0)},
		{"253402300800", time.Unix(limit, 0)},
		{"99999999999999999999999", time.Unix(limit, 0)},
		{"-99999999999999999999999.5", time.Unix(-limit, 0)},
		{"9223372036854775808", time.Unix(limit, 0)},
		{"1e30", time.Unix(limit, 0)},
		{"-1e30", time.Unix(-limit, 0)},
		{"1e999999999", time.Unix(limit, 0)},
		{"-1e999999999", time.Unix(-limit, 0)},
	} {
		got := ParseTimestamp(row.literal)
		if !got.Time.Equal(row.want) || got.Literal != row.literal || got.Time.Location() != time.UTC {
			t.Errorf("%s: got %s of %q, want %s", row.literal, got.Time.Format(time.RFC3339Nano), got.Literal, row.want.UTC().Format(time.RFC3339Nano))
		}
		s, err := read(`{"When": ` + row.literal + ` }`)
		if err != nil || s.When != set(got) {
			t.Errorf("%s: decoded as %+v, %v", row.literal, s.When, err)
		}
	}
	if got, want := time.Unix(limit, 0).UTC().Format(time.RFC3339), "9999-12-31T23:59:59Z"; got != want {
		t.Errorf("the last timestamp is %s, want %s", got, want)
	}
}

// exact is a JSON number as closely as it matters. Exponents that package big
// does not take are as good as a million.
func exact(t interface{ Fatal(...any) }, literal string) *big.Float {
	if i := strings.IndexAny(literal, "eE"); i >= 0 {
		digits := strings.TrimLeft(literal[i+1:], "+-0")
		if sign := strings.TrimRight(literal[i+1:], "0123456789"); len(digits) > 6 {
			literal = literal[:i] + "e" + sign + "1000000"
		}
	}
	f, _, err := big.ParseFloat(literal, 10, 300, big.ToZero)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// checkTimestamp compares with arbitrary precision: exact for decimal digits, cut
// off below the nanosecond; to a microsecond, and as a float64 can, with an
// exponent; and never out of bounds.
func checkTimestamp(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, literal string,
) {
	got := ParseTimestamp(literal)
	if got.Literal != literal {
		t.Fatalf("%s was kept as %s", literal, got.Literal)
	}
	if again := ParseTimestamp(literal); again != got {
		t.Fatalf("%s: %v, then %v", literal, got.Time, again.Time)
	}
	if seconds := got.Time.Unix(); seconds > limit || seconds < -limit-1 {
		t.Fatalf("%s: %v is out of bounds", literal, got.Time)
	}
	want := exact(t, literal)
	bound := new(big.Float).SetInt64(limit)
	if size := new(big.Float).Abs(want); size.Cmp(new(big.Float).SetInt64(limit+1)) >= 0 {
		want = bound.Copy(bound).Mul(bound, big.NewFloat(float64(want.Sign())))
	} else if strings.ContainsAny(literal, "eE") && size.Cmp(bound) > 0 {
		return // in the last second that there is: either bound will do
	}
	// Both are cut to whole nanoseconds, towards zero.
	nanoseconds, _ := new(big.Float).SetPrec(300).Mul(want, big.NewFloat(1e9)).Int(nil)
	have := new(big.Int).Add(new(big.Int).Mul(big.NewInt(got.Time.Unix()), big.NewInt(1e9)), big.NewInt(int64(got.Time.Nanosecond())))
	off := new(big.Int).Abs(new(big.Int).Sub(nanoseconds, have))
	allowed := big.NewInt(1) // 300 bits of a decimal fraction are not exact
	if strings.ContainsAny(literal, "eE") {
		allowed.Add(big.NewInt(501), new(big.Int).Rsh(new(big.Int).Abs(nanoseconds), 51))
	}
	if off.Cmp(allowed) > 0 {
		t.Fatalf("%s: %v is %v ns off", literal, got.Time, off)
	}
}

// TestTimestampLaws: near the number, whatever its form; and later numbers are
// later.
func TestTimestampLaws(t *testing.T) {
	number := rapid.OneOf(
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,13})(\.[0-9]{1,12})?`),
		rapid.StringMatching(`1[0-9]{9}\.[0-9]{1,9}`),
		rapid.StringMatching(`1[0-9]{9}[0-9]{1,6}[eE]-[1-6]`),
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,11})(\.[0-9]{1,11})?[eE][-+]?[0-9]{1,3}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		checkTimestamp(t, a)
		if !strings.ContainsAny(a+b, "eE") && exact(t, a).Cmp(exact(t, b)) < 0 && ParseTimestamp(a).Time.After(ParseTimestamp(b).Time) {
			t.Fatalf("%s is later than %s", a, b)
		}
	})
}

// FuzzTimestamp: every JSON number is a timestamp near it.
func FuzzTimestamp(f *testing.F) {
	f.Add("1789000000.25")
	f.Fuzz(func(t *testing.T, literal string) {
		if v := jsontext.Value(literal); len(literal) > 400 || !v.IsValid() || v.Kind() != '0' || strings.TrimSpace(literal) != literal {
			return
		}
		checkTimestamp(t, literal)
	})
}
