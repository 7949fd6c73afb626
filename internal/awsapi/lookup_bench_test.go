package awsapi

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/awsjson"
	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// lookedThrough is how long ago the first of the events was: they are spread evenly
// over the ninety days.
const lookedThrough = lookupReach

// stored is the n-th of many events, newest last: 98 of a hundred are batches of one
// record, as most calls are small.
func stored(n, many int, ids *id.Source) *store.Event {
	at := trueNow.Add(-lookedThrough + lookedThrough/time.Duration(many)*time.Duration(n))
	ids.Now = func() time.Time { return at }
	ev := &store.Event{
		ID: ids.New(), RequestID: ids.New(), Time: at, Account: lookedUp, Operation: metering.BatchMeterUsage, Region: "us-east-1",
		SourceIP: "198.51.100.7", UserAgent: "aws-sdk-go-v2/1.47.0 ua/2.1 os/linux lang/go#1.26.8 md/GOOS#linux md/GOARCH#amd64 api/marketplacemetering#1.45.0",
		Caller:  store.EventCaller{ARN: "arn:aws:iam::210987654321:user/ci", UserID: "AIDAEXAMPLE", KeyID: "AKIASELLERACME001"},
		Product: "scanner",
	}
	switch {
	case n%100 == 7:
		ev.Operation = metering.ResolveCustomer
	case n%100 == 8:
		ev.Operation = metering.GetEntitlements
	default:
		ev.Records = []store.EventRecord{{
			ID: ids.New(), Status: metering.Success, Kind: metering.KindLicense, Timestamp: at, Dimension: "scans", Quantity: 7,
			Buyer: "111122223333", LicenseARN: "arn:aws:license-manager::294406891311:license:l-0a02",
		}}
	}
	return ev
}

// fill makes a store of many events, and opens it.
func fill(b *testing.B, dir string, many int) *embedded.Store {
	b.Helper()
	open := func() *embedded.Store {
		db, err := embedded.Open(embedded.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		return db
	}
	if _, err := os.Stat(dir); err == nil {
		return open() // of a run before
	}
	db := open()
	ctx, chain, ids := context.Background(), store.NewChain([32]byte{}), new(id.Source)
	for n := 0; n < many; {
		var part []store.Item
		for ; len(part) < 5000 && n < many; n++ {
			ev := stored(n, many, ids)
			chain.Link(ev, store.AppendEvent(nil, ev))
			part = append(part, store.Item{Event: ev})
		}
		if err := db.Import(ctx, part, "on"); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Import(ctx, nil, ""); err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	return open()
}

// BenchmarkLookupEvents is the first page of a lookup among a million events on disk,
// from the parameters to the body: of fifty events, but where there are fewer.
// METERD_BENCH_EVENTS sets how many there are, and METERD_BENCH_DIR where they are made once.
// first-ms is what the first took, with a store that was just opened.
func BenchmarkLookupEvents(b *testing.B) {
	many := 1_000_000
	if text := os.Getenv("METERD_BENCH_EVENTS"); text != "" {
		var err error
		if many, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	dir := filepath.Join(b.TempDir(), "events")
	if kept := os.Getenv("METERD_BENCH_DIR"); kept != "" {
		dir = kept
	}
	fill(b, dir, many).Close()
	name := func(key, value string, start, end time.Time) *lookupEventsInput {
		text := func(s string) awsjson.Opt[string] { return awsjson.Opt[string]{Value: s, Set: true} }
		stamp := func(t time.Time) awsjson.Opt[awsjson.Timestamp] {
			return awsjson.Opt[awsjson.Timestamp]{Value: awsjson.Timestamp{Time: t}, Set: !t.IsZero()}
		}
		return &lookupEventsInput{attributes: []lookupAttribute{{text(key), text(value)}}, start: stamp(start), end: stamp(end)}
	}
	middle, never := trueNow.Add(-lookedThrough/2), time.Time{}
	for _, bench := range []struct {
		name string
		in   *lookupEventsInput
		want int
	}{
		{"name_and_day", name("EventName", "BatchMeterUsage", middle, middle.Add(24*time.Hour)), 50},
		{"rare_name_and_day", name("EventName", "ResolveCustomer", middle, middle.Add(24*time.Hour)), 50},
		{"rare_name", name("EventName", "GetEntitlements", never, never), 50},
		{"absent_name", name("EventName", "MeterUsage", never, never), 0},
		{"id", name("EventId", "", never, never), 1},
		{"user", name("Username", "ci", never, never), 50},
		{"absent_user", name("Username", "nobody", never, never), 0}, // a whole page of looking
	} {
		b.Run(bench.name, func(b *testing.B) {
			db := fill(b, dir, many)
			defer db.Close()
			s := &Service{Store: db}
			req := &request{judged: true, caller: metering.Caller{Account: lookedUp}, region: "us-east-1", now: trueNow}
			if bench.name == "id" {
				page, err := db.Events(b.Context(), store.EventQuery{Account: lookedUp, From: middle, Limit: 1})
				if err != nil {
					b.Fatal(err)
				}
				bench.in.attributes[0].value.Value = page.Items[0].ID.String()
			}
			var body []byte
			look := func() {
				out, err := s.lookupEvents(b.Context(), req, bench.in)
				if err != nil || len(out.events) != bench.want {
					b.Fatalf("%v, %d events", err, len(out.events))
				}
				body = out.appendJSON(body[:0])
			}
			began := time.Now()
			look()
			first := time.Since(began)
			b.ReportAllocs()
			for b.Loop() {
				look()
			}
			b.ReportMetric(first.Seconds()*1e3, "first-ms")
		})
	}
}
