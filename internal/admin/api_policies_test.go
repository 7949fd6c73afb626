package admin

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/clock"

	"github.com/meterd/meterd/internal/store"
)

// TestPolicyCalls makes, shows, changes and removes policies and roles by the
// API.
func TestPolicyCalls(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, guarded)
	const document = `{"document":{"Statement":{"Resource":"*","Action":"aws-marketplace:*","Effect":"Allow"},"Version":"2012-10-17"}}`
	for range 2 { // the second time changes nothing
		d.want(http.StatusOK, "PUT", "/policies/new+one", document)
	}
	const want = `{"name":"new+one","document":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"aws-marketplace:*","Resource":"*"}}}`
	if _, got := d.call("GET", "/policies/new+one", ""); strings.TrimSpace(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := d.want(http.StatusOK, "GET", "/policies?limit=2", ""); len(got["policies"].([]any)) != 2 || got["next"] == "" {
		t.Errorf("the first page: %v", got)
	}
	d.want(http.StatusUnprocessableEntity, "DELETE", "/policies/resolve-only", "")
	d.want(http.StatusNoContent, "DELETE", "/policies/new+one", "")
	d.want(http.StatusNotFound, "GET", "/policies/new+one", "")

	const role = "/roles/210987654321/other"
	const trust = `"trust":{"Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}`
	made := d.want(http.StatusOK, "PUT", role, `{`+trust+`,"policies":["all"]}`)
	if made["arn"] != "arn:aws:iam::210987654321:role/other" || made["max_session"] != "1h0m0s" || made["revoked"] != nil || made["id"] == nil {
		t.Errorf("made: %v", made)
	}
	if got := d.want(http.StatusOK, "PUT", role, `{`+trust+`,"policies":[]}`); got["id"] != made["id"] || got["policies"] != nil {
		t.Errorf("changed: %v", got)
	}
	if got := d.want(http.StatusOK, "GET", "/roles?account=210987654321", ""); len(got["roles"].([]any)) != 2 {
		t.Errorf("the roles of an account: %v", got)
	}
	if got := d.want(http.StatusOK, "GET", "/roles?account=111122223333", ""); len(got["roles"].([]any)) != 0 {
		t.Errorf("the roles of another: %v", got)
	}
	if got := toText(d.want(http.StatusOK, "GET", "/history?kind=role&name=210987654321/other", "")); !strings.Contains(got, `"field":"policies"`) {
		t.Errorf("the role's history: %s", got)
	}
	d.want(http.StatusNoContent, "DELETE", role, "")
	d.want(http.StatusNotFound, "GET", role, "")

	for _, row := range []struct{ path, body, says string }{
		{"/policies/a%20b", document, `"location":"body.name"`},
		{"/policies/a", `{}`, `"location":"body.document"`},
		{"/policies/a", `{"document":[]}`, `"location":"body.document"`},
		{"/policies/a", `{"document":{"Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}}`, "Effect"},
		{"/policies/a", `{"document":{"Statement":[{"Effect":"Allow","Action":"aws:"}]}}`, `"location":"body.document.Statement[0].`},
		{"/policies/a", `{"name":"b","document":{}}`, "which the path names"},
		{role, `{` + trust + `,"policies":["none"]}`, `"location":"body.policies[0]"`},
		{role, `{` + trust + `,"max_session":"1m"}`, `"location":"body.max_session"`},
		{role, `{"trust":{"Statement":{}}}`, `"location":"body.trust.Statement`},
		{"/roles/000000000000/a", `{` + trust + `}`, "there is no account"},
	} {
		status, answer := d.call("PUT", row.path, row.body)
		if status != http.StatusUnprocessableEntity || !strings.Contains(answer, row.says) {
			t.Errorf("PUT %s %s: %d %s; want 422 with %s", row.path, row.body, status, answer, row.says)
		}
	}
}

// TestRevokeRole: a revocation outlasts whatever is put or applied later, and is
// not taken back by a clock.
func TestRevokeRole(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, guarded)
	truth := d.service.Clock.Now() // what sessions go by; the service's clock is ahead of it
	d.service.Clock = clock.New(func() time.Time { return truth })
	d.service.Clock.Advance(time.Hour)
	const path = "/roles/210987654321/meter"
	revoke := func() string {
		t.Helper()
		return d.want(http.StatusOK, "POST", path+"/revoke", "")["revoked"].(string)
	}
	if got, want := revoke(), "2026-09-15T12:00:00Z"; got != want {
		t.Errorf("revoked %s, want %s", got, want)
	}
	truth = truth.Add(-1)
	if got, want := revoke(), "2026-09-15T12:00:00Z"; got != want {
		t.Errorf("with the clock set back: revoked %s, want %s", got, want)
	}
	truth = truth.Add(2)
	later := revoke()
	if want := "2026-09-15T12:00:00.000000001Z"; later != want {
		t.Errorf("again: revoked %s, want %s", later, want)
	}
	apply(t, d.service, guarded)
	d.want(http.StatusOK, "PUT", path, `{"trust":{"Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}}`)
	if got := d.want(http.StatusOK, "GET", path, "")["revoked"]; got != later {
		t.Errorf("after it was applied and put again: revoked %v, want %s", got, later)
	}
	d.want(http.StatusNotFound, "POST", "/roles/210987654321/none/revoke", "")
}

// TestRolesOfSellers: a seller sees and revokes the roles of its own account, and
// another's are as if they were not there.
func TestRolesOfSellers(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, guarded)
	apply(t, d.service, `sellers: [{account: "555566667777"}]`)
	own, other := d.as(store.RoleSeller, "210987654321"), d.as(store.RoleSeller, "555566667777")
	const path, history = "/roles/210987654321/meter", "/history?kind=role&name=210987654321/meter"
	for _, row := range []struct{ method, path string }{{"GET", path}, {"POST", path + "/revoke"}, {"GET", history}} {
		own.want(http.StatusOK, row.method, row.path, "")
		other.want(http.StatusNotFound, row.method, row.path, "")
	}
	if got := other.want(http.StatusOK, "GET", "/roles", ""); len(got["roles"].([]any)) != 0 {
		t.Errorf("another seller sees %v", got)
	}
	own.want(http.StatusNotFound, "GET", "/history?kind=policy&name=resolve-only", "")
}

// TestLimitedKeys: a key that is made for a policy is limited to it, and so are
// the one that it is rotated into and the one that is disabled and enabled.
func TestLimitedKeys(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, guarded)
	d.want(http.StatusUnprocessableEntity, "POST", "/credentials", `{"account":"210987654321","policy":"none"}`)
	id := d.want(http.StatusCreated, "POST", "/credentials", `{"account":"210987654321","policy":"resolve-only"}`)["access_key_id"].(string)
	rotated := d.want(http.StatusCreated, "POST", "/credentials/"+id+"/rotate", "")["access_key_id"].(string)
	d.want(http.StatusOK, "POST", "/credentials/"+id+"/disable", "")
	d.want(http.StatusOK, "POST", "/credentials/"+id+"/enable", "")
	for _, id := range []string{id, rotated} {
		if got := d.want(http.StatusOK, "GET", "/credentials/"+id, "")["policy"]; got != "resolve-only" {
			t.Errorf("key %s is limited to %v", id, got)
		}
	}
}
