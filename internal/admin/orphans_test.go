package admin

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// world is a catalogue with everything in it that records can be of.
const world = `
sellers: [{account: "000000000001"}, {account: "000000000003"}]
buyers: [{account: "000000000002"}]
products:
  - {code: p, seller: "000000000001", type: saas, dimensions: [{name: used}, {name: spare}]}
  - {code: q, seller: "000000000001", type: saas, metering: legacy, dimensions: [{name: used}]}
  - {code: c, seller: "000000000001", type: container, dimensions: [{name: used}]}
agreements:
  - {id: g, product: p, buyer: "000000000002", license_arn: "arn:aws:license-manager::294406891311:license:l-1"}
  - {id: h, product: p, buyer: "000000000002", license_arn: "arn:aws:license-manager::294406891311:license:l-2"}
  - {id: k, product: q, buyer: "000000000002"}
  - {id: m, product: c, buyer: "000000000002"}
workloads: [{id: w, platform: ecs, account: "000000000002", region: us-east-1}]
credentials: [{access_key_id: AKIAMETERDWORKLOAD01, secret_access_key: s, account: "000000000002", workload: w}]
`

// meter puts a record into the store.
func meter(t *testing.T, s *Service, kind metering.KeyKind, product metering.ProductCode, account metering.AccountID, party, workload string) {
	t.Helper()
	ids := id.Source{Now: time.Now}
	r := metering.Record{
		ID:        ids.New(),
		Key:       metering.Key{Kind: kind, Account: account, Region: "us-east-1", Product: product, Party: party, Dimension: "used", Hour: metering.HourOf(noon)},
		Timestamp: noon, Received: noon, Workload: workload, Quantity: 1, Allocations: metering.Canonical(nil),
	}
	if _, err := s.Store.Append(t.Context(), store.Call{Account: account, Region: "us-east-1", At: noon, Records: []metering.Record{r}}); err != nil {
		t.Fatal(err)
	}
}

// The records that are there, or not.
var (
	ofLicense = func(t *testing.T, s *Service) {
		meter(t, s, metering.KindLicense, "p", "000000000001", "000000000002/arn:aws:license-manager::294406891311:license:l-1", "")
	}
	ofCustomer = func(t *testing.T, s *Service) {
		meter(t, s, metering.KindLegacy, "q", "000000000001", "000000000002", "")
	}
	ofWorkload = func(t *testing.T, s *Service) {
		meter(t, s, metering.KindResource, "c", "000000000002", "000000000002/w", "w")
	}
)

// TestOrphans: a change that would leave a record without what it refers to is
// refused, and the same change is made where there is no such record.
func TestOrphans(t *testing.T) {
	swap := func(from, to string) string { return strings.Replace(world, from, to, 1) }
	without := func(lines ...string) string {
		text := world
		for _, l := range lines {
			i := strings.Index(text, l)
			text = text[:i] + text[i+strings.IndexByte(text[i:], '\n')+1:]
		}
		return text
	}
	for _, tt := range []struct {
		name   string
		record func(*testing.T, *Service)
		text   string
		want   string
	}{
		{"product", ofLicense, without("  - {code: p", "  - {id: g", "  - {id: h"), "product p has been metered and cannot be removed"},
		{"dimension", ofLicense, swap("[{name: used}, {name: spare}]", "[{name: spare}]"), `product p has been metered in dimension "used": it cannot go`},
		{"seller", ofLicense, swap(`{code: p, seller: "000000000001"`, `{code: p, seller: "000000000003"`), "its seller, its type and its way of metering stay"},
		{"type", ofLicense, swap(`{code: p, seller: "000000000001", type: saas`, `{code: p, seller: "000000000001", type: ami`), "its seller, its type and its way of metering stay"},
		{"way of metering", ofLicense, swap(`{code: p, seller: "000000000001", type: saas`, `{code: p, seller: "000000000001", metering: legacy, type: saas`), "its way of metering stay"},
		{"agreement", ofLicense, without("  - {id: g"), "agreement g has been metered and cannot be removed"},
		{"customer", ofCustomer, without("  - {id: k"), "agreement k has been metered and cannot be removed"},
		{"agreement of a workload", ofWorkload, without("  - {id: m"), "agreement m has been metered and cannot be removed"},
		{"workload", ofWorkload, without("workloads:", "credentials:"), "workload w has metered and cannot be removed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			metered, free := newService(t), newService(t)
			apply(t, metered, world)
			apply(t, free, world)
			tt.record(t, metered)
			before := exported(t, metered)
			for _, dry := range []bool{true, false} {
				_, err := metered.Apply(t.Context(), parsed(t, tt.text), Applying{Prune: true, DryRun: dry})
				var wrong *CatalogError
				if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("with a record, dry %t: %v; want %s", dry, err, tt.want)
				}
			}
			if exported(t, metered) != before {
				t.Error("refused, and yet something changed")
			}
			if plan := changes(t, free, parsed(t, tt.text), Applying{Prune: true}); plan.Changed() == 0 {
				t.Error("without a record: nothing changed")
			}
		})
	}
	t.Run("another agreement", func(t *testing.T) {
		s := newService(t)
		apply(t, s, world)
		ofLicense(t, s)
		changes(t, s, parsed(t, without("  - {id: h")), Applying{Prune: true})
	})
	t.Run("another dimension", func(t *testing.T) {
		s := newService(t)
		apply(t, s, world)
		ofLicense(t, s)
		changes(t, s, parsed(t, swap(", {name: spare}", "")), Applying{})
	})
}

// TestHeld: what something is built on does not go, and the refusal names what.
func TestHeld(t *testing.T) {
	remove := func(kind store.Kind, name string) Applying {
		return Applying{Remove: []store.Ref{{Kind: kind, Name: name}}}
	}
	for _, tt := range []struct {
		kind       store.Kind
		name, want string
	}{
		{store.KindAccount, "000000000001", "seller 000000000001 cannot go: product c is built on it"},
		{store.KindAccount, "000000000002", "buyer 000000000002 cannot go: agreement g is built on it"},
		{store.KindProduct, "p", "product p cannot go: agreement g is built on it"},
		{store.KindWorkload, "w", "workload w cannot go: credential AKIAMETERDWORKLOAD01 is built on it"},
		{store.KindAccount, "000000000003", ""},
		{store.KindAgreement, "h", ""},
		{store.KindCredential, "AKIAMETERDWORKLOAD01", ""},
	} {
		t.Run(string(tt.kind)+" "+tt.name, func(t *testing.T) {
			s := newService(t)
			apply(t, s, world)
			_, err := s.Apply(t.Context(), new(Catalog), remove(tt.kind, tt.name))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%v; nothing is built on it", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v; want %s", err, tt.want)
			}
		})
	}
}

// TestThirdKey: a principal signs with two keys at the most, of the file or of
// the store; a disabled one does not count.
func TestThirdKey(t *testing.T) {
	s := newService(t)
	apply(t, s, world)
	const buyer = "000000000002"
	keys := keysOf(buyer, 3)
	changes(t, s, &Catalog{Credentials: keys[:2]}, Applying{})
	for name, third := range map[string][]Credential{"of the store": keys[2:], "of the file": keys} {
		_, err := s.Apply(t.Context(), &Catalog{Credentials: third}, Applying{})
		if err == nil || !strings.Contains(err.Error(), "user ann of account "+buyer+" would have more than 2 active keys") {
			t.Errorf("a third key beside two %s: %v", name, err)
		}
	}
	keys[0].Status = "disabled"
	changes(t, s, &Catalog{Credentials: keys}, Applying{})
	keys[0].Status = ""
	if _, err := s.Apply(t.Context(), &Catalog{Credentials: keys[:1]}, Applying{}); err == nil {
		t.Error("the first of three was enabled again")
	}
	other := keysOf(buyer, 3)[2:]
	other[0].AccessKeyID, other[0].User = "AKIAMETERDOTHER00001", "ben"
	changes(t, s, &Catalog{Credentials: other}, Applying{})
}
