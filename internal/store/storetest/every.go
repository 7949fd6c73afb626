package storetest

import (
	"errors"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// everyRecord: 25. A query of no product and no account sees every record there
// is, of products and accounts that no catalogue knows, once each, and the same
// ones after a crash.
func everyRecord(k *court) {
	var all []metering.Record
	for _, account := range []metering.AccountID{seller, seller2, "1"} {
		var own []metering.Record
		for _, hour := range []int{-500000, -1, 0, 1, 700} {
			for i, p := range []metering.ProductCode{product, product2, product3, "gone"} {
				for kind := metering.KindLegacy; kind <= metering.KindRuntime; kind++ {
					r := k.record(hour, int32(i))
					r.Key.Product, r.Key.Account, r.Key.Kind = p, account, kind
					own = append(own, r)
				}
			}
		}
		for i := range own {
			k.append(call(own[i]))
		}
		all = append(all, own...)
	}
	noonHour := metering.HourOf(noon())
	k.survivals(func(string) {
		for _, span := range [][2]metering.Hour{{firstHour, lastHour}, {noonHour, noonHour + 1}, {noonHour + 2, noonHour + 700}, {noonHour + 1, noonHour}} {
			for _, limit := range []int{0, 1, 7} {
				k.scan(store.RecordQuery{From: span[0], To: span[1], Limit: limit}, all)
			}
		}
	})
	q := store.RecordQuery{From: firstHour, To: lastHour, Limit: 1}
	page, err := k.store.Records(k.Context(), q)
	if err != nil || page.Next == "" {
		k.Fatalf("a first page: cursor %q, error %v", page.Next, err)
	}
	narrower := store.RecordQuery{Product: product, From: firstHour, To: lastHour, Cursor: page.Next}
	if _, err := k.store.Records(k.Context(), narrower); !errors.Is(err, store.ErrCursor) {
		k.Errorf("%+v with a cursor of every record: got %v, want %v", narrower, err, store.ErrCursor)
	}
	for _, bad := range []store.RecordQuery{{Party: "p", To: lastHour}, {Buyer: "p", To: lastHour}} {
		if _, err := k.store.Records(k.Context(), bad); err == nil {
			k.Errorf("%+v was answered", bad)
		}
	}
}
