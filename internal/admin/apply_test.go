package admin

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meterd/meterd/internal/clock"
	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

var noon = time.Date(2026, 9, 15, 12, 0, 0, 0, time.UTC)

// newService is a service over a store in memory, whose clock stands at noon.
func newService(t testing.TB) *Service {
	t.Helper()
	db, err := embedded.Open(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	c := clock.New(time.Now)
	c.Set(noon)
	return &Service{Store: db, Clock: c, Token: "secret", Regions: metering.AWSRegions(), Log: slog.New(slog.DiscardHandler), NewID: id.Source{Now: time.Now}.New}
}

func apply(t *testing.T, s *Service, source string) {
	t.Helper()
	c, err := ParseCatalog([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), c, Applying{}); err != nil {
		t.Fatal(err)
	}
}

const sample = `
sellers: [{account: "210987654321", name: Acme}]
buyers:  [{account: "111122223333", name: Example}]
products:
  - {code: new, seller: "210987654321", type: saas, dimensions: [{name: scans}]}
  - {code: old, seller: "210987654321", type: saas, metering: legacy, dimensions: [{name: scans}]}
  - {code: box, seller: "210987654321", type: container, dimensions: [{name: jobs}]}
agreements:
  - {id: a-new, product: new, buyer: "111122223333", start: -720h}
  - {id: a-old, product: old, buyer: "111122223333"}
  - {id: a-old-2, product: old, buyer: "111122223333", status: ending, end: -10m, start: -48h}
workloads: [{id: task-1, platform: ecs, account: "111122223333", region: us-east-1, heartbeat: 5m}]
credentials: [{access_key_id: AKIAMETERDSELLER0001, secret_access_key: s, account: "210987654321"}]
tokens: [{token: given, agreement: a-new}]
`

// TestApply resolves what is relative at the service's clock and makes what is
// absent.
func TestApply(t *testing.T) {
	s := newService(t)
	apply(t, s, sample)
	catalog := s.Store.Catalog()

	a := catalog.Agreement("a-new")
	if want := noon.Add(-720 * time.Hour); !a.Start.Equal(want) || a.Status != metering.AgreementActive {
		t.Errorf("start %s, status %s; want %s, active", a.Start, a.Status, want)
	}
	if !metering.IsLicenseARN(a.LicenseARN) || a.Customer != "" {
		t.Errorf("license %q, customer %q; want a made license and no customer identifier", a.LicenseARN, a.Customer)
	}
	first, second := catalog.Agreement("a-old"), catalog.Agreement("a-old-2")
	if first.Customer == "" || first.Customer != second.Customer {
		t.Errorf("customers %q and %q; want one for a buyer and product (R-8)", first.Customer, second.Customer)
	}
	if !first.Start.Equal(noon) || !second.End.Equal(noon.Add(-10*time.Minute)) {
		t.Errorf("start %s, end %s; want noon, ten minutes before", first.Start, second.End)
	}
	if first.LicenseARN == second.LicenseARN {
		t.Errorf("two agreements share license %s", first.LicenseARN)
	}
	if keys := catalog.SigningKeys("box"); len(keys) != 1 || keys[0].Version != 1 {
		t.Errorf("signing keys of the container product: %v; want version 1", keys)
	}
	if keys := catalog.SigningKeys("new"); len(keys) != 0 {
		t.Errorf("a saas product has signing keys: %v", keys)
	}
	if token := catalog.Token(sha256.Sum256([]byte("given"))); token == nil || !token.Issued.Equal(noon) {
		t.Errorf("token %v; want it issued at noon", token)
	}
	if p := catalog.Product("new"); !p.Published || p.Generation != metering.LicenseGeneration || p.Pricing != metering.PricedByUsage {
		t.Errorf("defaults of a product: %+v", p)
	}
}

// TestApplyAgain applies a catalogue a day later: what was made or resolved
// stays, and so does what the file no longer has.
func TestApplyAgain(t *testing.T) {
	s := newService(t)
	apply(t, s, sample)
	before := map[store.Ref]store.Entry{}
	for _, kind := range []store.Kind{store.KindAgreement, store.KindToken, store.KindSigningKey, store.KindProduct} {
		for e := range s.Store.Catalog().All(kind) {
			before[e.Ref()] = e
		}
	}
	revision := s.Store.Catalog().Revision()

	s.Clock.Advance(24 * time.Hour)
	apply(t, s, sample)
	for ref, e := range before {
		if diff := cmp.Diff(e, s.Store.Catalog().Get(ref)); diff != "" {
			t.Errorf("%v changed (-first +again):\n%s", ref, diff)
		}
	}
	if got := s.Store.Catalog().Revision(); got != revision {
		t.Errorf("revision %d; want %d still: nothing changed", got, revision)
	}

	apply(t, s, `buyers: [{account: "111122223333", status: suspended}]`)
	if a := s.Store.Catalog().Account("111122223333"); !a.Suspended || a.Name != "Example" {
		t.Errorf("account %+v; want it suspended, and its name kept", a)
	}
	if s.Store.Catalog().Agreement("a-new") == nil {
		t.Error("what is not in the file was pruned")
	}
}

// TestApplyNothing refuses a catalogue with one fault in it, and stores none of
// it.
func TestApplyNothing(t *testing.T) {
	for name, source := range map[string]string{
		"unknown product":       strings.Replace(sample, "product: new, buyer", "product: none, buyer", 1),
		"license taken":         sample + "  # \nagreements_: []",
		"duplicate credential":  strings.Replace(sample, "credentials: [", `credentials: [{access_key_id: AKIAMETERDSELLER0001, secret_access_key: t, account: "210987654321"}, `, 1),
		"another's identifier":  strings.Replace(strings.Replace(sample, `a-old, product: old, buyer: "111122223333"`, `a-old, product: old, buyer: "111122223333", customer_identifier: one`, 1), "status: ending", "customer_identifier: two, status: ending", 1),
		"end before the start":  strings.Replace(sample, "end: -10m", "end: -72h", 1),
		"workload of nobody":    strings.Replace(sample, `account: "210987654321"}]`, `account: "210987654321", workload: none}]`, 1),
		"workload of another":   strings.Replace(sample, `s, account: "210987654321"}]`, `s, account: "210987654321", workload: task-1}]`, 1),
		"token of no agreement": strings.Replace(sample, "agreement: a-new", "agreement: none", 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			c, err := ParseCatalog([]byte(source))
			if err == nil {
				_, err = s.Apply(t.Context(), c, Applying{})
			}
			var wrong *CatalogError
			if !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Error(), "[") {
				t.Errorf("got %v; want a CatalogError that begins with line and column", err)
			}
			if got := s.Store.Catalog().Revision(); got != 0 {
				t.Errorf("something was stored: revision %d", got)
			}
		})
	}
}

// TestTokenSurvivesDecoding issues tokens that are the same after a seller's code
// has URL-decoded them once too often.
func TestTokenSurvivesDecoding(t *testing.T) {
	s := newService(t)
	apply(t, s, sample)
	seen := make(map[string]bool)
	for range 100 {
		secret, state, err := s.IssueToken(t.Context(), "a-new", "")
		if err != nil {
			t.Fatal(err)
		}
		token := string(secret)
		if strings.ContainsAny(token, "+%/= ") || seen[token] || len(token) != 43 {
			t.Errorf("token %q; want 43 characters that no decoding changes, never the same", token)
		}
		seen[token] = true
		if !state.Expires.Equal(noon.Add(metering.TokenLifetime)) {
			t.Errorf("expires %s", state.Expires)
		}
	}
}

// TestRotateKey makes versions one after the other, and lets each expire at the
// next.
func TestRotateKey(t *testing.T) {
	s := newService(t)
	apply(t, s, sample)
	if _, err := s.RotateKey(t.Context(), "new", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("rotating the key of a saas product: %v; want ErrNotFound", err)
	}
	s.Clock.Advance(time.Hour)
	k, err := s.RotateKey(t.Context(), "box", "")
	if err != nil || k.Version != 2 {
		t.Fatalf("version %v, error %v; want 2", k, err)
	}
	keys := s.Store.Catalog().SigningKeys("box")
	if len(keys) != 2 || !keys[0].Expires.Equal(noon.Add(time.Hour)) || !keys[1].Expires.IsZero() {
		t.Errorf("keys %+v; want the first expired now, and the second not", keys)
	}
	one, err1 := s.PublicKey("box", 1)
	two, err2 := s.PublicKey("box", 2)
	if err1 != nil || err2 != nil || string(one) == string(two) {
		t.Errorf("public keys: %v, %v, same: %t", err1, err2, string(one) == string(two))
	}
}

// FuzzCatalog feeds the parser and Apply: neither panics, and what Apply refuses
// leaves nothing. What is read in parts is what is read whole.
func FuzzCatalog(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("products: [{code: p, type: saas, dimensions: [{name: a}, {name: a}]}]"))
	f.Add([]byte("agreements: [{id: x, start: -1h, end: 2026-09-15T10:30:00Z}]"))
	f.Add([]byte("sellers: &a [*a]"))
	f.Add([]byte("buyers:\n  - account: \"1\"\n    name: |\n      - a\n  - account: \"2\"\nsellers:\n- {account: \"3\"}\n"))
	s := newService(f)
	f.Fuzz(func(t *testing.T, source []byte) {
		sameInParts(t, source, 1)
		c, err := ParseCatalog(source)
		if err != nil {
			return
		}
		before := s.Store.Catalog().Revision()
		if _, err := s.Apply(t.Context(), c, Applying{}); err != nil && s.Store.Catalog().Revision() != before {
			t.Errorf("refused with %v, and yet something was stored", err)
		}
	})
}

// TestLargeCatalog: the time a catalogue takes grows with its length. It grew with
// its square while times had an unmarshaler of their own, and these 5,000
// agreements took a minute.
func TestLargeCatalog(t *testing.T) {
	const agreements = 5_000
	var b strings.Builder
	b.WriteString("sellers: [{account: \"210987654321\"}]\nbuyers: [{account: \"111122223333\"}]\n" +
		"products: [{code: p, seller: \"210987654321\", type: saas, dimensions: [{name: scans}]}]\nagreements:\n")
	for i := range agreements {
		fmt.Fprintf(&b, "  - {id: a%d, product: p, buyer: \"111122223333\", start: -24h, entitlements: [{dimension: scans, integer: %d}]}\n", i, i)
	}
	s := newService(t)
	began := time.Now()
	apply(t, s, b.String())
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("%d agreements took %s", agreements, took)
	}
	if got := len(s.Store.Catalog().Agreements("p", "111122223333")); got != agreements {
		t.Errorf("%d agreements were applied, want %d", got, agreements)
	}
}
