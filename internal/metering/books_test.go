package metering

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBooks: what must hold over all records at once, each broken once.
func TestBooks(t *testing.T) {
	at := instant("2026-09-15T10:05:00Z")
	sound := func() Record {
		return Record{
			ID: ID{2}, Timestamp: at, Received: at, Quantity: 10, Allocations: []Allocation{{4, nil}, {6, tags("a=1", "b=1")}},
			Key: Key{Kind: KindLegacy, Account: "s", Region: "us-east-1", Product: "p", Party: "b", Dimension: "users", Hour: HourOf(at)},
		}
	}
	for _, row := range []struct {
		name   string
		change func(*Record)
		want   string // part of what is said; "" is nothing
	}{
		{"sound", func(*Record) {}, ""},
		{"no allocations", func(r *Record) { r.Allocations = nil }, ""},
		{"nothing used", func(r *Record) { r.Quantity, r.Allocations = 0, nil }, ""},
		{"an id given twice", func(r *Record) { r.ID = ID{1} }, "given twice"},
		{"a key held twice", func(r *Record) { r.Key.Dimension = "scans" }, "held twice"},
		{"the hour before", func(r *Record) { r.Key.Hour-- }, "is not of hour"},
		{"the hour after", func(r *Record) { r.Key.Hour++ }, "is not of hour"},
		{"a negative quantity", func(r *Record) { r.Quantity, r.Allocations = -1, nil }, "quantity -1"},
		{"a sum that is not the quantity", func(r *Record) { r.Quantity = 11 }, "add up"},
		{"one set of tags twice", func(r *Record) { r.Allocations = []Allocation{{4, nil}, {6, nil}} }, "same set"},
		{"allocations not in order", func(r *Record) { r.Allocations = []Allocation{{6, tags("a=1", "b=1")}, {4, nil}} }, "canonical"},
		{"tags not in order", func(r *Record) { r.Allocations = []Allocation{{4, nil}, {6, tags("b=1", "a=1")}} }, "canonical"},
	} {
		var b Books
		first := sound()
		first.ID, first.Key.Dimension = ID{1}, "scans"
		if err := b.Add(&first); err != nil {
			t.Fatal(err)
		}
		r := sound()
		row.change(&r)
		err := b.Add(&r)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: got %v, want it to say %q", row.name, err, row.want)
		}
		if want := 2; row.want == "" && b.Len() != want {
			t.Errorf("%s: %d records, want %d", row.name, b.Len(), want)
		}
	}
}

// TestBooksByTheHour: with hours closed, what is held twice is found all the same,
// an hour that comes too late is said, and little is remembered of each record.
func TestBooksByTheHour(t *testing.T) {
	at := instant("2026-09-15T10:05:00Z")
	record := func(n, hour int) *Record {
		at := at.Add(time.Duration(hour) * time.Hour)
		return &Record{
			ID: ID{byte(n >> 16), byte(n >> 8), byte(n)}, Timestamp: at, Received: at, Quantity: 1,
			Key: Key{Kind: KindLegacy, Account: "s", Region: "us-east-1", Product: "p", Party: "buyer" + strconv.Itoa(n), Dimension: "users", Hour: HourOf(at)},
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var b Books
	const hours, each = 200, 500
	before := heap()
	for n := range hours * each {
		r := record(n, n/each)
		b.Close(r.Key.Hour)
		if err := b.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if per := (heap() - before) / (hours * each); per > 64 {
		t.Errorf("%d bytes are remembered of each record", per)
	}
	now := HourOf(at) + hours - 1
	last := record(hours*each-1, hours-1)
	for _, row := range []struct {
		change func(*Record)
		want   string
	}{
		{func(r *Record) { r.ID = ID{0xff}; r.Key.Hour = now }, "held twice"},
		{func(r *Record) { r.ID, r.Key.Party = ID{0, 0, 1}, "new" }, "given twice"},
		{func(r *Record) { r.ID, r.Key.Hour = ID{0xff}, now-1 }, "came after"},
	} {
		r := *last
		row.change(&r)
		if err := b.Add(&r); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("got %v, want it to say %q", err, row.want)
		}
	}
	b.Close(now - 5) // is closed already
	if err := b.Add(record(hours*each, hours-1)); err != nil || b.Len() != hours*each+1 {
		t.Errorf("%d records, %v", b.Len(), err)
	}
}

// ledger is a store in its fewest words: the first that comes takes the key.
type ledger struct {
	held map[Key]Record
	made byte
}

// batch reports a claim and returns what its caller is told.
func (l *ledger) batch(c Claim, region string, now time.Time, r Rulings) (Status, ID) {
	l.made++
	record := BatchRecord(ID{l.made}, "210987654321", region, &Product{Code: "p"}, c, now)
	holder, held := l.held[record.Key]
	if !held {
		holder = record
		l.held[record.Key] = record
	}
	return StatusOf(&record, &holder, r), holder.ID
}

// drawClaims draws claims of few buyers, hours and quantities, so that keys meet.
func drawClaims(t *rapid.T, label string) []Claim {
	draw := rapid.Custom(func(t *rapid.T) Claim {
		buyer := rapid.SampledFrom([]AccountID{"1", "2"}).Draw(t, "buyer")
		u := &UsageRecord{
			Account:    buyer,
			Timestamp:  instant("2026-09-15T10:00:00Z").Add(time.Duration(rapid.IntRange(0, 119).Draw(t, "minute")) * time.Minute),
			Dimension:  rapid.SampledFrom([]string{"scans", "users"}).Draw(t, "dimension"),
			LicenseARN: rapid.SampledFrom([]string{"", "l-1"}).Draw(t, "license"),
			Quantity:   rapid.Int32Range(0, 2).Draw(t, "quantity"),
		}
		if rapid.Bool().Draw(t, "allocated") {
			u.Allocations = []Allocation{{u.Quantity, tags("a=1")}, {0, nil}}
		}
		return Claim{UsageRecord: u, Buyer: buyer, Subscribed: true}
	})
	return rapid.SliceOfN(draw, 0, 12).Draw(t, label)
}

// TestRepeatNeverChangesTheBooks: whatever of a call is sent again, in whatever
// order, changes no book, and gets the answer it had (contract 4.1, "a retry may
// carry the same records or a subset").
func TestRepeatNeverChangesTheBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := instant("2026-09-15T12:00:00Z")
		l := ledger{held: map[Key]Record{}}
		claims := drawClaims(t, "claims")
		type answer struct {
			Status
			ID
		}
		first := make([]answer, len(claims))
		for i, c := range claims {
			status, id := l.batch(c, "us-east-1", now, Rulings{})
			first[i] = answer{status, id}
		}
		held := len(l.held)
		var total int64
		for _, r := range l.held {
			total += int64(r.Quantity)
		}

		order := make([]int, len(claims))
		for i := range order {
			order[i] = i
		}
		for _, i := range rapid.Permutation(order).Draw(t, "again") {
			again := claims[i]
			other := *again.UsageRecord
			other.Allocations = shuffled(t, other.Allocations)
			other.Timestamp = other.Timestamp.Truncate(time.Hour).Add(time.Duration(rapid.IntRange(0, 59).Draw(t, "minute")) * time.Minute)
			again.UsageRecord = &other
			status, id := l.batch(again, "us-east-1", now.Add(time.Hour), Rulings{})
			if (answer{status, id}) != first[i] {
				t.Fatalf("%+v was answered %v, and again %v", *claims[i].UsageRecord, first[i], answer{status, id})
			}
			if status, same := l.batch(again, "us-east-1", now, Rulings{RepeatIsDuplicate: true}); status != DuplicateRecord || same != id {
				t.Fatalf("with R-1's switch: %v %v", status, same)
			}
		}

		var after int64
		var b Books
		for _, r := range l.held {
			after += int64(r.Quantity)
			if err := b.Add(&r); err != nil {
				t.Fatal(err)
			}
		}
		if b.Len() != held || after != total {
			t.Fatalf("the books had %d records of %d in all, and now %d of %d", held, total, b.Len(), after)
		}
	})
}

// TestUnrelatedRecordsChangeNothing: what is said of a claim depends on no
// record of another key.
func TestUnrelatedRecordsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := instant("2026-09-15T12:00:00Z")
		claims, others := drawClaims(t, "claims"), drawClaims(t, "others")
		alone, together := ledger{held: map[Key]Record{}}, ledger{held: map[Key]Record{}}
		ids := map[ID]ID{} // of a record alone → of the same one among others
		for _, c := range claims {
			for len(others) > 0 && rapid.Bool().Draw(t, "another first") {
				together.batch(others[0], "eu-west-1", now, Rulings{})
				others = others[1:]
			}
			want, id := alone.batch(c, "us-east-1", now, Rulings{})
			got, among := together.batch(c, "us-east-1", now, Rulings{})
			if got != want {
				t.Fatalf("%+v: %s alone, %s among others", *c.UsageRecord, want, got)
			}
			if before, known := ids[id]; known && before != among {
				t.Fatalf("%+v: another record holds its key among others", *c.UsageRecord)
			}
			ids[id] = among
		}
	})
}
