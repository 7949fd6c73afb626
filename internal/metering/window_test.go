package metering

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// instant reads a time that a test was written with.
func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// lateness is one row about a window: a timestamp, the clock, and whether the
// one is in time at the other.
type lateness struct {
	name      string
	timestamp string
	now       string
	ok        bool
}

func (l lateness) check(t *testing.T, w Window, r Rulings) {
	t.Helper()
	err := w.Check(instant(l.timestamp), instant(l.now), r)
	if l.ok && err != nil {
		t.Errorf("%s: %s at %s: %v", l.name, l.timestamp, l.now, err)
	}
	if !l.ok && !errors.Is(err, ErrTimestampOutOfBounds) {
		t.Errorf("%s: %s at %s: got %v, want %v", l.name, l.timestamp, l.now, err, ErrTimestampOutOfBounds)
	}
}

// TestBatchMeterUsageWindow: contract 6.2, "reject when now − ts ≥ 24 h", and
// vectors 7 and 10. The age is the timestamp's own, not its hour's.
func TestBatchMeterUsageWindow(t *testing.T) {
	for _, row := range []lateness{
		{"now", "2026-09-15T10:30:00Z", "2026-09-15T10:30:00Z", true},
		{"23:59:59 old", "2026-09-14T10:30:01Z", "2026-09-15T10:30:00Z", true},
		{"a nanosecond less than 24 h", "2026-09-14T10:30:00.000000001Z", "2026-09-15T10:30:00Z", true},
		{"exactly 24 h", "2026-09-14T10:30:00Z", "2026-09-15T10:30:00Z", false},
		{"a nanosecond more", "2026-09-14T10:29:59.999999999Z", "2026-09-15T10:30:00Z", false},
		{"less than 24 h, in an hour that began before (R-6)", "2026-09-14T10:45:00Z", "2026-09-15T10:30:00Z", true},
		{"more than 24 h, in an hour that ended after (R-6)", "2026-09-14T10:15:00Z", "2026-09-15T10:30:00Z", false},
		{"the window of before July 2026 is gone", "2026-09-15T04:29:59Z", "2026-09-15T10:30:00Z", true},
		{"centuries ago", "1500-01-01T00:00:00Z", "2026-09-15T10:30:00Z", false},
		{"before year one", "0000-01-01T00:00:00Z", "2026-09-15T10:30:00Z", false},
	} {
		row.check(t, BatchMeterUsageWindow, Rulings{})
	}
}

// TestMeterUsageWindow: contract 6.2, "reject when now − ts > 6 h", and vector 28.
func TestMeterUsageWindow(t *testing.T) {
	for _, row := range []lateness{
		{"now", "2026-09-15T10:30:00Z", "2026-09-15T10:30:00Z", true},
		{"a nanosecond less than 6 h", "2026-09-15T04:30:00.000000001Z", "2026-09-15T10:30:00Z", true},
		{"exactly 6 h", "2026-09-15T04:30:00Z", "2026-09-15T10:30:00Z", true},
		{"a nanosecond more", "2026-09-15T04:29:59.999999999Z", "2026-09-15T10:30:00Z", false},
		{"a second more", "2026-09-15T04:29:59Z", "2026-09-15T10:30:00Z", false},
		{"more than 6 h, in an hour that ended after (R-6)", "2026-09-15T04:15:00Z", "2026-09-15T10:30:00Z", false},
		{"a day", "2026-09-14T10:30:01Z", "2026-09-15T10:30:00Z", false},

		// The month's end: "implied by 6 h".
		{"5:59:59 after midnight on the 1st", "2026-09-30T23:59:59Z", "2026-10-01T05:59:58Z", true},
		{"exactly 6 h, over the month's end", "2026-09-30T23:59:59Z", "2026-10-01T05:59:59Z", true},
		{"the last instant of the month, when the month closes", "2026-09-30T23:59:59.999999999Z", "2026-10-01T06:00:00Z", false},
		{"midnight, when the month closes", "2026-10-01T00:00:00Z", "2026-10-01T06:00:00Z", true},
		{"more than 6 h, in the hours before the close", "2026-09-30T20:00:00Z", "2026-10-01T05:00:00Z", false},
		{"days, in the hours before the close", "2026-09-02T12:00:00Z", "2026-10-01T05:00:00Z", false},
	} {
		row.check(t, MeterUsageWindow, Rulings{})
		row.check(t, MeterUsageWindow, Rulings{MonthEndExtends: true}) // R-4 is about the 24 h
	}
}

// TestFutureTolerance: R-5, and vector 10.
func TestFutureTolerance(t *testing.T) {
	for _, row := range []lateness{
		{"4 min ahead", "2026-09-15T10:34:00Z", "2026-09-15T10:30:00Z", true},
		{"exactly 5 min", "2026-09-15T10:35:00Z", "2026-09-15T10:30:00Z", true},
		{"a nanosecond more", "2026-09-15T10:35:00.000000001Z", "2026-09-15T10:30:00Z", false},
		{"6 min", "2026-09-15T10:36:00Z", "2026-09-15T10:30:00Z", false},
		{"into the next hour", "2026-09-15T11:04:00Z", "2026-09-15T10:59:00Z", true},
		{"into the next month", "2026-10-01T00:04:59Z", "2026-09-30T23:59:59Z", true},
		{"centuries ahead", "2400-01-01T00:00:00Z", "2026-09-15T10:30:00Z", false},
		{"the last year there is", "9999-12-31T23:59:59Z", "2026-09-15T10:30:00Z", false},
	} {
		for _, w := range []Window{BatchMeterUsageWindow, MeterUsageWindow} {
			row.check(t, w, Rulings{})
			row.check(t, w, Rulings{MonthEndExtends: true})
		}
	}
}

// TestMonthEnd: contract 6.2. What is of the month before is accepted until
// 06:00:00 on the 1st, as a restriction on top of the 24 h (R-4, vector 9).
func TestMonthEnd(t *testing.T) {
	for _, row := range []lateness{
		{"1 Apr 05:00 accepts 31 Mar", "2026-03-31T20:00:00Z", "2026-04-01T05:00:00Z", true},
		{"1 Apr 07:00 refuses 31 Mar 20:00", "2026-03-31T20:00:00Z", "2026-04-01T07:00:00Z", false},
		{"vector 9, in time", "2026-09-30T20:00:00Z", "2026-10-01T05:59:59Z", true},
		{"vector 9, too late", "2026-09-30T20:00:00Z", "2026-10-01T06:00:00Z", false},
		{"a nanosecond before the close", "2026-09-30T20:00:00Z", "2026-10-01T05:59:59.999999999Z", true},
		{"the month's last instant, at the close", "2026-09-30T23:59:59.999999999Z", "2026-10-01T06:00:00Z", false},
		{"the new month's first, at the close", "2026-10-01T00:00:00Z", "2026-10-01T06:00:00Z", true},
		{"the rest of the 1st", "2026-10-01T00:00:00Z", "2026-10-01T23:59:59Z", true},
		{"the 2nd: a whole day of the new month", "2026-10-01T06:00:00.000000001Z", "2026-10-02T06:00:00Z", true},
		{"24 h hold in the grace, too", "2026-09-30T05:00:00Z", "2026-10-01T05:00:00Z", false},
		{"no extension", "2026-03-29T12:00:00Z", "2026-04-01T05:00:00Z", false},
		{"the end of a year, in time", "2026-12-31T23:00:00Z", "2027-01-01T05:59:59Z", true},
		{"the end of a year, too late", "2026-12-31T23:00:00Z", "2027-01-01T06:00:00Z", false},
		{"29 February, in time", "2028-02-29T12:00:00Z", "2028-03-01T05:59:59Z", true},
		{"29 February, too late", "2028-02-29T12:00:00Z", "2028-03-01T06:00:00Z", false},
		{"28 February of a leap year is followed by February", "2028-02-28T12:00:00Z", "2028-02-29T11:59:59Z", true},
		{"28 February of another year, too late", "2027-02-28T12:00:00Z", "2027-03-01T06:00:00Z", false},
		{"the month is UTC's: the clock's zone", "2026-09-30T20:00:00Z", "2026-09-30T22:00:00-08:00", false},
		{"the month is UTC's: the timestamp's zone", "2026-10-01T01:00:00+02:00", "2026-10-01T06:00:00Z", false},
	} {
		row.check(t, BatchMeterUsageWindow, Rulings{})
	}
}

// TestMonthEndExtends: the other reading of R-4. The grace reaches back over
// the whole month before; nothing else changes.
func TestMonthEndExtends(t *testing.T) {
	for _, row := range []lateness{
		{"1 Apr 05:00 accepts 29 Mar", "2026-03-29T12:00:00Z", "2026-04-01T05:00:00Z", true},
		{"the month's first instant", "2026-03-01T00:00:00Z", "2026-04-01T05:59:59.999999999Z", true},
		{"the month before that", "2026-02-28T23:59:59.999999999Z", "2026-04-01T05:00:00Z", false},
		{"a leap February's first instant", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z", true},
		{"December, from January", "2026-12-01T00:00:00Z", "2027-01-01T05:00:00Z", true},
		{"November, from January", "2026-11-30T23:59:59Z", "2027-01-01T05:00:00Z", false},
		{"the close is as before", "2026-03-31T20:00:00Z", "2026-04-01T06:00:00Z", false},
		{"within a month 24 h hold", "2026-04-01T10:00:00Z", "2026-04-02T10:00:00Z", false},
		{"the new month itself", "2026-04-01T00:00:00Z", "2026-04-01T05:00:00Z", true},
	} {
		row.check(t, BatchMeterUsageWindow, Rulings{MonthEndExtends: true})
	}
}

// TestWindowLaws: a window is a window: what is in time at some clock stays so
// until it is too late, once and for all; a window that reaches further back
// accepts no less; and a month that has closed is closed.
func TestWindowLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := drawTime(t, "now")
		stamp := now.Add(time.Duration(rapid.Int64Range(int64(-40*24*time.Hour), int64(10*time.Minute)).Draw(t, "age")))
		r := Rulings{MonthEndExtends: rapid.Bool().Draw(t, "extends")}
		batch, meter := BatchMeterUsageWindow.Check(stamp, now, r), MeterUsageWindow.Check(stamp, now, r)
		if meter == nil && batch != nil {
			t.Fatalf("six hours reach further than 24: %v", batch)
		}
		later := now.Add(time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "later")))
		if batch != nil && !stamp.After(now) && BatchMeterUsageWindow.Check(stamp, later, Rulings{}) == nil {
			t.Fatalf("%v is too late at %v and in time at %v", stamp, now, later)
		}
		closes := time.Date(stamp.Year(), stamp.Month()+1, 1, 6, 0, 0, 0, time.UTC)
		if batch == nil && !now.Before(closes) {
			t.Fatalf("%v is accepted at %v, and its month closed at %v", stamp, now, closes)
		}
		if strict := BatchMeterUsageWindow.Check(stamp, now, Rulings{}); strict == nil && batch != nil {
			t.Fatalf("the extension refuses what is accepted without it: %v", batch)
		}
	})
}

// drawTime draws an instant between 1930 and 2060, often at an edge.
func drawTime(t *rapid.T, label string) time.Time {
	seconds := rapid.OneOf(
		rapid.Int64Range(-40*365*86400, 90*365*86400),
		rapid.Map(rapid.IntRange(-480, 1080), func(month int) int64 { return time.Date(1970, time.Month(1+month), 1, 6, 0, 0, 0, time.UTC).Unix() }),
		rapid.Map(rapid.Int64Range(-30000, 700000), func(hour int64) int64 { return hour * 3600 }),
	).Draw(t, label)
	return time.Unix(seconds, rapid.SampledFrom([]int64{0, 0, 1, 999999999, 500000000, -1}).Draw(t, label+", nanoseconds")).UTC()
}
