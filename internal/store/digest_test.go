package store_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

func digestOf(records ...metering.Record) string {
	var d store.Digest
	for i := range records {
		d.Add(&records[i])
	}
	return d.String()
}

func digested(n byte) metering.Record {
	at := time.Date(2026, 3, 14, 12, 7, 0, 42, time.UTC)
	return metering.Record{
		ID:        metering.ID{n},
		Key:       metering.Key{Kind: metering.KindLicense, Account: "1", Region: "r", Product: "p", Party: "b/l", Dimension: "d", Hour: metering.HourOf(at)},
		Timestamp: at, Received: at.Add(1), Workload: "w", Quantity: 7,
		Allocations: []metering.Allocation{{Quantity: 3}, {Quantity: 4, Tags: []metering.Tag{{Key: "k", Value: "v"}, {Key: "l"}}}},
	}
}

// The digest is written into files, so what it is made of may not change: this one
// was computed by another program, from what the comment of Digest says.
func TestDigest(t *testing.T) {
	a, b := digested(1), digested(2)
	for _, want := range []struct {
		text    string
		records []metering.Record
	}{
		{strings.Repeat("0", 64), nil},
		{"040ddfbd2021cef9bc08fa47ce9449742e32149aca6ca61c22a5240238da9807", []metering.Record{a}},
		{"84af866c7cec615e89a43f7e58962a766253eb0105b9fb4dbadf2ba5beb45456", []metering.Record{a, b}},
		{"84af866c7cec615e89a43f7e58962a766253eb0105b9fb4dbadf2ba5beb45456", []metering.Record{b, a}},
	} {
		if got := digestOf(want.records...); got != want.text {
			t.Errorf("of %d records: got %s, want %s", len(want.records), got, want.text)
		}
	}
	if digestOf(a, a) == digestOf() || digestOf(a, a) == digestOf(a) {
		t.Error("a record that is there twice is not told from one that is not")
	}
}

// Every field counts, and no text runs into the next.
func TestDigestOfEveryField(t *testing.T) {
	seen := map[string]string{digestOf(digested(1)): "nothing"}
	differs := func(what string, change func(r *metering.Record)) {
		r := digested(1)
		change(&r)
		d := digestOf(r)
		if other, ok := seen[d]; ok {
			t.Errorf("a change of %s and one of %s have one digest", what, other)
		}
		seen[d] = what
	}
	for _, in := range []func(r *metering.Record) reflect.Value{
		func(r *metering.Record) reflect.Value { return reflect.ValueOf(r).Elem() },
		func(r *metering.Record) reflect.Value { return reflect.ValueOf(&r.Key).Elem() },
		func(r *metering.Record) reflect.Value { return reflect.ValueOf(&r.Allocations[1]).Elem() },
		func(r *metering.Record) reflect.Value { return reflect.ValueOf(&r.Allocations[1].Tags[0]).Elem() },
	} {
		sample := digested(1)
		of := in(&sample).Type()
		for i := range of.NumField() {
			differs(of.String()+"."+of.Field(i).Name, func(r *metering.Record) { turn(in(r).Field(i)) })
		}
	}
	differs("texts that run together", func(r *metering.Record) { r.Key.Dimension, r.Key.Party = "ld", "b/" })
	differs("tags that run together", func(r *metering.Record) { r.Allocations[1].Tags[0] = metering.Tag{Key: "kv"} })
	differs("a nanosecond", func(r *metering.Record) { r.Timestamp = r.Timestamp.Add(1) })
}

// turn changes a value.
func turn(v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = x.Add(time.Hour)
	case *metering.Key:
		*x = metering.Key{Hour: x.Hour}
	case *[]metering.Allocation:
		*x = (*x)[1:]
	case *[]metering.Tag:
		*x = (*x)[1:]
	case *metering.ID:
		x[15]++
	default:
		switch {
		case v.CanInt():
			v.SetInt(v.Int() + 1)
		case v.CanUint():
			v.SetUint(v.Uint() + 1)
		default:
			v.SetString(v.String() + "x")
		}
	}
}
