package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// largest are 25 records with a megabyte of allocations between them, and one
// of them has as many as a record may have.
func (k *court) largest(hour int) []metering.Record {
	var all []metering.Record
	for i := range 25 {
		n := 100
		if i == 0 {
			n = metering.MaxAllocations
		}
		r := allocated(k.record(hour, 0), n, func(j int) []metering.Tag {
			return []metering.Tag{
				{Key: "environment", Value: fmt.Sprint(strings.Repeat("v", 90), j)},
				{Key: "team", Value: fmt.Sprint(strings.Repeat("t", 90), j/10)},
			}
		})
		r.Key.Dimension = fmt.Sprint("d", i)
		all = append(all, r)
	}
	return all
}

// largestCall: 12. The largest legal call works and does not stall the others.
func largestCall(k *court) {
	const (
		large = 6
		// bound is far above what a store needs and far below what a stall is:
		// machines that run tests are shared.
		bound = 3 * time.Second
	)
	var (
		wg      sync.WaitGroup
		stop    = make(chan struct{})
		small   []metering.Record
		slowest time.Duration
	)
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			r := k.record(1000+n, 1)
			began := time.Now()
			if _, err := k.store.Append(k.Context(), call(r)); err != nil {
				k.Errorf("a small call: %v", err)
				return
			}
			slowest = max(slowest, time.Since(began))
			small = append(small, r)
			time.Sleep(time.Millisecond) // one caller among many, not a load
		}
	})
	var want []metering.Record
	for hour := range large {
		records := k.largest(hour)
		k.equal("the holders", holders(k.append(call(records...))), records)
		want = append(want, records...)
	}
	close(stop)
	wg.Wait()
	k.Logf("%d large calls, %d small ones beside them, the slowest of which took %v", large, len(small), slowest)
	if slowest > bound || len(small) < large {
		k.Errorf("beside %d large calls: %d small ones, the slowest %v", large, len(small), slowest)
	}
	k.survivals(func(when string) { k.holds(when, append(want, small...)...) })
	repeat := k.append(call(k.largest(0)...))
	k.equal("the holders, to a repeat", holders(repeat), want[:25])
}
