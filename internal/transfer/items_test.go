package transfer

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// TestItemsComeBack: whatever a store holds is read as it was written, to the
// nanosecond and the byte.
func TestItemsComeBack(t *testing.T) {
	keys, err := envelope.Parse(envelope.NewLine())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		want := drawItem(t)
		sealed := rapid.SampledFrom([]*envelope.Keys{nil, keys}).Draw(t, "keys")
		l, err := lineOf(&want, sealed)
		if err != nil {
			t.Fatal(err)
		}
		b, err := encode(&l)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(b, []byte("\n")) != 1 {
			t.Fatalf("an item is not one line: %q", b)
		}
		if sealed != nil && bytes.Contains(b, []byte("s3cret")) {
			t.Fatalf("a secret is plain: %s", b)
		}
		var read line
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&read); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		got, ok, err := read.item(sealed)
		if err != nil || !ok {
			t.Fatalf("%s: %t, %v", b, ok, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", b, diff)
		}
	})
}

// Texts that JSON writes in other ways than they are.
var texts = []string{"", "a", "größe", "<&>", "\"\\/", "line\nfeed", "\u2028", "arn:aws:license-manager::1:license:l-1", "\x7f"}

func drawText(t *rapid.T, what string) string { return rapid.SampledFrom(texts).Draw(t, what) }

func drawTime(t *rapid.T, what string) time.Time {
	if rapid.IntRange(0, 9).Draw(t, "no "+what) == 0 {
		return time.Time{}
	}
	return time.Unix(rapid.Int64Range(-9e9, 9e9).Draw(t, what), rapid.Int64Range(0, 999999999).Draw(t, what+" fraction")).UTC()
}

func drawID(t *rapid.T, what string) metering.ID {
	return metering.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, what))
}

func drawSum(t *rapid.T, what string) [32]byte {
	return [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, what))
}

func drawKey(t *rapid.T) metering.Key {
	return metering.Key{
		Kind: metering.KeyKind(rapid.IntRange(0, 255).Draw(t, "kind")), Account: metering.AccountID(drawText(t, "account")),
		Region: drawText(t, "region"), Product: metering.ProductCode(drawText(t, "product")), Party: drawText(t, "party"),
		Dimension: drawText(t, "dimension"), Hour: metering.Hour(rapid.Int32().Draw(t, "hour")),
	}
}

func drawItem(t *rapid.T) store.Item {
	switch rapid.IntRange(0, 7).Draw(t, "of") {
	case 0:
		return store.Item{Record: drawRecord(t)}
	case 1:
		return store.Item{Registration: &store.CarriedRegistration{Last: rapid.Bool().Draw(t, "last"), Registration: metering.Registration{
			ID: drawID(t, "id"), Product: "p", Account: "1", Workload: drawText(t, "workload"), Platform: metering.PlatformECS, Region: drawText(t, "region"),
			Heartbeat: time.Duration(rapid.Int64().Draw(t, "beat")), Started: drawTime(t, "started"), LastSeen: drawTime(t, "seen"), Stopped: drawTime(t, "stopped"),
		}}}
	case 2:
		return store.Item{Admission: &store.Admission{Account: "1", Workload: drawText(t, "workload"), Product: "p"}}
	case 3:
		return store.Item{Redemption: &store.CarriedRedemption{Token: drawSum(t, "token"), Redeemed: store.Redeemed{
			Account: "1", KeyID: drawText(t, "key"), First: drawTime(t, "first"), Last: drawTime(t, "last"), Count: rapid.Int().Draw(t, "count"),
		}}}
	case 4:
		return store.Item{Binding: &store.Binding{
			Account: "1", Region: drawText(t, "region"), Token: store.Token{Value: drawText(t, "value"), Hash: drawSum(t, "hash")},
			Day: rapid.Int32().Draw(t, "day"), Answer: drawID(t, "answer"),
		}}
	case 5:
		ev := store.Event{
			ID: drawID(t, "id"), Time: drawTime(t, "time"), Account: "1", Operation: metering.MeterUsage, RequestID: drawText(t, "request"),
			KeyID: drawText(t, "key"), Region: drawText(t, "region"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "records") {
			ev.Records = append(ev.Records, drawID(t, "record"))
		}
		return store.Item{Event: &ev}
	case 6:
		return store.Item{Refusal: drawRefusal(t)}
	}
	r := store.CarriedRevision{Revision: store.Revision{Number: rapid.Int64().Draw(t, "number"), By: drawText(t, "by"), At: drawTime(t, "at")}}
	switch rapid.IntRange(0, 2).Draw(t, "entry") {
	case 0:
		r.Ref = store.Ref{Kind: store.KindProduct, Name: drawText(t, "name")} // removed
	case 1:
		c := &store.Credential{KeyID: drawText(t, "key"), Secret: "s3cret", Account: "1", Created: drawTime(t, "created")}
		r.Ref, r.Entry = c.Ref(), c
	default:
		k := &store.SigningKey{Product: "p", Version: 1, Private: []byte("s3cret\x00"), Created: drawTime(t, "created")}
		r.Ref, r.Entry = k.Ref(), k
	}
	return store.Item{Revision: &r}
}

func drawRecord(t *rapid.T) *metering.Record {
	r := metering.Record{
		ID: drawID(t, "id"), Key: drawKey(t), Timestamp: drawTime(t, "timestamp"), Received: drawTime(t, "received"),
		Workload: drawText(t, "workload"), Quantity: rapid.Int32().Draw(t, "quantity"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "allocations") {
		a := metering.Allocation{Quantity: rapid.Int32().Draw(t, "allocated")}
		for range rapid.IntRange(0, 2).Draw(t, "tags") {
			a.Tags = append(a.Tags, metering.Tag{Key: drawText(t, "tag"), Value: drawText(t, "value")})
		}
		r.Allocations = append(r.Allocations, a)
	}
	return &r
}

func drawRefusal(t *rapid.T) *store.Refusal {
	r := store.Refusal{
		ID: drawID(t, "id"), Time: drawTime(t, "time"), Seller: "2", Account: "1", KeyID: drawText(t, "key"), Region: drawText(t, "region"),
		Operation: metering.BatchMeterUsage, RequestID: drawText(t, "request"), Product: "p", Reason: drawText(t, "reason"), Detail: drawText(t, "detail"),
	}
	if rapid.Bool().Draw(t, "of a record") {
		r.Record = &store.RefusedRecord{Key: drawKey(t), Timestamp: drawTime(t, "timestamp"), Quantity: rapid.Int32().Draw(t, "quantity")}
		if rapid.Bool().Draw(t, "held") {
			r.Record.Held = &store.Held{ID: drawID(t, "holder"), Quantity: rapid.Int32().Draw(t, "holds")}
		}
	}
	return &r
}
