package embedded

import (
	"cmp"
	"hash/maphash"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Most keys that an append asks for are free, and Pebble takes longest to say so:
// it looks into its memory and into every table that could have the key, which
// was 29 % of the processor's time of a server at its full rate. Nearly all of
// them are of the last hours. So the committer, through which every record and
// token goes, keeps a filter of the keys of each hour and day that is being
// written to. What a filter has not is free; what it may have, Pebble is asked.
//
// A filter is believed only once it has all that Pebble has. An hour or day that
// Pebble has no key of, when it is first asked for, is complete from the start.
// Of one that was begun before the store was opened, the keys are read into the
// filter a few with each group, and Pebble is asked until that is done.

// sectionBytes leads the key of a record or a token: the family, and the hour or
// the day.
const sectionBytes = 1 + 4

type sectionID [sectionBytes]byte

const (
	// maxFilters is how much memory filters take, in bytes: those of about 30
	// million keys. Beyond it, what was asked for longest ago has no filter.
	maxFilters = 64 << 20
	// maxSections bounds how many hours and days are remembered, with a filter or
	// without.
	maxSections = 1 << 10
	// fillStep is how many keys are read into a filter with each group: some
	// tenths of a millisecond.
	fillStep = 512
)

// sections are the hours and days that are being written to. One goroutine has
// them, the committer's.
type sections struct {
	s     *Store
	seed  maphash.Seed
	known map[sectionID]*section
	max   int // bytes of all filters
	asked uint64
}

// section is an hour of records or a day of tokens.
type section struct {
	id    sectionID
	asked uint64 // when it was last asked for, in questions
	keys  filter
	state sectionState
	from  []byte // where filling goes on
}

type sectionState byte

const (
	filling  sectionState = iota // the filter has what was set since, and not all that was there before
	complete                     // it has all
	dropped                      // it had no room; Pebble is asked
)

func newSections(s *Store) sections {
	return sections{s: s, seed: maphash.MakeSeed(), known: make(map[sectionID]*section), max: maxFilters}
}

func newSection(id sectionID) *section { return &section{id: id, from: id[:]} }

// ofSection reports whether a key is of a family that is filed by hour or day.
func ofSection(key string) bool {
	return len(key) > sectionBytes && (key[0] == familyRecord || key[0] == familyToken)
}

// free reports whether nothing has the key, for certain.
func (a *sections) free(key string) bool {
	if !ofSection(key) {
		return false
	}
	sec := a.section(key)
	return sec.state == complete && !sec.keys.has(maphash.String(a.seed, key))
}

// add notes that a key is being set. It must be told before the batch that sets
// it goes to Pebble.
func (a *sections) add(key string) {
	if !ofSection(key) {
		return
	}
	if sec := a.section(key); sec.state != dropped {
		sec.keys.add(maphash.String(a.seed, key))
	}
}

func (a *sections) section(key string) *section {
	id := sectionID([]byte(key[:sectionBytes]))
	a.asked++
	sec, ok := a.known[id]
	if !ok {
		// No key of it can be in the group at hand: it would be known by that.
		sec = newSection(id)
		a.known[id] = sec
		a.fill(sec, 1)
	}
	sec.asked = a.asked
	return sec
}

// fill reads up to n more of the keys that Pebble has into a section's filter. One
// that cannot be read has no filter: damage is an error to who asks for what is
// damaged, and to nobody else.
func (a *sections) fill(sec *section, n int) {
	it, err := a.s.db.NewIter(&pebble.IterOptions{LowerBound: sec.from, UpperBound: after(sec.id[:])})
	if err != nil {
		sec.drop()
		return
	}
	more := it.First()
	for ; more && n > 0; n-- {
		sec.keys.add(maphash.Bytes(a.seed, it.Key()))
		sec.from = append(append(sec.from[:0:0], it.Key()...), 0) // the least key above it
		more = it.Next()
	}
	switch err := it.Close(); {
	case err != nil:
		sec.drop()
	case !more:
		sec.state, sec.from = complete, nil
	}
}

func (sec *section) drop() { sec.keys, sec.state, sec.from = filter{}, dropped, nil }

// tend is told before each group: it goes on filling, and keeps within bounds.
func (a *sections) tend() {
	var next *section
	bytes := 0
	for _, sec := range a.known {
		bytes += sec.keys.bytes
		if sec.state == filling && (next == nil || sec.asked > next.asked) {
			next = sec
		}
	}
	switch {
	case bytes > a.max || len(a.known) > maxSections:
		a.shrink(bytes)
	case next != nil:
		a.fill(next, fillStep)
	}
}

// shrink drops the filters that were asked for longest ago until they have three
// quarters of their room, and forgets half of the sections when there are too
// many. Between groups that is safe: Pebble has every key that was set.
func (a *sections) shrink(bytes int) {
	all := make([]*section, 0, len(a.known))
	for _, sec := range a.known {
		all = append(all, sec)
	}
	slices.SortFunc(all, func(x, y *section) int { return cmp.Compare(x.asked, y.asked) })
	for _, sec := range all {
		if bytes <= a.max/4*3 {
			break
		}
		bytes -= sec.keys.bytes
		sec.drop()
	}
	if len(all) > maxSections {
		for _, sec := range all[:len(all)/2] {
			delete(a.known, sec.id)
		}
	}
}

// forget forgets everything: keys were written that it was not told of.
func (a *sections) forget() { clear(a.known) }
