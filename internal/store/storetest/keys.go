package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// freeKey: 1. A free key is taken; the holder returned is the record itself, id
// included.
func freeKey(k *court) {
	legacy := k.record(0, 5)
	license := k.record(0, 6)
	license.Key.Kind, license.Key.Party = metering.KindLicense, string(buyer)+"/arn:aws:license-manager::1:license:l-1"
	tagged := allocated(k.record(1, 0), 3, func(i int) []metering.Tag {
		return []metering.Tag{{Key: "team", Value: fmt.Sprint("t", i)}, {Key: "größe", Value: ""}}[:i%3]
	})
	old := k.record(0, 1)
	old.Timestamp = time.Date(1969, 12, 31, 22, 59, 59, 999, time.UTC)
	old.Key.Hour = metering.HourOf(old.Timestamp)
	zero := k.record(2, 0)
	resource := k.record(0, 7)
	resource.Key.Kind, resource.Key.Account, resource.Key.Party, resource.Workload = metering.KindResource, buyer, string(buyer)+"/i-1", "i-1"
	// Keys that differ in one part, or would be one if parts ran together.
	other := []metering.Record{k.record(0, 8), k.record(0, 9), k.record(0, 10), k.record(0, 11), k.record(0, 12)}
	other[0].Key.Region = "eu-west-1"
	other[1].Key.Dimension = "g"
	other[2].Key.Dimension, other[2].Key.Region = "", "gb"+region
	other[3].Key.Product = product2
	other[4].Key.Kind = metering.KindRuntime

	want := append([]metering.Record{legacy, license, tagged, old, zero}, other...)
	out := k.append(call(want...))
	k.equal("holders", holders(out), want)
	own := k.append(call(resource))
	k.equal("holders", holders(own), []metering.Record{resource})
	want = append(want, resource)
	k.survivals(func(when string) { k.holds(when, want...) })

	// A time is an instant: where it was said does not matter.
	local := k.record(3, 1)
	local.Timestamp = local.Timestamp.In(time.FixedZone("", 3600))
	out = k.append(call(local))
	if at := out.Holders[0].Timestamp; at.Location() != time.UTC || !at.Equal(local.Timestamp) {
		k.Errorf("a record's time: got %v, want %v in UTC", at, local.Timestamp)
	}
}

// occupiedKey: 2. An occupied key is not touched; the holder is returned, byte
// for byte as stored.
func occupiedKey(k *court) {
	first := allocated(k.record(0, 0), 4, func(i int) []metering.Tag { return []metering.Tag{{Key: "a", Value: fmt.Sprint(i)}} })
	first.Workload = "w-1"
	k.append(call(first))
	k.survivals(func(when string) {
		second := k.record(0, 99)
		second.Timestamp, second.Received, second.Workload = second.Timestamp.Add(time.Minute), second.Received.Add(time.Hour), "w-2"
		fresh := k.record(5, 1)
		var seen []metering.Record
		c := call(second, fresh)
		c.At = noon().Add(time.Hour)
		c.After = func(out store.Outcome) (store.Rest, error) {
			seen = holders(out)
			return store.Rest{}, errOnPurpose
		}
		if _, err := k.store.Append(k.Context(), c); !errors.Is(err, errOnPurpose) {
			k.Fatalf("%s: After's error: got %v", when, err)
		}
		k.equal(when+": what After saw", seen, []metering.Record{first, fresh})
		out := k.append(call(second))
		k.equal(when+": the holder", holders(out), []metering.Record{first})
		k.holds(when, first)
	})
}

var errOnPurpose = errors.New("on purpose")

// twiceInOneCall: 3. The same key twice in one call: the first takes it, the
// second sees the first.
func twiceInOneCall(k *court) {
	a, b, c, d := k.record(0, 1), k.record(0, 2), k.record(1, 3), k.record(0, 1)
	out := k.append(call(a, b, c, d))
	k.equal("holders", holders(out), []metering.Record{a, a, c, a})
	k.survivals(func(when string) { k.holds(when, a, c) })
	out = k.append(call(b, k.record(1, 9)))
	k.equal("holders, later", holders(out), []metering.Record{a, c})
}

// hundredCallers: 5. A hundred callers on one key: one winner, everyone is told
// the same holder.
func hundredCallers(k *court) {
	const callers, keys = 100, 5
	var want []metering.Record
	for hour := range keys {
		var (
			wg    sync.WaitGroup
			mu    sync.Mutex
			held  = make(map[metering.ID]metering.Record)
			told  int
			start = make(chan struct{})
		)
		for i := range callers {
			r := k.record(hour, int32(i))
			wg.Go(func() {
				<-start
				out, err := k.store.Append(k.Context(), call(r))
				if err != nil || len(out.Holders) != 1 {
					k.Errorf("Append: %v holders, error %v", len(out.Holders), err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				held[out.Holders[0].ID] = *out.Holders[0]
				told++
			})
		}
		close(start)
		wg.Wait()
		if len(held) != 1 || told != callers {
			k.Fatalf("hour %d: %d callers were told %d holders; want %d and 1", hour, told, len(held), callers)
		}
		for _, r := range held {
			want = append(want, r)
		}
	}
	k.survivals(func(when string) { k.holds(when, want...) })
}
