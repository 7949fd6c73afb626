package metering

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawAllocations draws a few allocations of few keys and values, sound or not,
// so that what the rules are about comes up: sets named twice, keys named twice,
// sums that are right.
func drawAllocations(t *rapid.T, label string) []Allocation {
	tag := rapid.Custom(func(t *rapid.T) Tag {
		return Tag{
			rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "A", "?", ""}).Draw(t, "key"),
			rapid.SampledFrom([]string{"1", "2", "3", "~"}).Draw(t, "value"),
		}
	})
	allocation := rapid.Custom(func(t *rapid.T) Allocation {
		a := Allocation{rapid.Int32Range(0, 3).Draw(t, "quantity"), rapid.SliceOfN(tag, 0, 6).Draw(t, "tags")}
		if rapid.Bool().Draw(t, "sound") { // one tag of sound text
			a.Tags = []Tag{{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "value")}}
		}
		return a
	})
	return rapid.SliceOfN(allocation, 0, 4).Draw(t, label)
}

// shuffled is the same allocations, and the tags of each, in another order.
func shuffled(t *rapid.T, allocations []Allocation) []Allocation {
	other := rapid.Permutation(allocations).Draw(t, "order")
	other = slices.Clone(other)
	for i := range other {
		other[i].Tags = rapid.Permutation(other[i].Tags).Draw(t, "order of tags")
	}
	return other
}

func copied(allocations []Allocation) []Allocation {
	all := slices.Clone(allocations)
	for i := range all {
		all[i].Tags = slices.Clone(all[i].Tags)
	}
	return all
}

// TestOrderNeverMatters: the order of tags and of allocations is nothing
// (contract 7), neither to the checks nor to what is kept and compared.
func TestOrderNeverMatters(t *testing.T) {
	var sound, broken int
	rapid.Check(t, func(t *rapid.T) {
		one := drawAllocations(t, "allocations")
		other := shuffled(t, one)
		var quantity int32
		for _, a := range one {
			quantity += a.Quantity
		}
		quantity += rapid.SampledFrom([]int32{0, 0, 0, 1, -1}).Draw(t, "off by")

		before := copied(one)
		tagsOne, tagsOther := CheckTags(one), CheckTags(other)
		if (tagsOne == nil) != (tagsOther == nil) {
			t.Fatalf("tags: %v; in another order: %v", tagsOne, tagsOther)
		}
		sumOne, sumOther := CheckAllocations(one, quantity), CheckAllocations(other, quantity)
		if (sumOne == nil) != (sumOther == nil) {
			t.Fatalf("allocations: %v; in another order: %v", sumOne, sumOther)
		}
		if diff := cmp.Diff(before, one); diff != "" {
			t.Fatalf("a check changed what it checked (-before +after):\n%s", diff)
		}
		if sumOne == nil && tagsOne == nil {
			sound++
		} else {
			broken++
		}

		a, b := Canonical(one), Canonical(other)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("kept in another order:\n%s", diff)
		}
		if r, s := (Record{Quantity: 9, Allocations: a}), (Record{Quantity: 9, Allocations: b}); !r.Same(&s) || !s.Same(&r) {
			t.Fatal("order makes a repeat a duplicate")
		}
	})
	if enough := enough(); sound < enough || broken < enough {
		t.Errorf("%d sound and %d broken lists were tried: too few of one kind", sound, broken)
	}
}

// TestCanonicalLaws: it is idempotent, leaves its argument alone and shares no
// memory with it that a later change could reach through.
func TestCanonicalLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := drawAllocations(t, "allocations")
		before := copied(given)
		once := Canonical(given)
		if diff := cmp.Diff(before, given); diff != "" {
			t.Fatalf("it changed its argument (-before +after):\n%s", diff)
		}
		kept := copied(once)
		twice := Canonical(once)
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Fatalf("it is not idempotent (-once +twice):\n%s", diff)
		}
		for i := range given {
			given[i].Quantity = -1
			for j := range given[i].Tags {
				given[i].Tags[j] = Tag{"overwritten", "overwritten"}
			}
		}
		if diff := cmp.Diff(kept, once); diff != "" {
			t.Fatalf("it shares memory with its argument (-before +after):\n%s", diff)
		}
	})
}

// TestSameIsAnEquivalence, and says no more than that the canonical forms are
// equal.
func TestSameIsAnEquivalence(t *testing.T) {
	var same int
	draw := rapid.Custom(func(t *rapid.T) *Record {
		return &Record{Quantity: rapid.Int32Range(0, 1).Draw(t, "quantity"), Allocations: Canonical(drawAllocations(t, "allocations"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if rapid.Bool().Draw(t, "nearly the same") {
			b = &Record{Quantity: a.Quantity, Allocations: copied(a.Allocations)}
			if i := rapid.IntRange(-1, len(b.Allocations)-1).Draw(t, "which"); i >= 0 {
				switch rapid.IntRange(0, 2).Draw(t, "change") {
				case 0:
					b.Allocations[i].Quantity++
				case 1:
					b.Allocations[i].Tags = append(b.Allocations[i].Tags, Tag{"z", "z"})
				case 2:
					b.Allocations = slices.Delete(b.Allocations, i, i+1)
				}
			}
		}
		want := a.Quantity == b.Quantity && len(a.Allocations) == len(b.Allocations) &&
			(len(a.Allocations) == 0 || cmp.Equal(a.Allocations, b.Allocations))
		if a.Same(b) != want || b.Same(a) != want {
			t.Fatalf("the same: %v and %v, want %v", a.Same(b), b.Same(a), want)
		}
		if !a.Same(a) {
			t.Fatal("not the same as itself")
		}
		if want {
			same++
		}
	})
	if same < enough() {
		t.Errorf("only %d pairs were the same", same)
	}
}

// TestHourLaws: HourOf is idempotent, monotone, and puts every instant into an
// hour that is an hour long, before 1970 too.
func TestHourLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawTime(t, "a")
		h := HourOf(a)
		start := h.Time()
		if again := HourOf(start); again != h {
			t.Fatalf("the hour of %v, its own first instant, is %v", start, again.Time())
		}
		if a.Before(start) || !a.Before(start.Add(time.Hour)) {
			t.Fatalf("%v is said to lie in the hour of %v", a, start)
		}
		if start.Minute() != 0 || start.Second() != 0 || start.Nanosecond() != 0 || start.Location() != time.UTC {
			t.Fatalf("%v is no UTC hour", start)
		}
		b := a.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "later")))
		if HourOf(b) < h {
			t.Fatalf("%v is of an earlier hour than %v", b, a)
		}
		if (HourOf(b) == h) != a.Truncate(time.Hour).Equal(b.Truncate(time.Hour)) {
			t.Fatalf("%v and %v: of one hour: %v", a, b, HourOf(b) == h)
		}
		zone := time.FixedZone("", rapid.IntRange(-14*3600, 14*3600).Draw(t, "zone"))
		if HourOf(a.In(zone)) != h {
			t.Fatalf("in another zone %v is of another hour", a)
		}
	})
}

// enough is how often each side of a law must have been tried. Short runs, the
// race detector's, try a fifth.
func enough() int {
	if testing.Short() {
		return 1
	}
	return 10
}
