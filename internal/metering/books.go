package metering

import "fmt"

// Books checks what must hold over all records at once. Add every record of a
// store, in any order; memory grows with their number.
type Books struct {
	ids  map[ID]struct{}
	keys map[Key]struct{}
}

// Add enters a record and says what it breaks: a second record of one key, an
// id given twice, an hour that is not the timestamp's, a negative quantity, or
// allocations that do not add up or are not in canonical order.
func (b *Books) Add(r *Record) error {
	if b.ids == nil {
		b.ids, b.keys = make(map[ID]struct{}), make(map[Key]struct{})
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
