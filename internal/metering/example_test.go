package metering_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

func ExampleWindow_Check() {
	sept30 := time.Date(2026, 9, 30, 20, 0, 0, 0, time.UTC)
	october := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

	// Usage of September can be reported until six in the morning of the first.
	window := metering.BatchMeterUsageWindow
	fmt.Println(window.Check(sept30, october.Add(5*time.Hour+59*time.Minute), metering.Rulings{}))
	fmt.Println(window.Check(sept30, october.Add(6*time.Hour), metering.Rulings{}))

	// Within a month it is 24 hours.
	fmt.Println(window.Check(october.Add(10*time.Hour), october.Add(34*time.Hour), metering.Rulings{}))

	// Output:
	// <nil>
	// timestamp out of bounds: 2026-09-30T20:00:00Z is of a month that closed at 2026-10-01T06:00:00Z
	// timestamp out of bounds: 2026-10-01T10:00:00Z is too old at 2026-10-02T10:00:00Z, the limit is 24 hours
}

func ExampleCheckAllocations() {
	blue := []metering.Tag{{Key: "team", Value: "blue"}, {Key: "env", Value: "prod"}}
	again := []metering.Tag{{Key: "env", Value: "prod"}, {Key: "team", Value: "blue"}}

	fmt.Println(metering.CheckAllocations([]metering.Allocation{{Quantity: 6, Tags: blue}, {Quantity: 4}}, 10))
	fmt.Println(metering.CheckAllocations([]metering.Allocation{{Quantity: 6, Tags: blue}, {Quantity: 3}}, 10))
	fmt.Println(metering.CheckAllocations([]metering.Allocation{{Quantity: 6, Tags: blue}, {Quantity: 4, Tags: again}}, 10))

	// Output:
	// <nil>
	// invalid usage allocations: the allocated quantities add up to 9, the record's quantity is 10
	// invalid usage allocations: two allocations have the same set of tags
}

func ExampleRecord_Same() {
	hour := time.Date(2026, 9, 15, 10, 0, 0, 0, time.UTC)
	held := metering.Record{Timestamp: hour.Add(5 * time.Minute), Quantity: 7}
	later := metering.Record{Timestamp: hour.Add(50 * time.Minute), Quantity: 7}
	more := metering.Record{Timestamp: hour.Add(50 * time.Minute), Quantity: 8}

	fmt.Println(later.Same(&held)) // a repeat: the minute within the hour does not count
	fmt.Println(more.Same(&held))  // a duplicate: the first was billed, and stays

	// Output:
	// true
	// false
}

func ExampleSubscriptionAt() {
	day := time.Date(2026, 9, 15, 0, 0, 0, 0, time.UTC)
	leaving := &metering.Agreement{
		Status: metering.AgreementEnding,
		Start:  day.Add(-30 * 24 * time.Hour),
		End:    day.Add(10*time.Hour + 20*time.Minute), // when the buyer left
	}

	// The last usage may be reported for an hour after the buyer has left …
	s := metering.SubscriptionAt([]*metering.Agreement{leaving}, day.Add(11*time.Hour), metering.Rulings{})
	fmt.Println(s.Open)
	fmt.Println(s.CheckActivation(day.Add(10 * time.Hour)))

	// … but not usage of the hours that came after.
	fmt.Println(errors.Is(s.CheckActivation(day.Add(11*time.Hour)), metering.ErrTimestampOutOfBounds))

	s = metering.SubscriptionAt([]*metering.Agreement{leaving}, day.Add(11*time.Hour+20*time.Minute), metering.Rulings{})
	fmt.Println(s.Open)

	// Output:
	// true
	// <nil>
	// true
	// false
}
