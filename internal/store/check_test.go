package store

import (
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// TestAsKept: a call as it is read back shares the records of one that is so
// already, and leaves any other as it was given.
func TestAsKept(t *testing.T) {
	at := time.Date(2026, 9, 15, 10, 30, 0, 0, time.UTC)
	kept := Call{At: at, Records: []metering.Record{{Timestamp: at, Received: at}, {Timestamp: at, Received: at}}}
	if got := kept.AsKept(); &got.Records[0] != &kept.Records[0] {
		t.Error("records were copied that are as they are kept")
	}

	local := at.In(time.FixedZone("", 3600))
	given := Call{At: local, Records: []metering.Record{{Timestamp: at, Received: at}, {Timestamp: local, Received: local, Allocations: []metering.Allocation{}}}}
	got := given.AsKept()
	if r := &given.Records[1]; r.Timestamp != local || r.Received != local || r.Allocations == nil {
		t.Errorf("what was given is changed: %+v", r)
	}
	if r := &got.Records[1]; got.At != at || r.Timestamp != at || r.Received != at || r.Allocations != nil {
		t.Errorf("at %v: %+v", got.At, r)
	}
	if len(got.Records) != 2 || got.Records[0].Timestamp != at {
		t.Errorf("%+v", got.Records)
	}
}
