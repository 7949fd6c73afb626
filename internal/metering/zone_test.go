package metering_test

import (
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// The hour of an instant is UTC's, wherever the machine stands and whatever zone
// the instant is told in. Half an hour's offset moves half of all records, so a
// machine in UTC alone would show nothing. It sets the zone for a moment: no test
// beside it may run.
func TestHourInAnyZone(t *testing.T) {
	was := time.Local
	t.Cleanup(func() { time.Local = was })
	at := time.Date(2026, 3, 31, 23, 45, 0, 0, time.UTC)
	want := metering.HourOf(at)
	for _, minutes := range []int{0, 330, -210, 765, -720} {
		zone := time.FixedZone("here", minutes*60)
		time.Local = zone
		for _, told := range []time.Time{at, at.In(zone), at.Local()} {
			if got := metering.HourOf(told); got != want {
				t.Errorf("%d minutes east, %s: hour %d, want %d", minutes, told, got, want)
			}
		}
		if got, want := metering.HourOf(at).Time(), time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC); !got.Equal(want) {
			t.Errorf("%d minutes east: hour %s, want %s", minutes, got, want)
		}
	}
}
