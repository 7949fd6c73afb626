package metering

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// FuzzAllocations: the checks of allocations do not panic on any text, break
// only in their own ways, and do not depend on any order. What they let pass
// obeys the limits.
func FuzzAllocations(f *testing.F) {
	f.Add([]byte("\x03\x01a=1\x00\x02\x02a=1\x00b=2\x00"), int32(5))
	f.Fuzz(func(t *testing.T, text []byte, quantity int32) {
		allocations := allocationsFrom(text)
		before := copied(allocations)
		inTags, inSum := CheckTags(allocations), CheckAllocations(allocations, quantity)
		if inTags != nil && !errors.Is(inTags, ErrInvalidTag) {
			t.Errorf("tags: %v", inTags)
		}
		if inSum != nil && !errors.Is(inSum, ErrInvalidUsageAllocations) {
			t.Errorf("allocations: %v", inSum)
		}

		reversed := copied(allocations)
		slices.Reverse(reversed)
		for i := range reversed {
			slices.Reverse(reversed[i].Tags)
		}
		if (CheckTags(reversed) == nil) != (inTags == nil) || (CheckAllocations(reversed, quantity) == nil) != (inSum == nil) {
			t.Errorf("in reverse order: %v, %v; before: %v, %v", CheckTags(reversed), CheckAllocations(reversed, quantity), inTags, inSum)
		}
		one, other := Record{Allocations: Canonical(allocations)}, Record{Allocations: Canonical(reversed)}
		if !one.Same(&other) {
			t.Error("in reverse order they are kept otherwise")
		}
		if !slices.EqualFunc(allocations, before, func(a, b Allocation) bool { return a.Quantity == b.Quantity && slices.Equal(a.Tags, b.Tags) }) {
			t.Error("a check changed what it checked")
		}

		if inTags != nil || inSum != nil {
			return
		}
		var sum int64
		keys, sets := map[string]bool{}, map[string]bool{}
		for _, a := range one.Allocations {
			sum += int64(a.Quantity)
			set := ""
			for _, tag := range a.Tags {
				keys[tag.Key] = true
				set += tag.Key + "\x00" + tag.Value + "\x00" // a byte that no sound tag holds
			}
			if len(a.Tags) > MaxTags || sets[set] {
				t.Errorf("%d tags in an allocation, or a set for the second time: %q", len(a.Tags), set)
			}
			sets[set] = true
		}
		if len(keys) > MaxTags || len(allocations) > 0 && sum != int64(quantity) || len(allocations) > MaxAllocations {
			t.Errorf("accepted: %d keys, %d allocations, a sum of %d for a quantity of %d", len(keys), len(allocations), sum, quantity)
		}
	})
}

// allocationsFrom makes allocations of any bytes: for each a quantity, the number
// of tags, and "key=value" texts that end in a zero byte.
func allocationsFrom(text []byte) []Allocation {
	next := func() byte {
		if len(text) == 0 {
			return 0
		}
		c := text[0]
		text = text[1:]
		return c
	}
	until := func(end byte) string {
		i := slices.Index(text, end)
		if i < 0 {
			i = len(text)
		}
		s := string(text[:i])
		text = text[min(len(text), i+1):]
		return s
	}
	var all []Allocation
	for len(text) > 0 {
		a := Allocation{Quantity: int32(next())}
		if a.Quantity == 0xff { // so that sums go beyond 32 bits
			a.Quantity = math.MaxInt32
		}
		for range next() % 8 {
			a.Tags = append(a.Tags, tags(until(0))...)
		}
		all = append(all, a)
	}
	return all
}
