package report

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/metering"
)

const seller = "210987654321"

func record(kind metering.KeyKind, product, party, dimension, region, hour string, quantity int32) metering.Record {
	return metering.Record{
		Key: metering.Key{
			Kind: kind, Account: seller, Region: region, Product: metering.ProductCode(product),
			Party: party, Dimension: dimension, Hour: metering.HourOf(at(hour)),
		},
		Quantity: quantity,
	}
}

func at(hour string) time.Time {
	t, err := time.Parse("2006-01-02 15", hour)
	if err != nil {
		panic(err)
	}
	return t
}

// few are records of every kind, around the turn of a month, of a year, and of
// the epoch.
var few = []metering.Record{
	record(metering.KindLegacy, "p2", "111122223333", "users", "us-east-1", "2026-08-31 23", 1),
	record(metering.KindLicense, "p1", "111122223333/arn:aws:license-manager::1:license:l-1", "users", "us-east-1", "2026-08-31 23", 2),
	record(metering.KindLicense, "p1", "111122223333/arn:aws:license-manager::1:license:l-2", "users", "us-east-1", "2026-09-01 00", 4),
	record(metering.KindResource, "p1", "444455556666/i-0123", "scans", "eu-west-1", "2026-09-01 00", 8),
	record(metering.KindResource, "p1", "444455556666/i-0456", "scans", "us-east-1", "2026-09-01 01", 16),
	record(metering.KindRuntime, "p1", "0199-an-id-of-its-own", "scans", "us-east-1", "2026-12-31 23", 32),
	record(metering.KindRuntime, "p1", "0199-another", "scans", "us-east-1", "2027-01-01 00", 64),
	record(metering.KindLegacy, "p1", "111122223333", "users", "us-east-1", "1969-12-31 23", 128),
}

func TestSums(t *testing.T) {
	for _, test := range []struct {
		columns []Column
		want    string
	}{
		{nil, `
			p1 scans 120/4
			p1 users 134/3
			p2 users 1/1`},
		{[]Column{Buyer}, `
			p1 111122223333 users 134/3
			p1 210987654321 scans 96/2
			p1 444455556666 scans 24/2
			p2 111122223333 users 1/1`},
		{[]Column{Region}, `
			p1 scans eu-west-1 8/1
			p1 scans us-east-1 112/3
			p1 users us-east-1 134/3
			p2 users us-east-1 1/1`},
		{[]Column{Hour}, `
			p1 1969-12-31T23 users 128/1
			p1 2026-08-31T23 users 2/1
			p1 2026-09-01T00 scans 8/1
			p1 2026-09-01T00 users 4/1
			p1 2026-09-01T01 scans 16/1
			p1 2026-12-31T23 scans 32/1
			p1 2027-01-01T00 scans 64/1
			p2 2026-08-31T23 users 1/1`},
		{[]Column{Day}, `
			p1 1969-12-31T00 users 128/1
			p1 2026-08-31T00 users 2/1
			p1 2026-09-01T00 scans 24/2
			p1 2026-09-01T00 users 4/1
			p1 2026-12-31T00 scans 32/1
			p1 2027-01-01T00 scans 64/1
			p2 2026-08-31T00 users 1/1`},
		{[]Column{Region, Month, Buyer}, `
			p1 1969-12-01T00 111122223333 users us-east-1 128/1
			p1 2026-08-01T00 111122223333 users us-east-1 2/1
			p1 2026-09-01T00 111122223333 users us-east-1 4/1
			p1 2026-09-01T00 444455556666 scans eu-west-1 8/1
			p1 2026-09-01T00 444455556666 scans us-east-1 16/1
			p1 2026-12-01T00 210987654321 scans us-east-1 32/1
			p1 2027-01-01T00 210987654321 scans us-east-1 64/1
			p2 2026-08-01T00 111122223333 users us-east-1 1/1`},
	} {
		var want []string
		for line := range strings.Lines(strings.TrimSpace(test.want)) {
			want = append(want, strings.TrimSpace(line))
		}
		if diff := cmp.Diff(want, text(fold(t, few, test.columns))); diff != "" {
			t.Errorf("%v: (-want +got)\n%s", test.columns, diff)
		}
	}
}

func fold(t testing.TB, records []metering.Record, columns []Column) []Sum {
	t.Helper()
	s, err := New(columns...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if err := s.Add(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	return s.Rows()
}

func text(sums []Sum) []string {
	var lines []string
	for _, s := range sums {
		start := ""
		if !s.Start.IsZero() {
			start = s.Start.Format("2006-01-02T15")
		}
		line := fmt.Sprintf("%s %s %s %s %s %d/%d", s.Product, start, s.Buyer, s.Dimension, s.Region, s.Quantity, s.Records)
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

func TestWrongColumns(t *testing.T) {
	for want, columns := range map[string][]Column{
		`"colour" is no column: there are [buyer region hour day month]`: {Buyer, "colour"},
		`"product" is no column`:               {"product"},
		`the column buyer is asked for twice`:  {Buyer, Region, Buyer},
		`hour and month are both asked for: a`: {Hour, Month},
	} {
		if _, err := New(columns...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %s", columns, err, want)
		}
	}
}

// TestTooManyRows: the row that is one too many is refused, a record of a row that
// is there is not, and what was counted stays.
func TestTooManyRows(t *testing.T) {
	s, err := New(Hour)
	if err != nil {
		t.Fatal(err)
	}
	r := few[0]
	for i := range maxRows {
		r.Key.Hour = metering.Hour(i)
		if err := s.Add(&r); err != nil {
			t.Fatal(err)
		}
	}
	r.Key.Hour = maxRows
	if err := s.Add(&r); !errors.Is(err, ErrTooManyRows) {
		t.Errorf("row %d: %v", maxRows+1, err)
	}
	r.Key.Hour = 0
	if err := s.Add(&r); err != nil {
		t.Errorf("another record of the first row: %v", err)
	}
	if rows := s.Rows(); len(rows) != maxRows || rows[0].Records != 2 {
		t.Errorf("%d rows, the first of %d records", len(rows), rows[0].Records)
	}
}

func TestOverflow(t *testing.T) {
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	r := few[0]
	r.Quantity = math.MaxInt32
	if err := s.Add(&r); err != nil {
		t.Fatal(err)
	}
	for _, sum := range s.rows {
		sum.Quantity = math.MaxInt64 - math.MaxInt32
	}
	if err := s.Add(&r); err != nil {
		t.Errorf("up to 2^63-1: %v", err)
	}
	r.Quantity = 1
	if err := s.Add(&r); !errors.Is(err, ErrOverflow) {
		t.Errorf("above 2^63-1: %v", err)
	}
	if sum := s.Rows()[0]; sum.Quantity != math.MaxInt64 || sum.Records != 2 {
		t.Errorf("after the error: %+v", sum)
	}
}

// TestLaws: whatever the columns, the rows add up to the records, no two rows are
// of the same place, and the order of adding does not matter.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := drawColumns(t)
		records := rapid.SliceOfN(rapid.Custom(drawRecord), 0, 60).Draw(t, "records")
		rows := foldRapid(t, records, columns)

		want := map[string]int64{}
		for _, r := range records {
			want[string(r.Key.Product)+" "+r.Key.Dimension] += int64(r.Quantity)
			want["records"]++
		}
		got := map[string]int64{}
		places := map[Sum]bool{}
		for _, sum := range rows {
			got[string(sum.Product)+" "+sum.Dimension] += sum.Quantity
			got["records"] += sum.Records
			sum.Quantity, sum.Records = 0, 0
			if places[sum] {
				t.Fatalf("two rows of %+v", sum)
			}
			places[sum] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%v: the rows do not add up to the records (-records +rows)\n%s", columns, diff)
		}
		if diff := cmp.Diff(rows, foldRapid(t, rapid.Permutation(records).Draw(t, "other order"), columns)); diff != "" {
			t.Fatalf("%v: another order, other rows (-one +other)\n%s", columns, diff)
		}
	})
}

func drawColumns(t *rapid.T) []Column {
	columns := []Column{}
	for _, c := range []Column{Buyer, Region, rapid.SampledFrom([]Column{"", Hour, Day, Month}).Draw(t, "period")} {
		if c != "" && rapid.Bool().Draw(t, string(c)) {
			columns = append(columns, c)
		}
	}
	return columns
}

func drawRecord(t *rapid.T) metering.Record {
	r := metering.Record{Quantity: rapid.Int32Range(0, math.MaxInt32).Draw(t, "quantity")}
	r.Key = metering.Key{
		Kind:      rapid.SampledFrom([]metering.KeyKind{metering.KindLegacy, metering.KindLicense, metering.KindResource, metering.KindRuntime}).Draw(t, "kind"),
		Account:   seller,
		Region:    rapid.SampledFrom([]string{"us-east-1", "eu-west-1"}).Draw(t, "region"),
		Product:   rapid.SampledFrom([]metering.ProductCode{"a", "b"}).Draw(t, "product"),
		Party:     rapid.SampledFrom([]string{"1", "2", "1/x", "1/y", "2/x/y"}).Draw(t, "party"),
		Dimension: rapid.SampledFrom([]string{"users", "scans"}).Draw(t, "dimension"),
		Hour:      metering.Hour(rapid.Int32Range(-2000, 2000).Draw(t, "hour")),
	}
	return r
}

func foldRapid(t *rapid.T, records []metering.Record, columns []Column) []Sum {
	s, err := New(columns...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if err := s.Add(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	return s.Rows()
}

// BenchmarkAdd folds a month of records, hours ascending as the store hands them
// out: 50 buyers with 4 dimensions each.
func BenchmarkAdd(b *testing.B) {
	var records []metering.Record
	for hour := range 720 {
		for buyer := range 50 {
			for dimension := range 4 {
				records = append(records, metering.Record{Quantity: 7, Key: metering.Key{
					Kind: metering.KindLicense, Account: seller, Region: "us-east-1", Product: "demo-saas",
					Party:     fmt.Sprintf("%012d/arn:aws:license-manager::294406891311:license:l-%d", buyer, buyer),
					Dimension: fmt.Sprintf("dimension-%d", dimension), Hour: metering.Hour(490_000 + hour),
				}})
			}
		}
	}
	shuffled := slices.Clone(records)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for _, bench := range []struct {
		name    string
		records []metering.Record
		columns []Column
	}{
		{"product", records, nil},
		{"buyer-region-day", records, []Column{Buyer, Region, Day}},
		{"buyer-month", records, []Column{Buyer, Month}},
		{"buyer-month-shuffled", shuffled, []Column{Buyer, Month}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fold(b, bench.records, bench.columns)
			}
			b.ReportMetric(float64(len(bench.records))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrecords/s")
		})
	}
}
