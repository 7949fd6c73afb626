package metering

import (
	"fmt"
	"maps"
)

// Books checks what must hold over all records at once. Add every record of a
// store, in any order; memory grows with their number. Who adds them by the hour
// closes the hours that are done: then it is the ids alone that stay, some forty
// bytes for each record.
type Books struct {
	ids    map[ID]struct{}
	keys   map[Key]struct{} // of hours that are not closed
	closed Hour             // hours before this one are
	any    bool             // some hour is closed
}

// Close says that no record of an hour before this one is to come: what is
// remembered of them, but their ids, is let go of.
func (b *Books) Close(before Hour) {
	if b.any && before <= b.closed {
		return
	}
	b.closed, b.any = before, true
	maps.DeleteFunc(b.keys, func(k Key, _ struct{}) bool { return k.Hour < before })
	if len(b.keys) == 0 {
		b.keys = nil // a map never shrinks
	}
}

// Add enters a record and says what it breaks: a second record of one key, an
// id given twice, an hour that is not the timestamp's, a negative quantity, or
// allocations that do not add up or are not in canonical order.
func (b *Books) Add(r *Record) error {
	if b.any && r.Key.Hour < b.closed {
		return fmt.Errorf("record %s of hour %s came after those of later hours", r.ID, rfc3339(r.Key.Hour.Time()))
	}
	if b.ids == nil {
		b.ids = make(map[ID]struct{})
	}
	if b.keys == nil {
		b.keys = make(map[Key]struct{})
	}
	if _, twice := b.ids[r.ID]; twice {
		return fmt.Errorf("id %s was given twice", r.ID)
	}
	if _, twice := b.keys[r.Key]; twice {
		return fmt.Errorf("record %s: its key %+v is held twice", r.ID, r.Key)
	}
	b.ids[r.ID], b.keys[r.Key] = struct{}{}, struct{}{}
	if HourOf(r.Timestamp) != r.Key.Hour {
		return fmt.Errorf("record %s: %s is not of hour %s", r.ID, rfc3339(r.Timestamp), rfc3339(r.Key.Hour.Time()))
	}
	if r.Quantity < 0 {
		return fmt.Errorf("record %s: quantity %d", r.ID, r.Quantity)
	}
	if err := CheckAllocations(r.Allocations, r.Quantity); err != nil {
		return fmt.Errorf("record %s: %w", r.ID, err)
	}
	if canonical := (&Record{Quantity: r.Quantity, Allocations: Canonical(r.Allocations)}); !r.Same(canonical) {
		return fmt.Errorf("record %s: allocations are not in canonical order", r.ID)
	}
	return nil
}

// Len is the number of records entered.
func (b *Books) Len() int { return len(b.ids) }
