package awsapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/store"
)

// grants is every way in which a principal can have one operation, all or none.
var grants = map[string]string{
	"none": `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sts:*","Resource":"*"}]}`,
	"all":  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"aws-marketplace:*","Resource":"*"}]}`,
}

var everyOperation = []metering.Operation{
	metering.BatchMeterUsage, metering.MeterUsage, metering.RegisterUsage, metering.ResolveCustomer, metering.GetEntitlements,
}

// principal is somebody who signs calls, and what policies let him do.
type principal struct {
	name     string
	account  string
	platform metering.Platform
	sign     func(*call)
	may      func(metering.Operation) bool
}

// owned is what calls are about: a product, whose it is, where it runs, and a
// body for each operation that names it.
type owned struct {
	name, seller string
	platform     metering.Platform // of those that MeterUsage and RegisterUsage are for
	bodies       map[metering.Operation]string
}

// TestMatrix: every principal calls every operation about every owner's product.
// What is allowed is what both gates let pass, the policies and the ownership, and
// nothing beside; what is refused is refused by the first that does not.
func TestMatrix(t *testing.T) {
	t.Parallel()
	const acme, other, buyer = "210987654321", "123456789012", "111122223333"
	w := newWorld(t, worldOptions{})
	w.giveSessionKey(t)
	w.apply(t, []byte(`
products:
  - {code: far-box, seller: "123456789012", type: ami, dimensions: [{name: requests, unit: Requests}]}
  - {code: far-car, seller: "123456789012", type: container, dimensions: [{name: requests, unit: Requests}]}
agreements:
  - {id: m-box, product: far-box, buyer: "111122223333", license_arn: "arn:aws:license-manager::294406891311:license:l-0f01", start: "2026-08-01T00:00:00Z"}
  - {id: m-car, product: far-car, buyer: "111122223333", license_arn: "arn:aws:license-manager::294406891311:license:l-0f02", start: "2026-08-01T00:00:00Z"}
`))
	w.giveKeys(t, "far-car")
	for _, op := range everyOperation {
		grants[string(op)] = fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"aws-marketplace:%s","Resource":"*"}]}`, op)
	}
	names := slices.Sorted(maps.Keys(grants))
	for _, name := range names {
		w.put(t, &store.Policy{Name: name, Document: grants[name]})
	}
	principals := matrixPrincipals(t, w, names, []string{acme, other, buyer})
	things := []owned{
		{"scanner", acme, "", map[metering.Operation]string{
			metering.BatchMeterUsage: batchOf(recordOf(vectorsNow, "scans", 1)),
			metering.ResolveCustomer: `{"RegistrationToken":"token-a-scanner"}`,
			metering.GetEntitlements: `{"ProductCode":"scanner"}`,
		}},
		{"elsewhere", other, "", map[metering.Operation]string{
			metering.BatchMeterUsage: strings.NewReplacer("l-0a01", "l-0a06").Replace(batchOf(recordOf(vectorsNow, "scans", 1))),
			metering.GetEntitlements: `{"ProductCode":"elsewhere"}`,
		}},
	}
	for code, platform := range map[string]metering.Platform{"appliance": "ec2", "sidecar": "eks", "far-box": "ec2", "far-car": "eks"} {
		seller := acme
		if strings.HasPrefix(code, "far") {
			seller = other
		}
		dimension := "requests"
		if code == "sidecar" {
			dimension = "jobs"
		}
		bodies := map[metering.Operation]string{metering.MeterUsage: fmt.Sprintf(`{"ProductCode":%q,"Timestamp":%d,"UsageDimension":%q,"UsageQuantity":1}`, code, vectorsNow.Unix(), dimension)}
		if platform == "eks" {
			bodies[metering.RegisterUsage] = fmt.Sprintf(`{"ProductCode":%q,"PublicKeyVersion":1}`, code)
		}
		things = append(things, owned{code, seller, platform, bodies})
	}

	calls, allowed, denied, disowned := 0, 0, 0, 0
	for _, p := range principals {
		for _, thing := range things {
			for _, op := range everyOperation {
				body, has := thing.bodies[op]
				if !has {
					continue
				}
				calls++
				before := len(w.records(t)) + len(w.registrations(t))
				c := newCall("POST", string(op), "", "us-east-1")
				c.body = []byte(body)
				p.sign(c)
				status, answer := w.handle(t, c)
				var fault struct {
					Type string `json:"__type"`
				}
				_ = json.Unmarshal(answer, &fault)
				what := fmt.Sprintf("%s, %s of %s's %s: %d %s", p.name, op, thing.seller, thing.name, status, answer)
				owns := p.account == thing.seller && thing.platform == ""
				if thing.platform != "" { // the buyer's workload, or the seller's own, which previews
					owns = p.platform == thing.platform && (p.account == buyer || p.account == thing.seller)
				}
				switch {
				case !p.may(op):
					denied++
					if fault.Type != "AccessDeniedException" || status != 400 {
						t.Error("not refused by policy: ", what)
					}
				case !owns:
					disowned++
					if status != 400 || fault.Type == "" || fault.Type == "AccessDeniedException" {
						t.Error("not refused by ownership: ", what)
					}
				default:
					allowed++
					if status != 200 {
						t.Error("refused: ", what)
					}
				}
				if after := len(w.records(t)) + len(w.registrations(t)); after != before && (!p.may(op) || !owns) {
					t.Error("refused and stored: ", what)
				}
			}
		}
	}
	t.Logf("%d principals, %d calls: %d allowed, %d refused by policy, %d by ownership", len(principals), calls, allowed, denied, disowned)
	if allowed == 0 || calls != allowed+denied+disowned || calls < 500 {
		t.Errorf("%d calls: %d allowed, %d refused by policy, %d by ownership", calls, allowed, denied, disowned)
	}
}

// matrixPrincipals are, in every account: a root, a user with each policy, a
// session of a role with each policy, one with a boundary and one with a session
// policy, and workloads.
func matrixPrincipals(t *testing.T, w *world, names, accounts []string) (all []principal) {
	t.Helper()
	mayBy := func(policy string) func(metering.Operation) bool {
		return func(op metering.Operation) bool { return policy == "all" || policy == string(op) }
	}
	key := func(id string) func(*call) { return func(c *call) { c.key, c.secret = id, secret } }
	sessionOf := func(account, role, boundary, sessionPolicy string, platform metering.Platform, source session.Source) func(*call) {
		name := fmt.Sprintf("%s-%s-%s", role, boundary, sessionPolicy)
		r := &store.Role{Account: metering.AccountID(account), Name: name, ID: "AROA" + name, Policies: []string{role}, Boundary: boundary}
		w.put(t, r)
		c := session.Claims{Account: r.Account, Role: roleOf(r), SessionName: "matrix", Source: source}
		if platform != "" {
			c.Workload = session.Workload{Platform: platform, ID: fmt.Sprintf("%s-%s-%s", platform, account, name), Region: "us-east-1"}
		}
		if sessionPolicy != "" {
			c.Policy = []byte(grants[sessionPolicy])
		}
		made := w.issue(t, c, time.Hour)
		return func(c *call) { c.as(made) }
	}
	for n, account := range accounts {
		all = append(all, principal{"the root of " + account, account, "", key(fmt.Sprintf("AKIAMATRIXROOT%06d", n)), mayBy("all")})
		w.put(t, &store.Credential{KeyID: fmt.Sprintf("AKIAMATRIXROOT%06d", n), Secret: secret, Account: metering.AccountID(account)})
		for i, name := range names {
			id := fmt.Sprintf("AKIAMATRIXUSER%03d%03d", n, i)
			w.put(t, &store.Credential{KeyID: id, Secret: secret, Account: metering.AccountID(account), User: "user-" + name, Policy: name})
			all = append(all,
				principal{"a user of " + account + " with " + name, account, "", key(id), mayBy(name)},
				principal{"a session of " + account + " with " + name, account, "", sessionOf(account, name, "", "", "", session.AssumeRole), mayBy(name)},
				principal{"a session of " + account + " with all within " + name, account, "", sessionOf(account, "all", name, "", "", session.AssumeRole), mayBy(name)},
				principal{"a session of " + account + " with all and a session policy " + name, account, "", sessionOf(account, "all", "", name, "", session.AssumeRole), mayBy(name)},
				principal{"an instance of " + account + " with " + name, account, "ec2", sessionOf(account, name, "", "", "ec2", session.Instance), mayBy(name)},
				principal{"a pod of " + account + " with " + name, account, "eks", sessionOf(account, name, "", "", "eks", session.WebIdentity), mayBy(name)},
				principal{"a pod of " + account + " by Pod Identity with " + name, account, "none", sessionOf(account, name, "", "", "eks", session.PodIdentity), mayBy(name)},
			)
		}
	}
	return all
}
