package awsapi

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store"
)

// remembering is a store that remembers what it was given, and how that read then.
type remembering struct {
	store.Store
	mu    sync.Mutex
	given []any
	read  []string
}

func (r *remembering) remember(v any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given, r.read = append(r.given, v), append(r.read, fmt.Sprintf("%+v", v))
}

func (r *remembering) Append(ctx context.Context, c store.Call) (store.Outcome, error) {
	after := c.After
	c.After = func(out store.Outcome) (rest store.Rest, err error) {
		if after != nil {
			rest, err = after(out)
		}
		r.remember(c.Records)
		for i := range rest.Refusals {
			r.remember(rest.Refusals[i])
			if record := rest.Refusals[i].Record; record != nil {
				r.remember(*record)
			}
		}
		if c.Token != nil {
			r.remember(*c.Token)
		}
		if c.Admission != nil {
			r.remember(*c.Admission)
		}
		if rest.Event != nil {
			r.remember(*rest.Event)
		}
		return rest, err
	}
	return r.Store.Append(ctx, c)
}

// TestNothingPointsIntoScratch: what a call gave the store reads the same when the
// memory of its body and its answer has been used for other calls: the committer,
// a reader, or an attempt that runs again may still hold it.
func TestNothingPointsIntoScratch(t *testing.T) {
	w := newWorld(t, worldOptions{})
	kept := &remembering{Store: w.store}
	w.api.Store = kept
	handler := w.api.Handler()
	call := func(operation, key, body string) {
		t.Helper()
		c := newCall("POST", operation, key, "us-east-1")
		c.body = []byte(body)
		if err := c.sign(w.truth.Now()); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(c.method, c.uri, bytes.NewReader(c.body))
		r.Host, r.Header = c.host, c.header
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	tagged := func(name string) string {
		return strings.Replace(recordOf(vectorsNow, "scans", 3), `"Quantity":3`, `"Quantity":3,"UsageAllocations":[{"AllocatedUsageQuantity":3,"Tags":[{"Key":"`+name+`","Value":"`+name+`"}]}]`, 1)
	}
	for i := range 3 {
		name := strings.Repeat(string(rune('a'+i)), 20)
		at := vectorsNow.Add(-time.Duration(i) * time.Hour)
		call("BatchMeterUsage", trapSeller, batchOf(tagged(name), tagged(name+`\u0041`), recordOf(at, "users", 1)))
		call("BatchMeterUsage", trapSeller, batchOf(recordOf(at, "users", 2))) // a duplicate
		call("BatchMeterUsage", trapSeller, `{"ProductCode":"`+name+`","UsageRecords":[]}`)
		call("BatchMeterUsage", trapSeller, `{"ProductCode":"`+name+`","UsageRecords":[`+recordOf(at, name, 1)+`]}`)
		call("BatchMeterUsage", trapSeller, batchOf(recordOf(at, name, 1))) // refused, with the dimension in its detail
		call("MeterUsage", "AKIARUNTIME000001", fmt.Sprintf(`{"ProductCode":"assistant","Timestamp":%d,"UsageDimension":"answers","UsageQuantity":1,"ClientToken":%q}`, at.Unix(), name))
		call("ResolveCustomer", trapSeller, `{"RegistrationToken":"`+name+`"}`)
	}
	overwrite := strings.Repeat("#", 4<<10)
	for range 10 {
		call("MeterUsage", "AKIARUNTIME000001", overwrite)
	}
	if len(kept.given) < 3*8 {
		t.Fatalf("the store was given %d things only", len(kept.given))
	}
	for i, v := range kept.given {
		if now := fmt.Sprintf("%+v", v); now != kept.read[i] {
			t.Errorf("the store was given\n%s\nwhich reads now\n%s", kept.read[i], now)
		}
	}
}
