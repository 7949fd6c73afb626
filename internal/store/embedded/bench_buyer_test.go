package embedded_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// A month of hours, and whose it is.
const (
	monthStart metering.Hour      = 490000
	monthEnd                      = monthStart + 720
	benchBuyer metering.AccountID = "500000000500"
)

// BenchmarkBuyerMonth reads a month of one buyer, who has a record an hour among
// those of 1,000 other buyers: all under the seller's account (License), or each
// under the buyer's own (Resource). METERD_BENCH_RECORDS says how many records
// are stored.
func BenchmarkBuyerMonth(b *testing.B) {
	stored := 36_000
	if text := os.Getenv("METERD_BENCH_RECORDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		stored = n
	}
	for _, kind := range []metering.KeyKind{metering.KindLicense, metering.KindResource} {
		name := map[metering.KeyKind]string{metering.KindLicense: "license", metering.KindResource: "resource"}[kind]
		b.Run(fmt.Sprintf("%s/stored=%d", name, stored), func(b *testing.B) {
			s, err := openDir(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			began := time.Now()
			fillMonth(b, s, kind, stored)
			b.Logf("%d records stored in %v", stored, time.Since(began).Round(time.Millisecond))
			mine := usage(kind, benchBuyer, monthStart, 0)
			q := store.RecordQuery{Product: mine.Key.Product, Account: mine.Key.Account, Buyer: benchBuyer, From: monthStart, To: monthEnd}
			read := func() {
				p, err := s.Records(b.Context(), q)
				if err != nil || len(p.Items) != 720 || p.Next != "" {
					b.Fatalf("%d records, next %q, error %v; want 720 on one page", len(p.Items), p.Next, err)
				}
			}
			began = time.Now()
			read()
			b.Logf("the first read took %v", time.Since(began))
			for b.Loop() {
				read()
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// fillMonth stores the buyer's record of each hour, and others' up to the number.
func fillMonth(b *testing.B, s *embedded.Store, kind metering.KeyKind, stored int) {
	b.Helper()
	const callers, perCall = 256, 500
	work := make(chan []metering.Record, callers)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for records := range work {
				c := store.Call{Account: records[0].Key.Account, Region: "us-east-1", At: records[0].Timestamp, Records: records}
				if _, err := s.Append(b.Context(), c); err != nil {
					b.Error(err)
				}
			}
		})
	}
	perBuyer := max(1, (stored/720-1)/1000)
	for hour := monthStart; hour < monthEnd; hour++ {
		work <- []metering.Record{usage(kind, benchBuyer, hour, 0)}
		var records []metering.Record
		flush := func() {
			work <- records
			records = nil
		}
		left := stored/720 - 1
		for place := 0; place < 1001 && left > 0; place++ {
			buyer := metering.AccountID(fmt.Sprintf("%012d", 500000000000+place))
			if buyer == benchBuyer {
				continue
			}
			for n := range min(perBuyer, left) {
				left--
				records = append(records, usage(kind, buyer, hour, n))
			}
			if kind == metering.KindResource || len(records) >= perCall { // a call is of one account
				flush()
			}
		}
		if len(records) > 0 {
			flush()
		}
	}
	close(work)
	wg.Wait()
}

var benchID struct {
	sync.Mutex
	n uint64
}

// usage is the n-th record of a buyer in an hour.
func usage(kind metering.KeyKind, buyer metering.AccountID, hour metering.Hour, n int) metering.Record {
	benchID.Lock()
	benchID.n++
	serial := benchID.n
	benchID.Unlock()
	r := metering.Record{Quantity: int32(n), Timestamp: hour.Time(), Received: hour.Time()}
	binary.BigEndian.PutUint64(r.ID[:], serial*0x9e3779b97f4a7c15)
	r.Key = metering.Key{
		Kind: kind, Account: "111111111111", Region: "us-east-1", Product: "prod-00000000000000000001",
		Party: fmt.Sprintf("%s/arn:aws:license-manager::294406891311:license:l-%032d", buyer, n), Dimension: "api-requests", Hour: hour,
	}
	if kind == metering.KindResource {
		r.Key.Account, r.Key.Party = buyer, fmt.Sprintf("%s/arn:aws:ecs:us-east-1:%s:task/main/%032d", buyer, buyer, n)
	}
	return r
}
