package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/envelope"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

func about() About {
	return About{ID: metering.ID{15: 1}.String(), Made: time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC), Version: "test", Store: "test"}
}

// inMemory is a store that holds the items.
func inMemory(t interface{ Fatal(...any) }, keys *envelope.Keys, items ...store.Item) *embedded.Store {
	s, err := embedded.Open(embedded.Options{Keys: keys})
	if err == nil && items != nil {
		err = s.Import(context.Background(), items, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// paged exports items in pages of a size; its cursors are numbers.
type paged struct {
	store.Carrier
	items []store.Item
	size  int
}

func (p *paged) Export(_ context.Context, cursor string) (store.Page[store.Item], error) {
	from := 0
	if cursor != "" {
		if _, err := fmt.Sscan(cursor, &from); err != nil {
			return store.Page[store.Item]{}, store.ErrCursor
		}
	}
	to := min(from+p.size, len(p.items))
	page := store.Page[store.Item]{Items: p.items[from:to]}
	if to < len(p.items) {
		page.Next = fmt.Sprint(to)
	}
	return page, nil
}

// taking takes an import: the items, and where it stands.
type taking struct {
	store.Carrier
	items []store.Item
	at    string
	left  int // parts that it takes before it fails; negative: all
}

var errFull = errors.New("full")

func (k *taking) Importing(context.Context) (string, error) { return k.at, nil }

func (k *taking) Import(_ context.Context, part []store.Item, at string) error {
	if k.left == 0 {
		return errFull
	}
	k.left--
	k.items, k.at = append(k.items, part...), at
	return nil
}

// file is an export of the items.
func file(t interface{ Fatal(...any) }, keys *envelope.Keys, size int, items ...store.Item) []byte {
	var b bytes.Buffer
	if _, err := Export(context.Background(), &paged{items: items, size: size}, &b, Begin(about()), keys, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var (
	texts = rapid.OneOf(rapid.SampledFrom([]string{"", "a", "größe <&> \u2028", `"\` + "\n\r\t\x01\x7f"}), rapid.StringMatching(`[^\x00]{0,20}`))
	// Instants of all that can be kept, with nanoseconds.
	times = rapid.OneOf(rapid.Just(time.Time{}), rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(-9214560000, 9214646399).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).UTC()
	}))
	ids = rapid.Custom(func(t *rapid.T) (id metering.ID) {
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		return id
	})
	hashes = rapid.Custom(func(t *rapid.T) (h [32]byte) {
		copy(h[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
		return h
	})
	keys = rapid.Custom(func(t *rapid.T) metering.Key {
		return metering.Key{
			Kind: metering.KeyKind(rapid.IntRange(1, 4).Draw(t, "kind")), Account: account(t), Region: text(t), Product: metering.ProductCode(text(t)),
			Party: text(t), Dimension: text(t), Hour: metering.Hour(rapid.Int32().Draw(t, "hour")),
		}
	})
)

func text(t *rapid.T) string                { return texts.Draw(t, "text") }
func account(t *rapid.T) metering.AccountID { return metering.AccountID(text(t)) }
func instant(t *rapid.T) time.Time          { return times.Draw(t, "time") }

// someItem draws an item of any kind.
func someItem(t *rapid.T) store.Item {
	switch rapid.IntRange(0, 9).Draw(t, "of") {
	case 0:
		return store.Item{Record: someRecord(t)}
	case 1:
		return store.Item{Registration: &store.CarriedRegistration{Last: rapid.Bool().Draw(t, "last"), Registration: metering.Registration{
			ID: ids.Draw(t, "id"), Product: metering.ProductCode(text(t)), Account: account(t), Workload: text(t), Platform: metering.Platform(text(t)), Region: text(t),
			Heartbeat: time.Duration(rapid.Int64().Draw(t, "heartbeat")), Started: instant(t), LastSeen: instant(t), Stopped: instant(t),
		}}}
	case 2:
		return store.Item{Admission: &store.Admission{Account: account(t), Workload: text(t), Product: metering.ProductCode(text(t))}}
	case 3:
		return store.Item{Redemption: &store.CarriedRedemption{Token: hashes.Draw(t, "token"), Redeemed: store.Redeemed{
			Account: account(t), KeyID: text(t), First: instant(t), Last: instant(t), Count: rapid.Int().Draw(t, "count"),
		}}}
	case 4:
		return store.Item{Binding: &store.Binding{
			Account: account(t), Region: text(t), Token: store.Token{Value: text(t), Hash: hashes.Draw(t, "hash")},
			Day: rapid.Int32().Draw(t, "day"), Answer: ids.Draw(t, "answer"),
		}}
	case 5:
		return store.Item{Event: someEvent(t)}
	case 6:
		r := &store.Refusal{
			ID: ids.Draw(t, "id"), Time: instant(t), Seller: account(t), Account: account(t), KeyID: text(t), Region: text(t),
			Operation: metering.Operation(text(t)), RequestID: text(t), Product: metering.ProductCode(text(t)), Reason: text(t), Detail: text(t),
		}
		if form := rapid.IntRange(0, 2).Draw(t, "form"); form > 0 {
			r.Record = &store.RefusedRecord{Key: keys.Draw(t, "key"), Timestamp: instant(t), Quantity: rapid.Int32().Draw(t, "quantity")}
			if form == 2 {
				r.Record.Held = &store.Held{ID: ids.Draw(t, "held"), Quantity: rapid.Int32().Draw(t, "quantity")}
			}
		}
		return store.Item{Refusal: r}
	case 7:
		return store.Item{Floor: &store.CarriedFloor{Chain: ids.Draw(t, "chain"), Place: somePlace(t)}}
	case 8:
		d := &store.TrailDigest{Number: rapid.Int64().Draw(t, "number"), Prev: hashes.Draw(t, "prev"), At: instant(t)}
		for range rapid.IntRange(0, 3).Draw(t, "chains") {
			d.Extents = append(d.Extents, store.Extent{Chain: ids.Draw(t, "chain"), Floor: somePlace(t), Head: somePlace(t)})
		}
		return store.Item{Digest: d}
	}
	return store.Item{Revision: someRevision(t)}
}

func somePlace(t *rapid.T) store.Place {
	return store.Place{Number: rapid.Int64().Draw(t, "number"), Hash: hashes.Draw(t, "hash")}
}

func someEvent(t *rapid.T) *store.Event {
	ev := &store.Event{
		ID: ids.Draw(t, "id"), Time: instant(t), Account: account(t), Operation: metering.Operation(text(t)), RequestID: ids.Draw(t, "request"),
		Region: text(t), SourceIP: text(t), UserAgent: text(t), Product: metering.ProductCode(text(t)), Error: text(t), Message: text(t),
		Calls: rapid.Int64().Draw(t, "calls"),
		Caller: store.EventCaller{
			ARN: text(t), UserID: text(t), KeyID: text(t), Origin: metering.Origin(text(t)), Workload: text(t), Platform: metering.Platform(text(t)), Issued: instant(t),
		},
		Link: store.Link{Chain: ids.Draw(t, "chain"), Number: rapid.Int64().Draw(t, "number"), Prev: hashes.Draw(t, "prev")},
	}
	for _, all := range []*[]store.Detail{&ev.Asked, &ev.Told} {
		for range rapid.IntRange(0, 2).Draw(t, "details") {
			*all = append(*all, store.Detail{Name: text(t), Value: text(t)})
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "records") {
		r := store.EventRecord{
			ID: ids.Draw(t, "id"), Status: metering.Status(text(t)), Kind: metering.KeyKind(rapid.IntRange(0, 4).Draw(t, "kind")),
			Timestamp: instant(t), Dimension: text(t), Quantity: rapid.Int32().Draw(t, "quantity"),
			Buyer: account(t), Customer: metering.CustomerID(text(t)), LicenseARN: text(t),
		}
		if r.Allocations = rapid.IntRange(0, 2500).Draw(t, "allocations"); r.Allocations > 0 {
			r.AllocationsSum = hashes.Draw(t, "sum")
		}
		ev.Records = append(ev.Records, r)
	}
	return ev
}

func someRecord(t *rapid.T) *metering.Record {
	r := &metering.Record{
		ID: ids.Draw(t, "id"), Key: keys.Draw(t, "key"), Timestamp: instant(t), Received: instant(t),
		Workload: text(t), Quantity: rapid.Int32().Draw(t, "quantity"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "allocations") {
		a := metering.Allocation{Quantity: rapid.Int32().Draw(t, "quantity")}
		for range rapid.IntRange(0, 3).Draw(t, "tags") {
			a.Tags = append(a.Tags, metering.Tag{Key: text(t), Value: text(t)})
		}
		r.Allocations = append(r.Allocations, a)
	}
	r.Allocations = metering.Canonical(r.Allocations)
	return r
}

func someRevision(t *rapid.T) *store.CarriedRevision {
	number := func(from, to int32) int32 { return rapid.Int32Range(from, to).Draw(t, "number") }
	n, f := number(math.MinInt32, math.MaxInt32), rapid.Float64().Draw(t, "double")
	entry := rapid.SampledFrom([]store.Entry{
		&store.Account{ID: account(t), Name: text(t), Seller: true},
		&store.Product{Code: metering.ProductCode(text(t)), Title: text(t), Dimensions: []metering.Dimension{{Name: text(t), Price: "0.05"}}},
		&store.Agreement{ID: metering.AgreementID(text(t)), Start: instant(t), Entitlements: []metering.Entitlement{{Dimension: text(t), Integer: &n, Double: &f, Expires: instant(t)}}},
		&store.Workload{ID: text(t), Heartbeat: time.Duration(rapid.Int64().Draw(t, "heartbeat"))},
		&store.Credential{KeyID: text(t), Secret: store.Secret(text(t)), Account: account(t), Created: instant(t), Disabled: instant(t)},
		&store.RegistrationToken{Hash: hashes.Draw(t, "hash"), Issued: instant(t)},
		&store.SigningKey{Product: metering.ProductCode(text(t)), Version: number(1, 9), Private: []byte{1, 0, byte(number(0, 255))}, Created: instant(t)},
		&store.Access{Name: text(t), Hash: hashes.Draw(t, "hash"), Role: store.RoleSeller},
		&store.Receipt{Key: text(t), Request: hashes.Draw(t, "hash"), Made: store.Ref{Kind: store.KindAccount, Name: text(t)}, At: instant(t)},
		&store.Compat{ErrorNamespace: true},
		&store.Policy{Name: text(t), Document: text(t)},
		&store.Quota{Account: account(t), Operation: metering.Operation(text(t)), PerSecond: f},
		&store.Role{Account: account(t), Name: text(t), Trust: text(t), Policies: []string{text(t)}, MaxSession: time.Duration(rapid.Int64().Draw(t, "session")), Revoked: instant(t)},
		&store.SessionKey{ID: text(t), Secret: []byte{1, 0, byte(number(0, 255))}, Created: instant(t)},
	}).Draw(t, "entry")
	r := &store.CarriedRevision{Ref: entry.Ref(), Revision: store.Revision{Number: rapid.Int64Range(1, math.MaxInt64).Draw(t, "number"), By: text(t), At: instant(t)}}
	if rapid.IntRange(0, 4).Draw(t, "there") > 0 {
		r.Entry = entry
	}
	return r
}

// Whatever is exported is imported, equal in every byte, with keys and without,
// in parts of any size.
func TestWhatGoesOutComesIn(t *testing.T) {
	sealed, err := envelope.Parse(envelope.NewLine())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(rapid.Custom(someItem), 0, 12).Draw(t, "items")
		var under *envelope.Keys
		if rapid.Bool().Draw(t, "sealed") {
			under = sealed
		}
		text := file(t, under, rapid.IntRange(1, 5).Draw(t, "size"), items...)
		to := &taking{left: -1}
		a, totals, err := Import(t.Context(), to, bytes.NewReader(text), under, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		want := about()
		want.Format = format
		if a != want {
			t.Errorf("about: got %+v, want %+v", a, want)
		}
		if diff := cmp.Diff(items, to.items, cmp.Transformer("", func(s store.Secret) []byte { return []byte(s) })); diff != "" && len(items)+len(to.items) > 0 {
			t.Fatalf("(-out +in):\n%s", diff)
		}
		if again, err := TotalsOf(t.Context(), &paged{items: items, size: 3}, nil); err != nil || again != totals {
			t.Errorf("totals: got %+v, error %v, want %+v", again, err, totals)
		}
		if under != nil && strings.Contains(string(text), `"Plain"`) {
			t.Errorf("a secret in plain:\n%s", text)
		}
	})
}
