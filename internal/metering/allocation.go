package metering

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of vendor-metered tagging (service model, August 2026).
const (
	MaxAllocations = 2500
	MaxTags        = 5 // in one allocation; and distinct keys in one record
	MaxTagKey      = 100
	MaxTagValue    = 256
)

// TagPattern is the pattern of tag keys and values as the model has it. " -=" is
// a range, from space to the equals sign, and is applied as one.
const TagPattern = `^[a-zA-Z0-9+ -=._:\/@]+$`

// Tag is one key and value of an allocation; both are case-sensitive.
type Tag struct {
	Key   string
	Value string
}

// Allocation is the part of a record's quantity that belongs to one set of
// tags. No tags is a set too, and may occur once.
type Allocation struct {
	Quantity int32
	Tags     []Tag
}

// CheckTags refuses tags that break AWS's limits: more than five in an
// allocation or five keys in all, one key twice in an allocation, or a key or
// value of the wrong length or alphabet.
func CheckTags(allocations []Allocation) error {
	var keys []string
	for i := range allocations {
		tags := allocations[i].Tags
		if len(tags) > MaxTags {
			return fmt.Errorf("%w: %d tags in one allocation, at most %d are allowed", ErrInvalidTag, len(tags), MaxTags)
		}
		for j, tag := range tags {
			if err := tag.check(); err != nil {
				return err
			}
			for _, before := range tags[:j] {
				if before.Key == tag.Key {
					return fmt.Errorf("%w: key %q occurs twice in one allocation", ErrInvalidTag, tag.Key)
				}
			}
			if !slices.Contains(keys, tag.Key) {
				keys = append(keys, tag.Key)
			}
		}
		if len(keys) > MaxTags {
			return fmt.Errorf("%w: more than %d different keys in one record", ErrInvalidTag, MaxTags)
		}
	}
	return nil
}

func (t Tag) check() error {
	switch {
	case utf8.RuneCountInString(t.Key) > MaxTagKey:
		return fmt.Errorf("%w: a key is longer than %d characters", ErrInvalidTag, MaxTagKey)
	case utf8.RuneCountInString(t.Value) > MaxTagValue:
		return fmt.Errorf("%w: the value of key %q is longer than %d characters", ErrInvalidTag, t.Key, MaxTagValue)
	case !inTagAlphabet(t.Key):
		return fmt.Errorf("%w: key %q does not match %s", ErrInvalidTag, t.Key, TagPattern)
	case !inTagAlphabet(t.Value):
		return fmt.Errorf("%w: the value %q of key %q does not match %s", ErrInvalidTag, t.Value, t.Key, TagPattern)
	}
	return nil
}

// inTagAlphabet is TagPattern without the cost of a regular expression.
func inTagAlphabet(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', ' ' <= c && c <= '=', c == '_', c == '@':
		default:
			return false
		}
	}
	return s != ""
}

// CheckAllocations refuses allocations that do not add up to the quantity, that
// name one set of tags twice, or that are too many. nil is no
// allocations at all, which is always right.
func CheckAllocations(allocations []Allocation, quantity int32) error {
	if len(allocations) == 0 {
		return nil
	}
	if len(allocations) > MaxAllocations {
		return fmt.Errorf("%w: %d allocations, at most %d are allowed", ErrInvalidUsageAllocations, len(allocations), MaxAllocations)
	}
	var sum int64 // 2,500 int32 values do not fit 32 bits
	for i := range allocations {
		sum += int64(allocations[i].Quantity)
	}
	if sum != int64(quantity) {
		return fmt.Errorf("%w: the allocated quantities add up to %d, the record's quantity is %d", ErrInvalidUsageAllocations, sum, quantity)
	}
	sorted := Canonical(allocations)
	for i := 1; i < len(sorted); i++ {
		if compareTags(sorted[i-1].Tags, sorted[i].Tags) == 0 {
			return fmt.Errorf("%w: two allocations have the same set of tags", ErrInvalidUsageAllocations)
		}
	}
	return nil
}

// Canonical returns the allocations in an order that depends on nothing but
// what they are: tags by key, allocations by tags. Records keep them so, which
// makes equal sets equal slices. The argument is left as it is.
func Canonical(allocations []Allocation) []Allocation {
	if len(allocations) == 0 {
		return nil
	}
	sorted := slices.Clone(allocations)
	for i := range sorted {
		if len(sorted[i].Tags) == 0 {
			sorted[i].Tags = nil
			continue
		}
		tags := slices.Clone(sorted[i].Tags)
		slices.SortFunc(tags, compareTag)
		sorted[i].Tags = tags
	}
	slices.SortFunc(sorted, func(a, b Allocation) int {
		return cmp.Or(compareTags(a.Tags, b.Tags), cmp.Compare(a.Quantity, b.Quantity))
	})
	return sorted
}

func compareTags(a, b []Tag) int { return slices.CompareFunc(a, b, compareTag) }

func compareTag(a, b Tag) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Value, b.Value))
}
