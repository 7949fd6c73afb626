package awsapi

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/metering"
)

// batchAnswer is a batch's answer as a client reads it.
type batchAnswer struct {
	Results []struct {
		UsageRecord      json.RawMessage
		MeteringRecordId string //nolint:revive // the name on the wire
		Status           metering.Status
	}
	UnprocessedRecords []json.RawMessage
}

// batches draws a batch of buyer A's records, few keys and quantities, so that
// they meet.
func batches(t *rapid.T, name string) *call {
	record := rapid.Custom(func(t *rapid.T) string {
		at := vectorsNow.Add(-time.Duration(rapid.IntRange(0, 200).Draw(t, "minutes")) * time.Minute)
		dimension := rapid.SampledFrom([]string{"scans", "users"}).Draw(t, "dimension")
		return recordOf(at, dimension, rapid.IntRange(0, 2).Draw(t, "quantity"))
	})
	c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
	c.body = []byte(batchOf(rapid.SliceOfN(record, 1, 6).Draw(t, name)...))
	return c
}

// strangers draws a call that has nothing to do with those batches: another
// buyer's, another product's, another region's, one that is refused.
func strangers(t *rapid.T) *call {
	quantity := rapid.IntRange(0, 3).Draw(t, "quantity")
	c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
	c.body = []byte(batchOf(recordOf(vectorsNow, "scans", quantity)))
	switch rapid.IntRange(0, 6).Draw(t, "stranger") {
	case 0:
		c.body = []byte(strings.NewReplacer("111122223333", "444455556666", "l-0a01", "l-0b01").Replace(string(c.body)))
	case 1:
		c.body = []byte(strings.ReplaceAll(string(c.body), "l-0a01", "l-0a02"))
	case 2:
		c.region = "eu-west-1"
	case 3:
		c.body = []byte(strings.ReplaceAll(string(c.body), "l-0a01", "l-0a99"))
	case 4:
		c.key = "AKIASELLEROTHER01"
	case 5:
		c = newCall("POST", "MeterUsage", "AKIAINSTANCE00001", "us-east-1")
		c.body = fmt.Appendf(nil, `{"ProductCode":"appliance","Timestamp":%d,"UsageDimension":"requests","UsageQuantity":%d}`, vectorsNow.Unix(), quantity)
	case 6:
		c = newCall("POST", "ResolveCustomer", "AKIASELLERACME001", "us-east-1")
		c.body = []byte(`{"RegistrationToken":"token-a-scanner"}`)
	}
	return c
}

// answers plays calls and returns what was answered to those that count, with
// ids by the order in which they first came up.
func answers(t testing.TB, calls []*call, counts []bool) []string {
	t.Helper()
	w := newWorld(t, worldOptions{})
	defer w.close()
	var out, ids []string
	for i, c := range calls {
		fresh := *c
		fresh.header = c.header.Clone()
		status, body := w.handle(t, &fresh)
		if !counts[i] {
			continue
		}
		var a batchAnswer
		if err := json.Unmarshal(body, &a); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(status)
		for _, r := range a.Results {
			if !slices.Contains(ids, r.MeteringRecordId) {
				ids = append(ids, r.MeteringRecordId)
			}
			text += fmt.Sprintf(" %s %s %d", r.UsageRecord, r.Status, slices.Index(ids, r.MeteringRecordId))
		}
		out = append(out, text)
	}
	return out
}

// TestStrangersChangeNoAnswer: what has another key changes no answer.
func TestStrangersChangeNoAnswer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var all, own []*call
		var counts []bool
		for range rapid.IntRange(1, 8).Draw(rt, "calls") {
			ours := rapid.Bool().Draw(rt, "ours")
			c := (*call)(nil)
			if ours {
				c = batches(rt, "batch")
				own = append(own, c)
			} else {
				c = strangers(rt)
			}
			all, counts = append(all, c), append(counts, ours)
		}
		alone := answers(t, own, slices.Repeat([]bool{true}, len(own)))
		if diff := cmp.Diff(alone, answers(t, all, counts)); diff != "" {
			rt.Errorf("(-alone +among strangers):\n%s", diff)
		}
	})
}

// TestRepeatChangesNothing: a batch that comes again is answered as before, id
// for id, and the books stay as they are.
func TestRepeatChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, worldOptions{})
		defer w.close()
		for range rapid.IntRange(1, 4).Draw(rt, "batches") {
			c := batches(rt, "batch")
			repeat := *c
			repeat.header = c.header.Clone()
			_, first := w.handle(t, c)
			before := w.records(t)
			_, second := w.handle(t, &repeat)
			if diff := cmp.Diff(string(first), string(second)); diff != "" {
				rt.Errorf("(-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(before, w.records(t)); diff != "" {
				rt.Errorf("the books (-before +after):\n%s", diff)
			}
		}
	})
}

// lasting is a test whose world outlives it.
type lasting struct{ testing.TB }

func (lasting) Cleanup(func()) {}

// FuzzBatchMeterUsage: whatever a seller sends, the answer is no panic and no
// fault of ours, and what is stored is what was answered Success, or nothing.
func FuzzBatchMeterUsage(f *testing.F) {
	files, err := filepath.Glob("testdata/batch_*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range archive.Files {
			if !strings.HasSuffix(section.Name, ".request") {
				continue
			}
			c, err := parseCall(string(section.Data))
			if err != nil {
				f.Fatal(err)
			}
			if len(c.body) < 8<<10 {
				f.Add(c.body)
			}
		}
	}
	var w *world
	played := 0
	f.Cleanup(func() {
		if w != nil {
			w.close()
		}
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		if w == nil || played%500 == 0 { // so that what was stored before stays little
			if w != nil {
				w.close()
			}
			w = newWorld(lasting{t}, worldOptions{})
		}
		played++
		c := newCall("POST", "BatchMeterUsage", "AKIASELLERACME001", "us-east-1")
		c.body = body
		held := map[string]bool{}
		for _, r := range w.records(t) {
			held[r.ID.String()] = true
		}
		status, answer := w.handle(t, c)
		if status >= 500 {
			t.Fatalf("%d %s", status, answer)
		}
		var a batchAnswer
		if err := json.Unmarshal(answer, &a); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		if status == 200 && len(a.UnprocessedRecords) != 0 {
			t.Errorf("unprocessed: %s", answer)
		}
		if status != 200 && len(a.Results) != 0 {
			t.Errorf("an error with results: %s", answer)
		}
		for _, r := range a.Results {
			if r.Status == metering.Success {
				held[r.MeteringRecordId] = true
			}
		}
		after := w.records(t)
		for _, r := range after {
			if !held[r.ID.String()] {
				t.Errorf("%s is stored and was not answered: %s", r.ID, answer)
			}
			delete(held, r.ID.String())
		}
		for id := range held {
			t.Errorf("%s was answered and is not stored: %s", id, answer)
		}
	})
}
