package embedded_test

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// BenchmarkAppendDuringPut changes a catalogue of many agreements and their
// buyers at once and says how long the slowest call beside it took, and the
// slowest lookup. METERD_BENCH_ENTRIES says how many entries are put.
func BenchmarkAppendDuringPut(b *testing.B) {
	entries := 4_000
	if text := os.Getenv("METERD_BENCH_ENTRIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		entries = n
	}
	b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
		s, err := openDir(b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		var (
			wg     sync.WaitGroup
			mu     sync.Mutex
			stop   = make(chan struct{})
			call   time.Duration
			lookup time.Duration
			calls  int
		)
		for n := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					case <-time.After(2 * time.Millisecond):
					}
					began := time.Now()
					if _, err := s.Append(b.Context(), one(n<<20+i)); err != nil {
						b.Error(err)
						return
					}
					took := time.Since(began)
					began = time.Now()
					s.Catalog().License("arn:1")
					looked := time.Since(began)
					mu.Lock()
					call, lookup, calls = max(call, took), max(lookup, looked), calls+1
					mu.Unlock()
				}
			})
		}
		round := 0
		for b.Loop() {
			round++
			if _, err := s.Put(b.Context(), catalogue(entries, round)); err != nil {
				b.Fatal(err)
			}
		}
		close(stop)
		wg.Wait()
		b.ReportMetric(float64(call.Microseconds())/1000, "slowest-append-ms")
		b.ReportMetric(float64(lookup.Microseconds())/1000, "slowest-lookup-ms")
		b.ReportMetric(float64(calls)/float64(round), "appends/op")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	})
}

// catalogue is a change of so many entries, half of them agreements and half
// their buyers. Those of another round differ.
func catalogue(entries, round int) store.Change {
	c := store.Change{By: "bench", At: monthStart.Time()}
	for n := range entries / 2 {
		buyer := metering.AccountID(fmt.Sprintf("%012d", n))
		c.Entries = append(c.Entries,
			&store.Account{ID: buyer, Name: fmt.Sprint("buyer of round ", round)},
			&store.Agreement{
				ID: metering.AgreementID(fmt.Sprintf("agmt-%024d", n)), Product: "prod-00000000000000000001", Buyer: buyer,
				LicenseARN: fmt.Sprintf("arn:aws:license-manager::294406891311:license:l-%032d", n), Customer: metering.CustomerID(fmt.Sprintf("cust-%d", n)),
				Status: metering.AgreementActive, Start: monthStart.Time().Add(time.Duration(round) * time.Hour),
			})
	}
	return c
}
