package admin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/store"
)

// TestAgreementLife takes an agreement from its making to its end: what each verb
// does in each state, and that each may be repeated.
func TestAgreementLife(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	const path = "/agreements/life"
	made := d.want(http.StatusOK, "PUT", path, `{"product":"new","buyer":"111122223333","status":"pending","entitlements":[{"dimension":"scans","integer":5,"expires":"720h"}]}`)
	license := made["license_arn"]
	if made["open"] != false || license == nil {
		t.Fatalf("made: %v", made)
	}
	step := func(verb string, status int, state string, open bool) {
		t.Helper()
		for range 2 { // the second time changes nothing
			before := d.service.Store.Catalog().Revision()
			got := d.want(status, "POST", path+verb, "")
			if status != http.StatusOK {
				if d.service.Store.Catalog().Revision() != before {
					t.Errorf("%s changed something", verb)
				}
				continue
			}
			if got["status"] != state || got["open"] != open || got["license_arn"] != license {
				t.Errorf("%s: %v; want %s, open: %v, and the same license", verb, got, state, open)
			}
		}
	}
	step("/suspend", http.StatusConflict, "", false)
	step("/renew", http.StatusConflict, "", false)
	step("/activate", http.StatusOK, "active", true)
	step("/suspend", http.StatusOK, "suspended", false)
	step("/activate", http.StatusOK, "active", true)
	step("/end", http.StatusOK, "ending", true)
	step("/suspend", http.StatusConflict, "", false)
	step("/renew?expires=2027-01-01T00:00:00Z", http.StatusOK, "active", true)
	if e := d.service.Store.Catalog().Agreement("life").Entitlements[0]; !e.Expires.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("after the renewal the entitlement expires %s", e.Expires)
	}
	d.want(http.StatusUnprocessableEntity, "POST", path+"/renew?expires=2026-01-01T00:00:00Z", "")
	step("/end", http.StatusOK, "ending", true)
	d.service.Clock.Advance(time.Hour - 1) // the final reporting hour, to its last instant
	if got := d.want(http.StatusOK, "GET", path, ""); got["open"] != true {
		t.Errorf("within the final hour: %v", got)
	}
	d.service.Clock.Advance(1)
	if got := d.want(http.StatusOK, "GET", path, ""); got["open"] != false {
		t.Errorf("after the final hour: %v", got)
	}
	step("/renew", http.StatusConflict, "", false)
	step("/activate", http.StatusConflict, "", false)
	step("/end?at_once=true", http.StatusOK, "ended", false)
	step("/end", http.StatusOK, "ended", false)
	step("/renew", http.StatusConflict, "", false)
	d.want(http.StatusNotFound, "POST", "/agreements/none/end", "")
}

// TestCreateAgreement: made again it stays what it is, whatever has become of it,
// and other facts are refused.
func TestCreateAgreement(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	const facts = `"id":"twice","product":"new","buyer":"111122223333"`
	for _, bad := range []string{`{}`, `{"id":"twice"}`, `{"product":"new","buyer":"111122223333"}`, `{"id":"twice","product":"none","buyer":"111122223333"}`} {
		d.want(http.StatusUnprocessableEntity, "POST", "/agreements", bad)
	}
	made := d.want(http.StatusCreated, "POST", "/agreements", `{`+facts+`,"start":"-1h","entitlements":[{"dimension":"scans","integer":5}]}`)
	revision := d.service.Store.Catalog().Revision()
	for _, same := range []string{``, `,"start":"-1h"`, `,"status":"active"`, `,"license_arn":"` + made["license_arn"].(string) + `"`, `,"entitlements":[{"dimension":"scans","integer":5}]`} {
		got := d.want(http.StatusOK, "POST", "/agreements", `{`+facts+same+`}`)
		if got["license_arn"] != made["license_arn"] || got["start"] != made["start"] {
			t.Errorf("made again with %s: %v; before: %v", same, got, made)
		}
	}
	for _, other := range []string{`,"start":"2026-01-01T00:00:00Z"`, `,"status":"suspended"`, `,"entitlements":[]`, `,"entitlements":[{"dimension":"scans","integer":6}]`} {
		d.want(http.StatusConflict, "POST", "/agreements", `{`+facts+other+`}`)
	}
	d.want(http.StatusUnprocessableEntity, "POST", "/agreements", `{"id":"twice","product":"new","buyer":"444455556666"}`)
	if now := d.service.Store.Catalog().Revision(); now != revision {
		t.Errorf("the catalogue went from revision %d to %d", revision, now)
	}
	d.want(http.StatusOK, "POST", "/agreements/twice/end", "")
	if got := d.want(http.StatusOK, "POST", "/agreements", `{`+facts+`}`); got["status"] != "ending" {
		t.Errorf("made again after its end began: %v", got)
	}
	d.want(http.StatusConflict, "POST", "/agreements", `{`+facts+`,"status":"active"}`)
}

// TestKeyOfAnotherRequest refuses an idempotency key that another operation has
// used, on a thing of the same name.
func TestKeyOfAnotherRequest(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	d.want(http.StatusOK, "PUT", "/agreements/box", `{"product":"box","buyer":"111122223333"}`)
	d.want(http.StatusCreated, "POST", "/tokens", `{"agreement":"box"}`, "Idempotency-Key", "k")
	d.want(http.StatusConflict, "POST", "/products/box/keys", "", "Idempotency-Key", "k")
	id := d.want(http.StatusCreated, "POST", "/credentials", `{"account":"210987654321","user":"ci"}`, "Idempotency-Key", "k2")["access_key_id"].(string)
	d.want(http.StatusConflict, "POST", "/credentials/"+id+"/rotate", "", "Idempotency-Key", "k2")
}

// TestCredentials: two active keys of a principal and not a third; a disabled one
// makes room; the secret is shown once.
func TestCredentials(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	const body = `{"account":"210987654321","user":"ci"}`
	first := d.want(http.StatusCreated, "POST", "/credentials", body, "Idempotency-Key", "k1")
	id := first["access_key_id"].(string)
	secret := first["secret_access_key"].(string)
	if !accessKeyID.MatchString(id) || !strings.HasPrefix(id, "AKIA") || len(id) != 20 || len(secret) != 40 {
		t.Errorf("made %s with a secret of %d letters", id, len(secret))
	}
	again := d.want(http.StatusOK, "POST", "/credentials", body, "Idempotency-Key", "k1")
	if again["access_key_id"] != id || again["secret_access_key"] != nil {
		t.Errorf("the same request again: %v", again)
	}
	d.want(http.StatusConflict, "POST", "/credentials", `{"account":"210987654321","user":"other"}`, "Idempotency-Key", "k1")
	for _, path := range []string{"/credentials", "/credentials/" + id, "/history?kind=credential&name=" + id, "/catalog"} {
		if _, answer := d.call("GET", path, ""); strings.Contains(answer, secret) || !strings.Contains(answer, id) {
			t.Errorf("%s: %s", path, answer)
		}
	}

	second := d.want(http.StatusCreated, "POST", "/credentials/"+id+"/rotate", "")["access_key_id"].(string)
	if c := d.service.Store.Catalog().Credential(second); c.User != "ci" || !c.Active() {
		t.Errorf("rotated into %+v", c)
	}
	for _, third := range []string{"/credentials", "/credentials/" + id + "/rotate"} {
		got := d.want(http.StatusUnprocessableEntity, "POST", third, body)
		if !strings.Contains(toText(got), "more than 2 active keys") {
			t.Errorf("a third key: %v", got)
		}
	}
	d.want(http.StatusOK, "POST", "/credentials/"+id+"/disable", "")
	d.want(http.StatusOK, "POST", "/credentials/"+id+"/disable", "")
	third := d.want(http.StatusCreated, "POST", "/credentials", body)["access_key_id"].(string)
	d.want(http.StatusUnprocessableEntity, "POST", "/credentials/"+id+"/enable", "")
	d.want(http.StatusOK, "POST", "/credentials/"+third+"/disable", "")
	d.want(http.StatusOK, "POST", "/credentials/"+id+"/enable", "")
	if string(d.service.Store.Catalog().Credential(id).Secret) != secret {
		t.Error("the secret has changed on the way")
	}
	d.want(http.StatusNoContent, "DELETE", "/credentials/"+id, "")
	d.want(http.StatusNoContent, "DELETE", "/credentials/"+id, "")
	d.want(http.StatusNotFound, "GET", "/credentials/"+id, "")
	d.want(http.StatusUnprocessableEntity, "POST", "/credentials", `{"account":"12"}`)
	d.want(http.StatusUnprocessableEntity, "POST", "/credentials", `{"account":"111122223333","workload":"none"}`)
}

// TestRegistrationTokens: issued once for a key, told by its id, expired by hand
// and by time.
func TestRegistrationTokens(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	const body = `{"agreement":"a-new"}`
	issued := d.want(http.StatusCreated, "POST", "/tokens", body, "Idempotency-Key", "k")
	id := issued["id"].(string)
	if again := d.want(http.StatusOK, "POST", "/tokens", body, "Idempotency-Key", "k"); again["id"] != id || again["token"] != nil {
		t.Errorf("the same request again: %v", again)
	}
	if got := d.want(http.StatusOK, "GET", "/tokens/"+id[:8], ""); got["state"] != "active" || got["redeemed"] != nil || got["product"] != "new" {
		t.Errorf("shown: %v", got)
	}
	expired := d.want(http.StatusOK, "POST", "/tokens/"+id+"/expire", "")
	d.service.Clock.Advance(time.Minute)
	if again := d.want(http.StatusOK, "POST", "/tokens/"+id+"/expire", ""); expired["state"] != "expired" || again["expires"] != expired["expires"] {
		t.Errorf("expired %v and again %v", expired, again)
	}
	d.want(http.StatusNotFound, "GET", "/tokens/"+id[:7], "")
	d.want(http.StatusNotFound, "POST", "/tokens", `{"agreement":"none"}`)
}

// TestHistory: who, when, and what it was before; it outlasts the entry.
func TestHistory(t *testing.T) {
	d := newDesk(t)
	d.want(http.StatusOK, "PUT", "/buyers/444455556666", `{"name":"one"}`)
	other := d.as(store.RoleOperator, "")
	d.service.Clock.Advance(time.Hour)
	other.want(http.StatusOK, "PUT", "/buyers/444455556666", `{"name":"two"}`)
	other.want(http.StatusOK, "PUT", "/buyers/444455556666", `{"name":"two"}`)
	other.want(http.StatusNoContent, "DELETE", "/buyers/444455556666", "")
	d.want(http.StatusNotFound, "GET", "/buyers/444455556666", "")
	var got []string
	for _, r := range d.want(http.StatusOK, "GET", "/history?kind=account&name=444455556666", "")["revisions"].([]any) {
		r := r.(map[string]any)
		line := toText(r["by"]) + " " + toText(r["at"]) + " " + toText(r["action"])
		for _, f := range r["fields"].([]any) {
			if f := f.(map[string]any); f["field"] == "name" {
				line += " " + toText(f["before"]) + ">" + toText(f["after"])
			}
		}
		got = append(got, line)
	}
	want := []string{
		`"operator" "2026-09-15T12:00:00Z" "create" null>"one"`,
		`"operator-x" "2026-09-15T13:00:00Z" "update" "one">"two"`,
		`"operator-x" "2026-09-15T13:00:00Z" "remove" "two">null`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	d.want(http.StatusNotFound, "GET", "/history?kind=account&name=1", "")
}

// TestNonsense: every kind of wrong input is a problem that says what and where,
// and changes nothing.
func TestNonsense(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	before := d.service.Store.Catalog().Revision()
	for _, row := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"PUT", "/products/p", `{"seller":"1","type":"saas"}`, 422, `"location":"body.seller"`},
		{"PUT", "/products/p", `{"seller":"210987654321","type":"boat"}`, 422, "body.type"},
		{"PUT", "/products/p", `{"code":"q","seller":"210987654321","type":"saas"}`, 422, "which the path names"},
		{"PUT", "/products/p", `{"seller":"210987654321","type":"saas","color":"red"}`, 422, "body.color"},
		{"PUT", "/products/p", `{"seller":"210987654321"`, 400, "JSON"},
		{"PUT", "/products/p", ``, 400, "body"},
		{"PUT", "/products/p", `{"seller":"210987654321","type":"saas","dimensions":[{"name":"a","price":"-1"}]}`, 422, "body.dimensions[0].price"},
		{"PUT", "/agreements/a-new", `{"product":"old","buyer":"111122223333"}`, 422, "another needs another id"},
		{"PUT", "/agreements/x", `{"product":"new","buyer":"111122223333","start":"soon"}`, 422, "body.start"},
		{"PUT", "/agreements/x", `{"product":"new","buyer":"111122223333","entitlements":[{"dimension":"d","integer":1.5}]}`, 422, "body.entitlements[0].integer"},
		{"PUT", "/workloads/x", `{"platform":"ec2","account":"111122223333","region":"mars"}`, 422, "body.region"},
		{"PUT", "/buyers/12", `{}`, 422, "twelve digits"},
		{"DELETE", "/sellers/210987654321", ``, 422, "is built on it"},
		{"DELETE", "/buyers/111122223333", ``, 422, "is built on it"},
		{"DELETE", "/products/new", ``, 422, "is built on it"},
		{"GET", "/records?from=yesterday", ``, 422, "query.from"},
		{"GET", "/records?limit=0", ``, 422, "query.limit"},
		{"GET", "/records?colour=red", ``, 422, "query.colour"},
		{"GET", "/records?cursor=x", ``, 400, "cursor"},
		{"GET", "/usage?by=hour,day", ``, 422, "one period"},
		{"GET", "/usage?by=moon", ``, 422, "query.by"},
		{"GET", "/usage?buyer=1", ``, 404, "buyer"},
		{"POST", "/catalog", "products: [{code: p, seller: '1', type: saas}]", 422, "[1:30]"},
		{"POST", "/catalog", "\x00", 422, ""},
		{"GET", "/nothing", ``, 404, "openapi.json"},
	} {
		status, answer := d.call(row.method, row.path, row.body)
		if status != row.status || !strings.Contains(answer, row.says) || !strings.Contains(answer, `"status":`) {
			t.Errorf("%s %s %s: %d %s; want %d with %q", row.method, row.path, row.body, status, answer, row.status, row.says)
		}
	}
	if after := d.service.Store.Catalog().Revision(); after != before {
		t.Errorf("the catalogue's revision went from %d to %d", before, after)
	}
}

func toText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// TestErrorsKeepSecrets: what is wrong is said without the secrets that stand
// beside it.
func TestErrorsKeepSecrets(t *testing.T) {
	d := newDesk(t)
	for _, row := range []struct{ method, path, body string }{
		{"POST", "/credentials", `{"account":"1","secret_access_key":"canary"}`},
		{"POST", "/credentials", `{"account":{"secret":"canary"}}`},
		{"PUT", "/products/p", `{"token":"canary"}`},
		{"POST", "/catalog", "credentials:\n  - {access_key_id: A, secret_access_key: canary, colour: red}\n"},
		{"POST", "/catalog", "credentials:\n  - access_key_id: [\n    secret_access_key: 'canary'\n"},
		{"POST", "/catalog", "tokens:\n  - token: \"canary\n    agreement: x\n"},
		{"POST", "/catalog", "tokens: [{\"token\": \"canary\", agreement: none}]"},
	} {
		status, answer := d.call(row.method, row.path, row.body)
		if status != http.StatusUnprocessableEntity || strings.Contains(answer, "canary") {
			t.Errorf("%s %s: %d %s", row.path, row.body, status, answer)
		}
	}
}
