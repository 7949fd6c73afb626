package metering

import (
	"fmt"
	"strconv"
	"time"
)

// FutureTolerance is how far ahead of the service's clock a timestamp may lie.
// AWS documents none; five minutes is what it grants a signature.
const FutureTolerance = 5 * time.Minute

// MonthEndGrace is how long after a month's end its usage is still accepted:
// until 06:00 UTC on the first of the next (seller guide, August 2026).
const MonthEndGrace = 6 * time.Hour

// Window is how late a usage record may come. Ages are taken from the timestamp
// as it was sent; only keys are floored to the hour.
type Window struct {
	Past      time.Duration
	Inclusive bool // whether a record of exactly that age is still accepted
	Extends   bool // whether the grace after a month's end may reach further back
}

// BatchMeterUsageWindow reaches back less than 24 hours: a record that is exactly
// as old is too old (API reference of BatchMeterUsage, July 2026; it was six
// hours before that).
var BatchMeterUsageWindow = Window{Past: 24 * time.Hour, Extends: true}

// MeterUsageWindow reaches back six hours, six hours included (API reference of
// MeterUsage, August 2026). The month's end is implied by them, and R-4 is about
// BatchMeterUsage's 24 hours only.
var MeterUsageWindow = Window{Past: 6 * time.Hour, Inclusive: true}

// Check refuses a timestamp that lies outside the window at now.
func (w Window) Check(timestamp, now time.Time, r Rulings) error {
	if timestamp.After(now.Add(FutureTolerance)) {
		return fmt.Errorf("%w: %s is more than %s ahead of %s",
			ErrTimestampOutOfBounds, rfc3339(timestamp), whole(FutureTolerance), rfc3339(now))
	}
	month := monthOf(now)
	inGrace := now.Before(month.Add(MonthEndGrace))
	if inGrace && w.Extends && r.MonthEndExtends && !timestamp.Before(month.AddDate(0, -1, 0)) {
		return nil
	}
	if age := now.Sub(timestamp); age > w.Past || age == w.Past && !w.Inclusive {
		return fmt.Errorf("%w: %s is too old at %s, the limit is %s",
			ErrTimestampOutOfBounds, rfc3339(timestamp), rfc3339(now), whole(w.Past))
	}
	if timestamp.Before(month) && !inGrace {
		return fmt.Errorf("%w: %s is of a month that closed at %s",
			ErrTimestampOutOfBounds, rfc3339(timestamp), rfc3339(month.Add(MonthEndGrace)))
	}
	return nil
}

// monthOf is the first instant of the UTC month that t is in.
func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// whole is a duration of whole hours, or else of whole minutes, in words.
func whole(d time.Duration) string {
	if h := d / time.Hour; d%time.Hour == 0 {
		return strconv.Itoa(int(h)) + " hours"
	}
	return strconv.Itoa(int(d/time.Minute)) + " minutes"
}
