package storetest

import (
	"context"
	"encoding/binary"
	"math"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// The court's world.
const (
	seller  metering.AccountID = "111111111111"
	seller2 metering.AccountID = "222222222222"
	buyer   metering.AccountID = "333333333333"
	region                     = "us-east-1"

	// The first is a prefix of the second: keys must not run into one another.
	product  metering.ProductCode = "prod"
	product2 metering.ProductCode = "prod-2"
	product3 metering.ProductCode = "qrst"

	firstHour metering.Hour = math.MinInt32
	lastHour  metering.Hour = math.MaxInt32
)

var products = []metering.ProductCode{product, product2, product3}

// noon is when the court sits.
func noon() time.Time { return time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC) }

// idMaker makes ids that are never given twice.
type idMaker struct{ n atomic.Uint64 }

func (m *idMaker) next() metering.ID {
	var id metering.ID
	binary.BigEndian.PutUint64(id[8:], m.n.Add(1))
	id[6], id[8] = 0x70, 0x80|id[8]
	return id
}

// record is one of the seller's for the buyer, of an hour some hours after noon.
func (k *court) record(hours int, quantity int32) metering.Record {
	t := noon().Add(time.Duration(hours)*time.Hour + 7*time.Minute + 30*time.Nanosecond)
	return metering.Record{
		ID:  k.ids.next(),
		Key: metering.Key{Kind: metering.KindLegacy, Account: seller, Region: region, Product: product, Party: string(buyer), Dimension: "gb", Hour: metering.HourOf(t)},
		// The fraction of a second must be kept: a byte for a byte.
		Timestamp: t, Received: noon().Add(123456789 * time.Nanosecond), Quantity: quantity,
	}
}

// allocated gives a record allocations: one for each of n values of a tag.
func allocated(r metering.Record, n int, tag func(i int) []metering.Tag) metering.Record {
	r.Allocations, r.Quantity = nil, 0
	for i := range n {
		r.Allocations = append(r.Allocations, metering.Allocation{Quantity: int32(i % 7), Tags: tag(i)})
		r.Quantity += int32(i % 7)
	}
	r.Allocations = metering.Canonical(r.Allocations)
	return r
}

// call is a call of the account that the first record belongs to, or of the
// seller.
func call(records ...metering.Record) store.Call {
	c := store.Call{Account: seller, Region: region, At: noon(), Records: records}
	if len(records) > 0 {
		c.Account = records[0].Key.Account
	}
	return c
}

// append commits a call that must succeed.
func (k *court) append(c store.Call) store.Outcome {
	k.Helper()
	out, err := k.store.Append(k.Context(), c)
	if err != nil {
		k.Fatalf("Append: %v", err)
	}
	return out
}

// all are all records of the court's products.
func (k *court) all() []metering.Record {
	k.Helper()
	var all []metering.Record
	for _, p := range products {
		all = append(all, pages(k, func(cursor string) (store.Page[metering.Record], error) {
			return k.store.Records(k.background(), store.RecordQuery{Product: p, From: firstHour, To: lastHour, Cursor: cursor})
		})...)
	}
	return all
}

// background is a context for what runs in cleanups too.
func (*court) background() context.Context { return context.Background() }

// pages reads a list to its end.
func pages[T any](k *court, read func(cursor string) (store.Page[T], error)) []T {
	k.Helper()
	var all []T
	for cursor := ""; ; {
		p, err := read(cursor)
		if err != nil {
			k.Fatalf("reading a page: %v", err)
		}
		all = append(all, p.Items...)
		if p.Next == "" {
			return all
		}
		if p.Next == cursor {
			k.Fatalf("a page's cursor leads to itself")
		}
		cursor = p.Next
	}
}

func (k *court) events(q store.EventQuery) []store.Event {
	k.Helper()
	return pages(k, func(cursor string) (store.Page[store.Event], error) {
		q.Cursor = cursor
		p, err := k.store.Events(k.background(), q)
		for i := range p.Items { // where they stand in the trail is for the cases about that
			p.Items[i].Link = store.Link{}
		}
		return p, err
	})
}

func (k *court) refusals(q store.RefusalQuery) []store.Refusal {
	k.Helper()
	return pages(k, func(cursor string) (store.Page[store.Refusal], error) {
		q.Cursor = cursor
		return k.store.Refusals(k.background(), q)
	})
}

// holds checks that the store holds these records and no others, byte for byte.
func (k *court) holds(when string, want ...metering.Record) {
	k.Helper()
	got := k.all()
	if len(got) != len(want) { // a diff of many large records takes seconds to write
		k.Fatalf("%s: %d records, want %d", when, len(got), len(want))
	}
	k.equal(when+": records", byID(got), byID(want))
}

func byID(all []metering.Record) map[metering.ID]metering.Record {
	m := make(map[metering.ID]metering.Record, len(all))
	for _, r := range all {
		m[r.ID] = r
	}
	return m
}

// books checks what must hold over all records at once.
func (k *court) books() {
	k.Helper()
	if k.store == nil || k.store.Err() != nil {
		k.Fatalf("a case must end with a store whose books can be checked")
	}
	var b metering.Books
	for _, r := range k.all() {
		if err := b.Add(&r); err != nil {
			k.Errorf("the books: %v", err)
		}
	}
}

// equal checks a value.
func (k *court) equal(what string, got, want any) {
	k.Helper()
	if d := diff(want, got); d != "" {
		k.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// diff says how two values differ; "": not at all. The first look is as strict
// as cmp's and many times as fast.
func diff(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// holders are the records that an outcome points at.
func holders(out store.Outcome) []metering.Record {
	var all []metering.Record
	for _, r := range out.Holders {
		all = append(all, *r)
	}
	return all
}
