package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// BenchmarkAppend is one call of 25 records, at 1, 64 and 1,000 callers that wait
// for one another's commits. 1 in 20 records repeats an earlier one. open opens an
// empty store.
func BenchmarkAppend(b *testing.B, open func(b *testing.B) store.Store) {
	for _, callers := range []int{1, 64, 1000} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for {
						n := int(next.Add(1))
						if n > b.N {
							return
						}
						if _, err := s.Append(context.Background(), Batch(n)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)*perBatch/b.Elapsed().Seconds(), "records/s")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

const perBatch = 25

// Batch is the n-th call of benchmarks: 25 buyers' usage of one product, scattered.
func Batch(n int) store.Call {
	const products, buyers = 128, 2048
	product := n % products
	records := make([]metering.Record, perBatch)
	for i := range records {
		serial := n/products*perBatch + i // among the product's records
		if serial%20 == 0 && serial > 40*perBatch {
			serial -= 40 * perBatch
		}
		r := &records[i]
		r.ID = metering.ID{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), byte(i), 1, 0x70, 0, 0x80}
		place := serial * 7919 % buyers
		r.Key = metering.Key{
			Kind: metering.KindLicense, Account: "111111111111", Region: "us-east-1",
			Product:   metering.ProductCode(fmt.Sprintf("prod-%020d", product)),
			Party:     fmt.Sprintf("%012d/arn:aws:license-manager::294406891311:license:l-%032d", place, place),
			Dimension: "api-requests", Hour: metering.Hour(490000 + serial/buyers),
		}
		r.Timestamp, r.Quantity = r.Key.Hour.Time(), int32(serial%1000)
		r.Received = r.Timestamp
	}
	return store.Call{Account: "111111111111", Region: "us-east-1", At: records[0].Timestamp, Records: records}
}
