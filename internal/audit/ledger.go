package audit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// ledger holds records and events against each other: a sum of what each hour's
// events have made, and of what its records are. Where the sums are the same, so are
// the records; where not, they are looked at one by one. Nobody can choose records
// that make the sum of others: it has a key that is made for one verification.
type ledger struct {
	key     [32]byte
	since   time.Time // records that were received before may have no event any more
	hours   map[metering.Hour]*[2]sum
	early   map[metering.Hour]bool // hours of records that are older and have an event still
	scratch []byte
}

// sum is a sum of hashes, word by word.
type sum [4]uint64

// begin makes the key, and learns since when there must be events.
func (l *ledger) begin(v *verifier) {
	rand.Read(l.key[:]) // never fails, by its contract
	l.hours, l.early = make(map[metering.Hour]*[2]sum), make(map[metering.Hour]bool)
	l.since, v.report.Since = v.since, v.since
}

// made takes in what an event has made.
func (l *ledger) made(ev *store.Event) {
	for i := range ev.Records {
		r, ok := ev.Made(i)
		switch {
		case !ok:
		case r.Received.Before(l.since):
			l.early[r.Key.Hour] = true
		default:
			l.add(0, &r, ev.Records[i].Allocations, ev.Records[i].AllocationsSum)
		}
	}
}

// add adds a record to one of its hour's two sums.
func (l *ledger) add(side int, r *metering.Record, allocations int, of [32]byte) {
	bare := *r
	bare.Allocations = nil
	b := append(l.scratch[:0], l.key[:]...)
	b = store.AppendRecord(b, &bare)
	b = binary.AppendUvarint(b, uint64(allocations))
	b = append(b, of[:]...)
	l.scratch = b
	hash := sha256.Sum256(b)
	sums := l.hours[r.Key.Hour]
	if sums == nil {
		sums = new([2]sum)
		l.hours[r.Key.Hour] = sums
	}
	for i := range sums[side] {
		sums[side][i] += binary.BigEndian.Uint64(hash[8*i:])
	}
}

// No record lies in an hour before the first, or in the end or after it.
const firstHour, endHour = metering.Hour(math.MinInt32), metering.Hour(math.MaxInt32)

// compare reads the records, and looks one by one at those of hours that do not
// agree.
func (l *ledger) compare(ctx context.Context, v *verifier) error {
	for r, err := range v.records(ctx, store.RecordQuery{From: firstHour, To: endHour}, v.damaged) {
		if err != nil {
			return err
		}
		v.report.Records++
		if !r.Received.Before(l.since) {
			l.add(1, r, len(r.Allocations), store.SumAllocations(r.Allocations))
		}
	}
	for hour, sums := range l.hours {
		if sums[0] != sums[1] {
			l.early[hour] = true
		}
	}
	hours := slices.Sorted(maps.Keys(l.early))
	for len(hours) > 0 {
		if v.report.full() {
			v.report.add(Finding{Kind: RecordChanged, Text: fmt.Sprintf("records and events of %d more hours do not agree", len(hours))})
			return nil
		}
		n, err := l.look(ctx, v, hours)
		if err != nil {
			return err
		}
		hours = hours[n:]
	}
	return nil
}

// maxLooked is how many records are looked at together; an hour is not divided.
const maxLooked = 200_000

// looked is a record that is looked at, but for its allocations.
type looked struct {
	record      metering.Record
	allocations int
	sum         [32]byte
	made        int // by how many events
}

// look reads the records of the first of the hours, and then all events: what those
// have made and is not among them came meanwhile, or is not as they say. It returns
// how many hours it has looked at.
func (l *ledger) look(ctx context.Context, v *verifier, hours []metering.Hour) (n int, err error) {
	known := make(map[metering.ID]*looked)
	asked := make(map[metering.Hour]bool)
	for ; n < len(hours) && len(known) < maxLooked; n++ {
		asked[hours[n]] = true
		for r, err := range v.records(ctx, store.RecordQuery{From: hours[n], To: hours[n] + 1}, nil) {
			if err != nil {
				return n, err
			}
			k := &looked{*r, len(r.Allocations), store.SumAllocations(r.Allocations), 0}
			k.record.Allocations = nil
			if known[r.ID] != nil {
				v.report.ofRecord(RecordWithoutEvent, r, nil, "another record has its id")
			}
			known[r.ID] = k
		}
	}
	for ev, err := range v.events(ctx, store.EventQuery{}, nil) {
		if err != nil {
			return n, err
		}
		for i := range ev.Records {
			r, ok := ev.Made(i)
			if !ok || !asked[r.Key.Hour] && known[r.ID] == nil {
				continue
			}
			if err := v.match(ctx, known[r.ID], &r, ev, i); err != nil {
				return n, err
			}
		}
	}
	for _, k := range known {
		if k.made == 0 && !k.record.Received.Before(l.since) {
			v.report.ofRecord(RecordWithoutEvent, &k.record, nil, "no event has made it")
		}
	}
	return n, nil
}

// match holds a record against an event that has made it.
func (v *verifier) match(ctx context.Context, k *looked, r *metering.Record, ev *store.Event, i int) error {
	said := &ev.Records[i]
	if k == nil {
		k, err := v.find(ctx, r)
		if err != nil || k != nil && k.ID == r.ID {
			return err
		}
		if k != nil {
			v.report.ofRecord(RecordMissing, r, ev, "%s made it, and record %s holds its key", ev.Link, k.ID)
		} else {
			v.report.ofRecord(RecordMissing, r, ev, "%s made it, and it is gone", ev.Link)
		}
		return nil
	}
	if k.made++; k.made > 1 {
		v.report.ofRecord(RecordChanged, r, ev, "%s made it, and so did another event", ev.Link)
	}
	if what := differ(k, r, said); what != "" {
		v.report.ofRecord(RecordChanged, r, ev, "%s made it with %s", ev.Link, what)
	}
	return nil
}

// differ says what a record has otherwise than its event.
func differ(k *looked, r *metering.Record, said *store.EventRecord) string {
	is := &k.record
	switch {
	case is.Key != r.Key:
		return fmt.Sprintf("the key %+v, and it has %+v", r.Key, is.Key)
	case is.Quantity != r.Quantity:
		return fmt.Sprintf("quantity %d, and it has %d", r.Quantity, is.Quantity)
	case !is.Timestamp.Equal(r.Timestamp):
		return fmt.Sprintf("timestamp %s, and it has %s", r.Timestamp, is.Timestamp)
	case !is.Received.Equal(r.Received):
		return fmt.Sprintf("receipt at %s, and it has %s", r.Received, is.Received)
	case is.Workload != r.Workload:
		return fmt.Sprintf("workload %q, and it has %q", r.Workload, is.Workload)
	case k.allocations != said.Allocations || k.sum != said.AllocationsSum:
		return "other allocations"
	}
	return ""
}

// find looks for a record by its id, and if that is not there, by its key.
func (v *verifier) find(ctx context.Context, r *metering.Record) (found *metering.Record, err error) {
	q := store.RecordQuery{Account: r.Key.Account, Product: r.Key.Product, From: r.Key.Hour, To: r.Key.Hour + 1}
	for is, err := range v.records(ctx, q, nil) {
		if err != nil {
			return nil, err
		}
		if is.ID == r.ID {
			return is, nil
		}
		if is.Key == r.Key {
			found = is
		}
	}
	return found, nil
}
