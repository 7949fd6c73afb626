package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// families are kinds of operators. A key says which of them fit its value, so
// that a comparison that could never hold is refused when the policy is read.
type families uint8

const (
	ofStrings families = 1 << iota
	ofARNs
	ofNumbers
	ofDates
	ofBools
	ofAddresses
	ofPresence // Null, which fits every key
)

// order says which outcomes of a comparison an operator accepts.
type order uint8

const (
	less order = 1 << iota
	equal
	greater
)

// accepts takes what cmp.Compare and time.Time.Compare return.
func (o order) accepts(outcome int) bool { return o&(1<<(outcome+1)) != 0 }

// test compares the value that a request has with those that the policy lists.
// It holds if one of them fits; an error means that none fits for sure, and one
// could not be compared.
type test interface {
	matches(v value, r *Request) (bool, error)
}

// operator is a condition operator without its prefix and IfExists.
type operator struct {
	family  families
	negated bool // holds if no value fits, and if the key is absent
	build   func(texts []string, version string) (test, error)
}

var operators = map[string]operator{
	"StringEquals":              {ofStrings, false, stringTest(exactPattern)},
	"StringNotEquals":           {ofStrings, true, stringTest(exactPattern)},
	"StringLike":                {ofStrings, false, stringTest(wildPattern)},
	"StringNotLike":             {ofStrings, true, stringTest(wildPattern)},
	"StringEqualsIgnoreCase":    {ofStrings, false, newFoldTest},
	"StringNotEqualsIgnoreCase": {ofStrings, true, newFoldTest},

	// The two have one meaning, so ArnEquals has wildcards too, as in IAM.
	"ArnEquals":    {ofARNs, false, newARNTest},
	"ArnNotEquals": {ofARNs, true, newARNTest},
	"ArnLike":      {ofARNs, false, newARNTest},
	"ArnNotLike":   {ofARNs, true, newARNTest},

	"NumericEquals":            {ofNumbers, false, newNumberTest(equal)},
	"NumericNotEquals":         {ofNumbers, true, newNumberTest(equal)},
	"NumericLessThan":          {ofNumbers, false, newNumberTest(less)},
	"NumericLessThanEquals":    {ofNumbers, false, newNumberTest(less | equal)},
	"NumericGreaterThan":       {ofNumbers, false, newNumberTest(greater)},
	"NumericGreaterThanEquals": {ofNumbers, false, newNumberTest(greater | equal)},

	"DateEquals":            {ofDates, false, newDateTest(equal)},
	"DateNotEquals":         {ofDates, true, newDateTest(equal)},
	"DateLessThan":          {ofDates, false, newDateTest(less)},
	"DateLessThanEquals":    {ofDates, false, newDateTest(less | equal)},
	"DateGreaterThan":       {ofDates, false, newDateTest(greater)},
	"DateGreaterThanEquals": {ofDates, false, newDateTest(greater | equal)},

	"Bool":         {ofBools, false, newBoolTest},
	"IpAddress":    {ofAddresses, false, newAddressTest},
	"NotIpAddress": {ofAddresses, true, newAddressTest},
	"Null":         {ofPresence, false, newBoolTest},
}

// parseEach reads every value of a list.
func parseEach[T any](texts []string, parse func(string) (T, error)) ([]T, error) {
	list := make([]T, len(texts))
	for i, text := range texts {
		var err error
		if list[i], err = parse(text); err != nil {
			return nil, err
		}
	}
	return list, nil
}

type patternTest []pattern

func stringTest(compile func(text, version string) (pattern, error)) func([]string, string) (test, error) {
	return func(texts []string, version string) (test, error) {
		list, err := parseEach(texts, func(s string) (pattern, error) { return compile(s, version) })
		return patternTest(list), err
	}
}

// anyOf reports whether one of a list fits. If none does, and what one of them needs
// could not be had, nothing is known.
func anyOf[T any](list []T, fits func(*T) (bool, error)) (bool, error) {
	var failed error
	for i := range list {
		ok, err := fits(&list[i])
		if ok {
			return true, nil
		}
		failed = cmp.Or(failed, err)
	}
	return false, failed
}

func (t patternTest) matches(v value, r *Request) (bool, error) {
	return anyOf(t, func(p *pattern) (bool, error) { return p.matches(v.text, r) })
}

type foldTest []pattern

func newFoldTest(texts []string, version string) (test, error) {
	list, err := parseEach(texts, func(s string) (pattern, error) { return exactPattern(s, version) })
	return foldTest(list), err
}

func (t foldTest) matches(v value, r *Request) (bool, error) {
	return anyOf(t, func(p *pattern) (bool, error) {
		text, ok, err := p.plain(r)
		return ok && strings.EqualFold(text, v.text), err
	})
}

type arnTest []arnPattern

func newARNTest(texts []string, version string) (test, error) {
	list, err := parseEach(texts, func(s string) (arnPattern, error) { return newARNPattern(s, version) })
	return arnTest(list), err
}

func (t arnTest) matches(v value, r *Request) (bool, error) {
	return anyOf(t, func(p *arnPattern) (bool, error) { return p.matches(v.text, r) })
}

type numberTest struct {
	accept order
	list   []float64
}

func newNumberTest(accept order) func([]string, string) (test, error) {
	return func(texts []string, _ string) (test, error) {
		list, err := parseEach(texts, parseNumber)
		return numberTest{accept, list}, err
	}
}

func (t numberTest) matches(v value, _ *Request) (bool, error) {
	number, err := parseNumber(v.text)
	if err != nil {
		return false, err
	}
	for _, want := range t.list {
		if t.accept.accepts(cmp.Compare(number, want)) {
			return true, nil
		}
	}
	return false, nil
}

// maxDigits is how many digits a float64 keeps apart, whatever they are.
const maxDigits = 15

// parseNumber reads what IAM calls a number, an integer or a decimal, and neither
// exponents nor NaN.
func parseNumber(text string) (float64, error) {
	whole, fraction, dot := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if whole == "" || dot && fraction == "" || !isDigits(whole+fraction) {
		return 0, fmt.Errorf("%q is not a number: write 12 or -0.5", text)
	}
	if len(whole)+len(fraction) > maxDigits {
		return 0, fmt.Errorf("%q has more than %d digits", text, maxDigits)
	}
	return strconv.ParseFloat(text, 64)
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

type dateTest struct {
	accept order
	list   []time.Time
}

func newDateTest(accept order) func([]string, string) (test, error) {
	return func(texts []string, _ string) (test, error) {
		list, err := parseEach(texts, parseDate)
		return dateTest{accept, list}, err
	}
}

func (t dateTest) matches(v value, _ *Request) (bool, error) {
	at := v.time
	if at.IsZero() { // a tag
		var err error
		if at, err = parseDate(v.text); err != nil {
			return false, err
		}
	}
	for _, want := range t.list {
		if t.accept.accepts(at.Compare(want)) {
			return true, nil
		}
	}
	return false, nil
}

// parseDate reads the ISO 8601 forms that people write, or seconds since 1970.
func parseDate(text string) (time.Time, error) {
	if isDigits(text) && 9 <= len(text) && len(text) <= 11 { // fewer digits might be a year
		seconds, err := strconv.ParseInt(text, 10, 64)
		return time.Unix(seconds, 0).UTC(), err
	}
	full := text
	if len(text) == len(time.DateOnly) {
		full += "T00:00:00Z"
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(full)); err != nil { // stricter than time.Parse
		return t, fmt.Errorf("%q is not a date: write 2026-01-31T12:00:00Z, 2026-01-31 or seconds since 1970", text)
	}
	if t != seconds(t) { // the times of requests have none, so equal would never hold
		return t, fmt.Errorf("%q has a fraction of a second", text)
	}
	return t, nil
}

type boolTest []bool

func newBoolTest(texts []string, _ string) (test, error) {
	list, err := parseEach(texts, parseBool)
	return boolTest(list), err
}

func (t boolTest) matches(v value, _ *Request) (bool, error) {
	got, err := parseBool(v.text)
	return err == nil && t.lists(got), err
}

func (t boolTest) lists(got bool) bool {
	for _, want := range t {
		if got == want {
			return true
		}
	}
	return false
}

func parseBool(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", text)
}

type addressTest []netip.Prefix

func newAddressTest(texts []string, _ string) (test, error) {
	list, err := parseEach(texts, parsePrefix)
	return addressTest(list), err
}

func (t addressTest) matches(v value, _ *Request) (bool, error) {
	for _, prefix := range t {
		if prefix.Contains(v.ip) {
			return true, nil
		}
	}
	return false, nil
}

var errMappedIPv4 = errors.New("an IPv4 address written as IPv6 would match nothing; write it as IPv4")

// parsePrefix reads an address or a range of them.
func parsePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if address, alone := netip.ParseAddr(text); alone == nil && address.Zone() == "" {
		prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	switch {
	case err != nil:
		return prefix, fmt.Errorf("%q is neither an address nor a range: write 203.0.113.7 or 203.0.113.0/24", text)
	case prefix.Addr().Is4In6():
		return prefix, errMappedIPv4
	case prefix != prefix.Masked():
		return prefix, fmt.Errorf("%q names one address and means a range: write %s", text, prefix.Masked())
	}
	return prefix, nil
}
