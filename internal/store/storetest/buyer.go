package storetest

import (
	"errors"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// buyersRecords: 22. One buyer's records of a product under an account, whatever
// they are keyed by, and no other's.
func buyersRecords(k *court) {
	// Names around those of one buyer, in the order of bytes.
	parties := []string{"33", "333333333333", "333333333333-", "333333333333.z", "333333333333/", "333333333333/a", "333333333333/z", "3333333333330", "3333333333330/a", "4"}
	accounts := []metering.AccountID{seller, buyer, "33"}
	var all []metering.Record
	for _, account := range accounts {
		var own []metering.Record
		for _, hour := range []int{-3, 0, 1, 2, 40} {
			for i, p := range products {
				for n, party := range parties {
					for kind := metering.KindLegacy; kind <= metering.KindRuntime; kind++ {
						if (hour+i+3*n+int(kind)+len(account))%3 == 0 {
							continue // gaps for the walk to jump over
						}
						r := k.record(hour, int32(n))
						r.Key.Product, r.Key.Account, r.Key.Party, r.Key.Kind = p, account, party, kind
						if kind == metering.KindRuntime {
							r.Key.Party = r.ID.String()
						}
						own = append(own, r)
					}
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
		for _, account := range append(accounts, "9") {
			for _, of := range []metering.AccountID{buyer, "33", "3333333333330", "4", "0", "9", seller, "333333333333-"} {
				for _, p := range []metering.ProductCode{product, product3, "pro"} {
					for i, span := range [][2]metering.Hour{{firstHour, lastHour}, {noonHour, noonHour + 2}, {noonHour + 3, noonHour + 40}} {
						for _, limit := range []int{0, 1, 2 + i} {
							k.scan(store.RecordQuery{Product: p, Account: account, Buyer: of, From: span[0], To: span[1], Limit: limit}, all)
						}
					}
				}
			}
		}
	})
	q := store.RecordQuery{Product: product, Account: seller, Buyer: buyer, From: firstHour, To: lastHour, Limit: 1}
	page, err := k.store.Records(k.Context(), q)
	if err != nil || page.Next == "" {
		k.Fatalf("a first page: cursor %q, error %v", page.Next, err)
	}
	for _, other := range []store.RecordQuery{
		{Product: product, Account: seller, From: firstHour, To: lastHour},
		{Product: product, Account: seller, Buyer: "33", From: firstHour, To: lastHour},
		{Product: product, Account: seller, Party: string(buyer), From: firstHour, To: lastHour},
	} {
		other.Cursor = page.Next
		if _, err := k.store.Records(k.Context(), other); !errors.Is(err, store.ErrCursor) {
			k.Errorf("%+v with a cursor of another query: got %v, want %v", other, err, store.ErrCursor)
		}
	}
	for _, bad := range []store.RecordQuery{
		{Product: product, Buyer: buyer, To: lastHour},
		{Account: seller, Buyer: buyer, To: lastHour},
		{Product: product, Account: seller, Buyer: buyer, Party: string(buyer), To: lastHour},
		{Product: product, Account: seller, Buyer: "a\x00b", To: lastHour},
	} {
		if _, err := k.store.Records(k.Context(), bad); err == nil {
			k.Errorf("%+v was answered", bad)
		}
	}
}
