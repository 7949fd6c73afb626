package admin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// drawText draws texts that YAML might take for something else.
var drawText = rapid.OneOf(
	rapid.SampledFrom([]string{"", "yes", "no", "null", "~", "1e3", "0x1F", "0o7", "12:30:45", "2026-09-15", "-", "- a", "a: b", "#c", " a ", "a\nb", "a\n", "\"", "'", "|", ">", "{}", "[", "*a", "&a", "!t", "%", "@", "`", "\\", "é日", "\t", "key: [1]", "---", "..."}),
	rapid.StringMatching(`[ -~]{0,12}`),
)

// drawCatalog draws a catalogue that can be applied. Whatever Apply makes by
// chance is given, so that two catalogues can be compared.
func drawCatalog(t *rapid.T) *Catalog {
	c := new(Catalog)
	accounts := func(label string, from int) []metering.AccountID {
		var all []metering.AccountID
		for i := range rapid.IntRange(1, 3).Draw(t, label) {
			all = append(all, metering.AccountID(fmt.Sprintf("%012d", from+i)))
		}
		return all
	}
	sellers, buyers := accounts("sellers", 1), accounts("buyers", 3) // the third seller is the first buyer
	for _, id := range sellers {
		c.Sellers = append(c.Sellers, Seller{id, drawText.Draw(t, "name")})
	}
	for _, id := range buyers {
		c.Buyers = append(c.Buyers, Buyer{id, drawText.Draw(t, "name"), rapid.SampledFrom([]string{"", "active", "suspended"}).Draw(t, "status")})
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "products") {
		p := Product{
			Code: metering.ProductCode(fmt.Sprintf("p%d", i)), Title: drawText.Draw(t, "title"), Seller: rapid.SampledFrom(sellers).Draw(t, "seller"),
			Type:      rapid.SampledFrom([]metering.ProductType{metering.SaaS, metering.SaaS, metering.AMI, metering.Agent}).Draw(t, "type"),
			Pricing:   rapid.SampledFrom([]metering.Pricing{"", metering.PricedHourly, metering.Free}).Draw(t, "pricing"),
			Published: rapid.SampledFrom([]*bool{nil, new(bool)}).Draw(t, "published"),
		}
		if p.Type == metering.SaaS {
			p.Metering = rapid.SampledFrom([]metering.Generation{"", metering.LegacyGeneration}).Draw(t, "metering")
		}
		for j := range rapid.IntRange(0, 3).Draw(t, "dimensions") {
			name := rapid.SampledFrom([]string{"d", "yes", "1", "a b", "é", "0x1F", "n: m"}).Draw(t, "dimension") + fmt.Sprint(j)
			p.Dimensions = append(p.Dimensions, Dimension{name, drawText.Draw(t, "unit"), rapid.SampledFrom([]string{"", "0.05", "1", "007"}).Draw(t, "price")})
		}
		c.Products = append(c.Products, p)
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "agreements") {
		if len(c.Products) == 0 {
			break
		}
		c.Agreements = append(c.Agreements, drawAgreement(t, c, buyers, i))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "workloads") {
		c.Workloads = append(c.Workloads, Workload{
			ID: fmt.Sprintf("w%d", i), Platform: rapid.SampledFrom([]metering.Platform{metering.PlatformEC2, metering.PlatformECS}).Draw(t, "platform"),
			Account: buyers[0], Region: "us-east-1", Heartbeat: rapid.SampledFrom([]string{"", "5m", "90s"}).Draw(t, "heartbeat"),
		})
	}
	drawPolicies(t, c, append(sellers, buyers...))
	drawQuotas(t, c, append(sellers, store.EveryAccount))
	for i := range rapid.IntRange(0, 2).Draw(t, "credentials") {
		k := Credential{
			AccessKeyID: fmt.Sprintf("AKIAMETERDLAW%07d", i), SecretAccessKey: "s" + drawText.Draw(t, "secret"), Account: buyers[0],
			Status: rapid.SampledFrom([]string{"", "disabled"}).Draw(t, "status"),
		}
		if len(c.Workloads) > 0 && rapid.Bool().Draw(t, "of a workload") {
			k.Workload = c.Workloads[0].ID
		} else {
			k.User = rapid.SampledFrom([]string{"", "ann", "no"}).Draw(t, "user")
		}
		if len(c.Policies) > 0 {
			k.Policy = rapid.SampledFrom([]string{"", c.Policies[0].Name, "AWSMarketplaceMeteringRegisterUsage"}).Draw(t, "policy")
		}
		c.Credentials = append(c.Credentials, k)
	}
	if rapid.Bool().Draw(t, "compat") {
		c.Compat = &Compat{Repeat: rapid.SampledFrom([]string{"", "duplicate"}).Draw(t, "repeat"), KeyAsResource: rapid.Bool().Draw(t, "key as resource")}
	}
	return c
}

func drawAgreement(t *rapid.T, c *Catalog, buyers []metering.AccountID, i int) Agreement {
	p := rapid.SampledFrom(c.Products).Draw(t, "product")
	g := Agreement{
		ID: metering.AgreementID(fmt.Sprintf("g%d", i)), Product: p.Code, Buyer: rapid.SampledFrom(buyers).Draw(t, "buyer"),
		LicenseARN: fmt.Sprintf("arn:aws:license-manager::294406891311:license:l-%x", i),
		Status:     rapid.SampledFrom([]metering.AgreementStatus{"", metering.AgreementPending, metering.AgreementEnding, metering.AgreementEnded}).Draw(t, "status"),
		Start:      rapid.SampledFrom([]string{"", "-720h", "2026-08-01T00:00:00.5Z", "2026-08-01T02:00:00+02:00"}).Draw(t, "start"),
	}
	if p.Metering == metering.LegacyGeneration {
		g.CustomerIdentifier = metering.CustomerID("c-" + string(g.Buyer))
	}
	if g.Status == metering.AgreementEnding || g.Status == metering.AgreementEnded {
		g.End = rapid.SampledFrom([]string{"0s", "1h", "2026-10-01T00:00:00Z"}).Draw(t, "end")
	}
	if rapid.Bool().Draw(t, "entitled") {
		whole, double, text := int32(7), 0.1, drawText.Draw(t, "entitlement")
		g.Entitlements = []Entitlement{
			{Dimension: "n", Integer: whole, Expires: rapid.SampledFrom([]string{"", "24h"}).Draw(t, "expires")},
			{Dimension: "f", Double: &double},
			{Dimension: "b", Boolean: new(bool)},
			{Dimension: "s", String: &text},
		}
	}
	return g
}

func exported(t testing.TB, s *Service) string {
	t.Helper()
	var b strings.Builder
	if err := s.Export().WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func parsed(t testing.TB, text string) *Catalog {
	t.Helper()
	c, err := ParseCatalog([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

// changes applies a catalogue and returns what that changed.
func changes(t testing.TB, s *Service, c *Catalog, how Applying) *Plan {
	t.Helper()
	plan, err := s.Apply(t.Context(), c, how)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestExportLaws: an export applies to the same state, here and elsewhere, and
// to apply a catalogue twice is to apply it once.
func TestExportLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCatalog(rt)
		s := newService(t)
		changes(t, s, c, Applying{})
		text, revision := exported(t, s), s.Store.Catalog().Revision()
		for _, again := range []struct {
			name string
			c    *Catalog
			how  Applying
		}{
			{"the same", c, Applying{}},
			{"its export", parsed(t, text), Applying{}},
			{"its export, pruned", parsed(t, text), Applying{Prune: true}},
			{"its export, dry", parsed(t, text), Applying{DryRun: true, Prune: true}},
			{"nothing", parsed(t, ""), Applying{}},
		} {
			s.Clock.Advance(time.Hour)
			plan := changes(t, s, again.c, again.how)
			if plan.Changed() != 0 || plan.Revision != revision || s.Store.Catalog().Revision() != revision {
				rt.Fatalf("%s applied again: revision %d, was %d: %+v\n%s", again.name, plan.Revision, revision, plan.Changes, text)
			}
		}
		// Elsewhere it needs the secrets.
		elsewhere := newService(t)
		there := parsed(t, text)
		for i := range there.Credentials {
			for _, k := range c.Credentials {
				if k.AccessKeyID == there.Credentials[i].AccessKeyID {
					there.Credentials[i].SecretAccessKey = k.SecretAccessKey
				}
			}
		}
		changes(t, elsewhere, there, Applying{})
		if got := exported(t, elsewhere); got != text {
			rt.Fatalf("exported, applied elsewhere, exported (-first +second)\n%s", cmp.Diff(text, got))
		}
		for _, k := range c.Credentials {
			if got := elsewhere.Store.Catalog().Credential(k.AccessKeyID); string(got.Secret) != k.SecretAccessKey {
				rt.Fatalf("key %s has another secret", k.AccessKeyID)
			}
		}
	})
}

// TestDryRunLaw: a dry run changes nothing, and says what is then done: no more,
// no less, or refuses it for the same reasons.
func TestDryRunLaw(t *testing.T) {
	done, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		s := newService(t)
		changes(t, s, drawCatalog(rt), Applying{})
		next, prune := drawCatalog(rt), rapid.Bool().Draw(rt, "prune")
		before, revision := exported(t, s), s.Store.Catalog().Revision()
		entries := entriesOf(t, s)
		dry, dryErr := s.Apply(t.Context(), next, Applying{DryRun: true, Prune: prune})
		if got := s.Store.Catalog().Revision(); got != revision || exported(t, s) != before {
			rt.Fatalf("a dry run changed something: revision %d, was %d", got, revision)
		}
		real, realErr := s.Apply(t.Context(), next, Applying{Prune: prune})
		if fmt.Sprint(dryErr) != fmt.Sprint(realErr) {
			rt.Fatalf("dry: %v\nreal: %v", dryErr, realErr)
		}
		if realErr != nil { // one fault, and nothing of it is there
			refused++
			if got := s.Store.Catalog().Revision(); got != revision || exported(t, s) != before {
				rt.Fatalf("refused, and yet something changed: revision %d, was %d", got, revision)
			}
			return
		}
		done++
		if dry.Applied || !real.Applied || dry.Revision != revision {
			rt.Fatalf("dry: applied %t at %d; real: applied %t", dry.Applied, dry.Revision, real.Applied)
		}
		if diff := cmp.Diff(dry.Changes, real.Changes); diff != "" {
			rt.Fatalf("(-dry +real)\n%s", diff)
		}
		if diff := cmp.Diff(dry.Totals, real.Totals); diff != "" {
			rt.Fatalf("totals (-dry +real)\n%s", diff)
		}
		told := make(map[store.Ref]Action)
		for _, c := range dry.Changes {
			told[store.Ref{Kind: c.Kind, Name: c.Name}] = c.Action
		}
		if diff := cmp.Diff(actions(entries, entriesOf(t, s)), told); diff != "" {
			rt.Fatalf("(-done +told)\n%s", diff)
		}
	})
	t.Logf("%d applied, %d refused", done, refused)
	if done == 0 || refused == 0 {
		t.Error("only one side was tried: the test shows nothing")
	}
}

// entriesOf are all entries that a file can have, as a store keeps them.
func entriesOf(t *testing.T, s *Service) map[store.Ref]string {
	t.Helper()
	all := make(map[store.Ref]string)
	for _, kind := range append(slices.Clone(prunable), store.KindCompat, store.KindToken) {
		for e := range s.Store.Catalog().All(kind) {
			b, err := store.EncodeEntry(e, nil)
			if err != nil {
				t.Fatal(err)
			}
			all[e.Ref()] = string(b)
		}
	}
	return all
}

// actions is what has become of entries.
func actions(before, after map[store.Ref]string) map[store.Ref]Action {
	done := make(map[store.Ref]Action)
	for ref, was := range before {
		if is, there := after[ref]; !there {
			done[ref] = ActionRemove
		} else if is != was {
			done[ref] = ActionUpdate
		}
	}
	for ref := range after {
		if _, there := before[ref]; !there {
			done[ref] = ActionCreate
		}
	}
	return done
}

// TestOneFault puts one fault at every place where there can be one, and finds
// nothing of the rest applied.
func TestOneFault(t *testing.T) {
	faults := map[string]func(c *Catalog){
		"seller":     func(c *Catalog) { c.Sellers = append(c.Sellers, Seller{Account: "1"}) },
		"buyer":      func(c *Catalog) { c.Buyers = append(c.Buyers, Buyer{Account: "999999999999", Status: "gone"}) },
		"product":    func(c *Catalog) { c.Products = append(c.Products, Product{Code: "q", Seller: c.Sellers[0].Account}) },
		"agreement":  func(c *Catalog) { c.Agreements = append(c.Agreements, Agreement{ID: "q", Product: "none"}) },
		"workload":   func(c *Catalog) { c.Workloads = append(c.Workloads, Workload{ID: "q"}) },
		"policy":     func(c *Catalog) { c.Policies = append(c.Policies, Policy{Name: "q", Document: Document{}}) },
		"role":       func(c *Catalog) { c.Roles = append(c.Roles, Role{Account: c.Sellers[0].Account, Name: "q"}) },
		"credential": func(c *Catalog) { c.Credentials = append(c.Credentials, Credential{AccessKeyID: "short"}) },
		"token":      func(c *Catalog) { c.Tokens = append(c.Tokens, Token{"t", "none"}) },
		"quota": func(c *Catalog) {
			c.Quotas = append(c.Quotas, Quota{Account: "every", Operation: "Meter", PerSecond: 1})
		},
		"compat":       func(c *Catalog) { c.Compat = &Compat{Repeat: "maybe"} },
		"twice":        func(c *Catalog) { c.Sellers = append(c.Sellers, c.Sellers[0]) },
		"third key":    func(c *Catalog) { c.Credentials = keysOf(c.Buyers[0].Account, 3) },
		"past the end": func(c *Catalog) { c.Workloads = append(c.Workloads, Workload{ID: strings.Repeat("w", 256)}) },
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := newService(t)
		changes(t, s, drawCatalog(rt), Applying{})
		before, revision := exported(t, s), s.Store.Catalog().Revision()
		name := rapid.SampledFrom(sortedNames(faults)).Draw(rt, "fault")
		c := drawCatalog(rt)
		c.Sellers = append(c.Sellers, Seller{Account: "888888888888", Name: "new"}) // so that there is something to leave out
		faults[name](c)
		_, err := s.Apply(t.Context(), c, Applying{Prune: rapid.Bool().Draw(rt, "prune")})
		var wrong *CatalogError
		if !errors.As(err, &wrong) {
			rt.Fatalf("%s: %v; want a *CatalogError", name, err)
		}
		if got := s.Store.Catalog().Revision(); got != revision || exported(t, s) != before {
			rt.Fatalf("%s: refused, and yet something changed", name)
		}
	})
}

func keysOf(account metering.AccountID, n int) []Credential {
	var keys []Credential
	for i := range n {
		keys = append(keys, Credential{AccessKeyID: fmt.Sprintf("AKIAMETERDKEY%07d", i), SecretAccessKey: "s", Account: account, User: "ann"})
	}
	return keys
}

// TestTwoAtOnce applies two catalogues at once, many times: what is left is what
// one after the other leaves, in one of the two orders.
func TestTwoAtOnce(t *testing.T) {
	const base = "sellers: [{account: \"000000000001\"}]\nbuyers: [{account: \"000000000002\"}]\n"
	product := func(title, dimension string) string {
		return fmt.Sprintf("products: [{code: p, title: %s, seller: \"000000000001\", type: saas, dimensions: [{name: %s}]}]\n", title, dimension)
	}
	agreement := func(id, license string) string {
		return fmt.Sprintf("agreements: [{id: %s, product: p, buyer: \"000000000002\", license_arn: \"arn:aws:license-manager::294406891311:license:l-%s\"}]\n", id, license)
	}
	pairs := []struct {
		name   string
		one    string
		other  string
		pruned bool
	}{
		{"two titles", base + product("one", "a"), base + product("two", "b"), false},
		{"two agreements", base + product("one", "a") + agreement("g1", "1"), base + product("one", "a") + agreement("g2", "2"), false},
		{"one license", base + product("one", "a") + agreement("g1", "1"), base + product("one", "a") + agreement("g2", "1"), false},
		{"each prunes", base + product("one", "a") + agreement("g1", "1"), base, true},
	}
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			how := Applying{Prune: pair.pruned}
			outcome := func(both func(s *Service)) string {
				s := newService(t)
				both(s)
				return exported(t, s)
			}
			inTurn := func(first, second string) string {
				return outcome(func(s *Service) {
					_, _ = s.Apply(t.Context(), parsed(t, first), how) // one of the two may be refused
					_, _ = s.Apply(t.Context(), parsed(t, second), how)
				})
			}
			allowed := map[string]int{inTurn(pair.one, pair.other): 0, inTurn(pair.other, pair.one): 0}
			for range 100 {
				got := outcome(func(s *Service) {
					var both sync.WaitGroup
					for _, text := range []string{pair.one, pair.other} {
						c := parsed(t, text)
						both.Go(func() { _, _ = s.Apply(t.Context(), c, how) })
					}
					both.Wait()
				})
				if _, ok := allowed[got]; !ok {
					t.Fatalf("this is neither of the two orders:\n%s", got)
				}
				allowed[got]++
			}
			for state, n := range allowed {
				t.Logf("%d times: %d bytes", n, len(state))
			}
		})
	}
}

// TestBase: what was agreed to after a dry run is not done once the catalogue is
// another.
func TestBase(t *testing.T) {
	s := newService(t)
	apply(t, s, world)
	dry := changes(t, s, parsed(t, ""), Applying{DryRun: true})
	apply(t, s, "buyers: [{account: \"000000000009\"}]")
	var state *StateError
	if _, err := s.Apply(t.Context(), new(Catalog), Applying{Prune: true, Base: &dry.Revision}); !errors.As(err, &state) {
		t.Errorf("at another revision: %v; want a *StateError", err)
	}
	again := changes(t, s, parsed(t, ""), Applying{DryRun: true})
	changes(t, s, new(Catalog), Applying{Base: &again.Revision})
}
