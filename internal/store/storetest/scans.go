package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// scans: 11. Scans see each record once, hours ascending, across pages, while
// appends go on.
func scans(k *court) {
	parties := []string{"3", "33", "333333333333", "333333333333/l", "4"}
	var all []metering.Record
	for _, hour := range []int{-500000, -3, 0, 1, 2, 700} {
		for i, p := range products {
			for j, account := range []metering.AccountID{seller, seller2, "1"} {
				for n, party := range parties {
					for kind := metering.KindLegacy; kind <= metering.KindRuntime; kind++ {
						if (hour+i+2*j+3*n+int(kind))%3 == 0 {
							continue // gaps for the walk to jump over
						}
						r := k.record(hour, int32(n))
						r.Key.Product, r.Key.Account, r.Key.Party, r.Key.Kind = p, account, party, kind
						all = append(all, r)
					}
				}
			}
		}
	}
	for _, account := range []metering.AccountID{seller, seller2, "1"} {
		var own []metering.Record
		for _, r := range all {
			if r.Key.Account == account {
				own = append(own, r)
			}
		}
		for chunk := range slices.Chunk(own, 25) {
			k.append(call(chunk...))
		}
	}
	noonHour := metering.HourOf(noon())
	var queries []store.RecordQuery
	for _, span := range [][2]metering.Hour{{firstHour, lastHour}, {noonHour, noonHour + 2}, {noonHour, noonHour + 1}, {noonHour + 3, noonHour + 700}, {noonHour + 1, noonHour + 1}, {noonHour + 2, noonHour}} {
		for _, p := range []metering.ProductCode{"", product, product2, product3, "pro", "z"} {
			for _, a := range []metering.AccountID{"", seller, "1", "9"} {
				q := store.RecordQuery{Product: p, Account: a, From: span[0], To: span[1]}
				if p != "" || a != "" {
					queries = append(queries, q)
				}
				if p == product && a != "" {
					for _, party := range []string{"3", "333333333333", "0", "9"} {
						q.Party = party
						queries = append(queries, q)
					}
				}
			}
		}
	}
	for i, q := range queries {
		for _, limit := range []int{0, []int{1, 2, 7, 50}[i%4]} {
			q.Limit = limit
			k.scan(q, all)
		}
	}
	k.badCursors()
	k.scanWhileAppending(all)
}

// scan reads a query to its end and holds it against all records.
func (k *court) scan(q store.RecordQuery, all []metering.Record) {
	k.Helper()
	var want []metering.Record
	for _, r := range all {
		if (q.Product == "" || r.Key.Product == q.Product) && (q.Account == "" || r.Key.Account == q.Account) &&
			(q.Party == "" || r.Key.Party == q.Party) && (q.Buyer == "" || r.Key.Buyer() == q.Buyer) && q.From <= r.Key.Hour && r.Key.Hour < q.To {
			want = append(want, r)
		}
	}
	got := pages(k, func(cursor string) (store.Page[metering.Record], error) {
		q.Cursor = cursor
		p, err := k.store.Records(k.Context(), q)
		if q.Limit > 0 && len(p.Items) > q.Limit {
			k.Fatalf("a page of %d, asked for %d", len(p.Items), q.Limit)
		}
		return p, err
	})
	q.Cursor = ""
	if !slices.IsSortedFunc(got, func(a, b metering.Record) int { return cmp.Compare(a.Key.Hour, b.Key.Hour) }) {
		k.Fatalf("%+v: the hours do not ascend", q)
	}
	if len(got) != len(want) {
		k.Fatalf("%+v: %d records, want %d", q, len(got), len(want))
	}
	k.equal(fmt.Sprintf("%+v", q), byID(got), byID(want))
}

// badCursors: a cursor is good for the query it was made for.
func (k *court) badCursors() {
	q := store.RecordQuery{Product: product, From: firstHour, To: lastHour, Limit: 3}
	p, err := k.store.Records(k.Context(), q)
	if err != nil || p.Next == "" {
		k.Fatalf("a first page: cursor %q, error %v", p.Next, err)
	}
	others := []store.RecordQuery{
		{Product: product2, From: firstHour, To: lastHour},
		{Product: product, Account: seller, From: firstHour, To: lastHour},
		{Account: seller, From: firstHour, To: lastHour},
		{Product: product, From: 0, To: lastHour},
		{Product: product, From: firstHour, To: lastHour - 1},
	}
	for _, other := range others {
		other.Cursor = p.Next
		if _, err := k.store.Records(k.Context(), other); !errors.Is(err, store.ErrCursor) {
			k.Errorf("%+v with a cursor of another query: got %v, want %v", other, err, store.ErrCursor)
		}
	}
	for _, cursor := range []string{"x", "AAAA", p.Next + "A", p.Next[1:], "\x00"} {
		q.Cursor = cursor
		if _, err := k.store.Records(k.Context(), q); !errors.Is(err, store.ErrCursor) {
			k.Errorf("cursor %q: got %v, want %v", cursor, err, store.ErrCursor)
		}
	}
	q.Cursor, q.Limit = p.Next, 50 // another limit is the same query
	if _, err := k.store.Records(k.Context(), q); err != nil {
		k.Errorf("the next page with another limit: %v", err)
	}
	for _, bad := range []store.RecordQuery{
		{To: lastHour},
		{Product: product, Party: "p", To: lastHour},
		{Account: seller, Party: "p", To: lastHour},
		{Product: product, To: lastHour, Limit: -1},
		{Product: product, To: lastHour, Limit: store.MaxPage + 1},
	} {
		if _, err := k.store.Records(k.Context(), bad); err == nil {
			k.Errorf("%+v was answered", bad)
		}
	}
}

func (k *court) scanWhileAppending(before []metering.Record) {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				r := k.record(n%705-3, 1)
				r.Key.Dimension = r.ID.String() // anywhere among the others
				if _, err := k.store.Append(k.Context(), call(r)); err != nil {
					k.Errorf("Append: %v", err)
					return
				}
			}
		})
	}
	for range 3 {
		seen := make(map[metering.ID]int)
		hour := firstHour
		for _, r := range pages(k, func(cursor string) (store.Page[metering.Record], error) {
			return k.store.Records(k.Context(), store.RecordQuery{Product: product, From: firstHour, To: lastHour, Limit: 9, Cursor: cursor})
		}) {
			seen[r.ID]++
			if seen[r.ID] > 1 {
				k.Errorf("record %s was seen twice", r.ID)
			}
			if r.Key.Hour < hour {
				k.Errorf("hour %d after hour %d", r.Key.Hour, hour)
			}
			hour = r.Key.Hour
		}
		for _, r := range before {
			if r.Key.Product == product && seen[r.ID] != 1 {
				k.Errorf("record %s was there before and was seen %d times", r.ID, seen[r.ID])
			}
		}
	}
	close(stop)
	wg.Wait()
}
