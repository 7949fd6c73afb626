package awsapi

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/meterd/meterd/internal/metering"
)

// TestObserve: every request is told of once, with the operation, the caller and
// the outcome as far as each was known, before its answer is on the wire.
func TestObserve(t *testing.T) {
	t.Parallel()
	const seller = "AKIASELLERACME001"
	batch := func(records ...string) []byte { return []byte(batchOf(records...)) }
	hour := vectorsNow.Add(-time.Hour)
	for _, test := range []struct {
		name string
		call func(c *call)
		want Observed
	}{
		{"two records", func(c *call) {
			c.body = batch(recordOf(hour, "scans", 5), recordOf(hour, "users", 5))
		}, Observed{Outcome: "Success", Status: 200, Records: []metering.Status{metering.Success, metering.Success}}},
		{"a duplicate, a stranger", func(c *call) {
			record := `{"Timestamp":%d,"CustomerAWSAccountId":"%s","Dimension":"scans","Quantity":%d}`
			c.body = fmt.Appendf(nil, `{"ProductCode":"classic","UsageRecords":[`+strings.Repeat(record+",", 2)+record+`]}`,
				hour.Unix(), "111122223333", 5, hour.Unix(), "111122223333", 6, hour.Unix(), "777788889999", 5)
		}, Observed{Outcome: "Success", Status: 200, Records: []metering.Status{metering.Success, metering.DuplicateRecord, metering.CustomerNotSubscribed}}},
		{"too old", func(c *call) {
			c.body = batch(recordOf(vectorsNow.Add(-48*time.Hour), "scans", 5))
		}, Observed{Outcome: "TimestampOutOfBoundsException", Status: 400}},
		{"no JSON", func(c *call) { c.body = []byte("{") }, Observed{Outcome: "SerializationException", Status: 400}},
		{"a wrong secret", func(c *call) { c.secret = "other" }, Observed{Outcome: "InvalidSignatureException", Status: 400, Account: "none"}},
		{"no operation", func(c *call) {
			c.header.Set("X-Amz-Target", "AWSMPMeteringService.Invented")
		}, Observed{Outcome: "UnknownOperationException", Status: 400, Account: "none", Operation: "none"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			var seen []Observed
			w.api.Observe = func(_ context.Context, o Observed) { seen = append(seen, o) }
			w.apply(t, []byte("compat: {error_namespace: true}")) // which is not part of an outcome
			c := newCall("POST", "BatchMeterUsage", seller, "us-east-1")
			test.call(c)
			w.handle(t, c)
			want := test.want
			switch want.Account {
			case "":
				want.Account, want.Region = "210987654321", "us-east-1"
			case "none":
				want.Account = ""
			}
			switch want.Operation {
			case "":
				want.Operation = metering.BatchMeterUsage
			case "none":
				want.Operation = ""
			}
			if diff := cmp.Diff([]Observed{want}, seen, cmpopts.IgnoreFields(Observed{}, "RequestID")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestObservePanic: a call that panics is told of as the internal error it is, in
// no way twice.
func TestObservePanic(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, fmt.Errorf("the disk is full")} { // nil panics
		w := newWorld(t, worldOptions{})
		w.api.Store = failingStore{w.store, err}
		var seen []Observed
		w.api.Observe = func(_ context.Context, o Observed) { seen = append(seen, o) }
		c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
		c.body = []byte(batchOf(recordOf(vectorsNow, "scans", 5)))
		w.handle(t, c)
		if len(seen) != 1 || seen[0].Outcome != "InternalServiceErrorException" || seen[0].Status != 500 || len(seen[0].Records) != 0 || seen[0].RequestID == "" {
			t.Errorf("%v: %+v", err, seen)
		}
	}
}

// TestObserverPanics: an observer that panics is not asked again, and the caller
// reads an internal error.
func TestObserverPanics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	asked := 0
	w.api.Observe = func(context.Context, Observed) {
		asked++
		panic("the observer is gone")
	}
	c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
	c.body = []byte(batchOf(recordOf(vectorsNow, "scans", 5)))
	if status, body := w.handle(t, c); status != 500 || asked != 1 || !strings.Contains(string(body), "InternalServiceErrorException") {
		t.Errorf("%d %s, asked %d times", status, body, asked)
	}
}
