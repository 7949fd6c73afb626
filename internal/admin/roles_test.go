package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// desk calls the API of a service, as whoever it has a token for.
type desk struct {
	testing.TB
	service *Service
	handler http.Handler
	token   string
}

func newDesk(t testing.TB) *desk {
	s := newService(t)
	s.ClockMoves = true
	s.SetFault, s.Faults = func(Fault) error { return nil }, func() []Fault { return nil }
	s.Backup = func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, "archive"); return err }
	s.Issuing = newIssuing()
	return &desk{t, s, s.Handler(), "secret"}
}

// as is the same desk with a token of a role.
func (d *desk) as(role store.AccessRole, account metering.AccountID) *desk {
	d.Helper()
	_, token, err := d.service.GrantAccess(d.Context(), string(role)+"-"+string(account)+"x", role, account)
	if err != nil {
		d.Fatal(err)
	}
	return &desk{d.TB, d.service, d.handler, string(token)}
}

// call sends a request; headers are name and value in turn.
func (d *desk) call(method, path, body string, headers ...string) (status int, answer string) {
	d.Helper()
	r := httptest.NewRequest(method, Prefix+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+d.token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// want calls and insists on a status; the answer is decoded into a map.
func (d *desk) want(status int, method, path, body string, headers ...string) map[string]any {
	d.Helper()
	got, answer := d.call(method, path, body, headers...)
	if got != status {
		d.Fatalf("%s %s %s: %d %s; want %d", method, path, body, got, answer, status)
	}
	var out map[string]any
	if answer != "" && answer[0] == '{' {
		if err := json.Unmarshal([]byte(answer), &out); err != nil {
			d.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
	return out
}

// A call of every operation there is, on the sample catalogue, with the roles
// that may make it.
var everyOperation = []struct {
	method, path, body string
	roles              []store.AccessRole
}{
	{"GET", "/clock", "", everyone},
	{"PUT", "/clock", `{"advance":"1s"}`, operators},
	{"GET", "/faults", "", onlookers},
	{"PUT", "/faults", `{"operation":"MeterUsage","count":0}`, operators},
	{"GET", "/sellers", "", everyone},
	{"GET", "/sellers/{account}", "", onlookers},
	{"PUT", "/sellers/{account}", `{"name":"Acme"}`, operators},
	{"DELETE", "/sellers/{account}", "", operators},
	{"GET", "/buyers", "", onlookers},
	{"GET", "/buyers/{account}", "", onlookers},
	{"PUT", "/buyers/{account}", `{"name":"Example"}`, operators},
	{"DELETE", "/buyers/{account}", "", operators},
	{"POST", "/buyers/{account}/suspend", "", operators},
	{"POST", "/buyers/{account}/resume", "", operators},
	{"GET", "/products", "", everyone},
	{"GET", "/products/{code}", "", everyone},
	{"PUT", "/products/{code}", `{"seller":"210987654321","type":"container","dimensions":[{"name":"jobs"}]}`, operators},
	{"DELETE", "/products/{code}", "", operators},
	{"GET", "/products/{code}/dimensions", "", everyone},
	{"PUT", "/products/{code}/dimensions/{name}", `{"unit":"Jobs"}`, operators},
	{"DELETE", "/products/{code}/dimensions/{name}", "", operators},
	{"GET", "/products/{code}/keys", "", everyone},
	{"POST", "/products/{code}/keys", "", sellers},
	{"GET", "/products/{code}/keys/{version}", "", everyone},
	{"GET", "/agreements", "", everyone},
	{"POST", "/agreements", `{"id":"made","product":"new","buyer":"111122223333"}`, operators},
	{"GET", "/agreements/{id}", "", everyone},
	{"PUT", "/agreements/{id}", `{"product":"new","buyer":"111122223333"}`, operators},
	{"DELETE", "/agreements/{id}", "", operators},
	{"POST", "/agreements/{id}/activate", "", operators},
	{"POST", "/agreements/{id}/suspend", "", operators},
	{"POST", "/agreements/{id}/end", "", operators},
	{"POST", "/agreements/{id}/renew", "", operators},
	{"GET", "/workloads", "", onlookers},
	{"GET", "/workloads/{id}", "", onlookers},
	{"PUT", "/workloads/{id}", `{"platform":"ecs","account":"111122223333","region":"us-east-1"}`, operators},
	{"DELETE", "/workloads/{id}", "", operators},
	{"POST", "/workloads/{id}/sessions", `{}`, operators},
	{"GET", "/policies", "", onlookers},
	{"GET", "/policies/{name}", "", onlookers},
	{"PUT", "/policies/{name}", `{"document":{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}}`, operators},
	{"DELETE", "/policies/{name}", "", operators},
	{"GET", "/roles", "", everyone},
	{"GET", "/roles/{account}/{name}", "", everyone},
	{"PUT", "/roles/{account}/{name}", `{"trust":{}}`, operators},
	{"DELETE", "/roles/{account}/{name}", "", operators},
	{"POST", "/roles/{account}/{name}/revoke", "", sellers},
	{"GET", "/credentials", "", everyone},
	{"POST", "/credentials", `{"account":"210987654321"}`, sellers},
	{"GET", "/credentials/{id}", "", everyone},
	{"DELETE", "/credentials/{id}", "", operators},
	{"POST", "/credentials/{id}/rotate", "", sellers},
	{"POST", "/credentials/{id}/disable", "", sellers},
	{"POST", "/credentials/{id}/enable", "", sellers},
	{"GET", "/tokens", "", everyone},
	{"POST", "/tokens", `{"agreement":"a-new"}`, operators},
	{"GET", "/tokens/{id}", "", everyone},
	{"POST", "/tokens/{id}/expire", "", operators},
	{"GET", "/registrations", "", everyone},
	{"POST", "/registrations/{id}/stop", "", operators},
	{"GET", "/records", "", everyone},
	{"GET", "/refusals", "", everyone},
	{"GET", "/events", "", everyone},
	{"GET", "/usage", "", everyone},
	{"GET", "/accesses", "", onlookers},
	{"POST", "/accesses", `{"name":"x","role":"read-only"}`, operators},
	{"POST", "/accesses/{name}/revoke", "", operators},
	{"GET", "/history", "", everyone},
	{"GET", "/compat", "", everyone},
	{"PUT", "/compat", `{}`, operators},
	{"GET", "/quotas", "", everyone},
	{"GET", "/quotas/{account}/{operation}", "", everyone},
	{"PUT", "/quotas/{account}/{operation}", `{"per_second":1}`, operators},
	{"DELETE", "/quotas/{account}/{operation}", "", operators},
	{"GET", "/catalog", "", onlookers},
	{"POST", "/catalog", "buyers: []", operators},
	{"GET", "/check", "", onlookers},
	{"GET", "/audit/digests", "", onlookers},
	{"GET", "/audit/verification", "", onlookers},
	{"GET", "/backup", "", operators},
}

// TestRoles calls every operation with every role: who may not is told so before
// anything else, and whoever may is told something else.
func TestRoles(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample)
	described := d.describe()
	desks := map[store.AccessRole]*desk{
		store.RoleOperator: d, store.RoleSeller: d.as(store.RoleSeller, "210987654321"), store.RoleReadOnly: d.as(store.RoleReadOnly, ""),
	}
	fill := strings.NewReplacer("{account}", "999988887777", "{code}", "none", "{name}", "none", "{id}", "none", "{version}", "1")
	for _, op := range everyOperation {
		key := op.method + " " + Prefix + op.path
		if !described[key] {
			t.Errorf("%s is not served", key)
		}
		delete(described, key)
		for role, d := range desks {
			status, answer := d.call(op.method, fill.Replace(op.path), op.body, "Content-Type", yamlType)
			if may := slices.Contains(op.roles, role); may == (status == http.StatusForbidden) {
				t.Errorf("%s as %s: %d %s; may: %v", key, role, status, answer, may)
			}
			if status >= 500 {
				t.Errorf("%s as %s: %d %s", key, role, status, answer)
			}
		}
	}
	for key := range described {
		t.Errorf("%s is served, and no row of this test calls it", key)
	}
}

// describe lists the operations of the API's own description.
func (d *desk) describe() map[string]bool {
	all := make(map[string]bool)
	for path, item := range d.want(http.StatusOK, "GET", "/openapi.json", "")["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			all[strings.ToUpper(method)+" "+path] = true
		}
	}
	return all
}

// TestSellersAreApart: a seller sees nothing of another's, in any list and by
// any name, and changes nothing of it.
func TestSellersAreApart(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, sample+"\n")
	apply(t, d.service, `sellers: [{account: "555566667777"}]`)
	own, other := d.as(store.RoleSeller, "210987654321"), d.as(store.RoleSeller, "555566667777")
	token := d.want(http.StatusCreated, "POST", "/tokens", `{"agreement":"a-new"}`)["id"].(string)
	for _, list := range []struct{ path, key string }{
		{"/products", "products"},
		{"/agreements", "agreements"},
		{"/credentials", "credentials"},
		{"/tokens", "tokens"},
		{"/sellers?limit=1", "sellers"},
	} {
		if got := own.want(http.StatusOK, "GET", list.path, "")[list.key].([]any); len(got) == 0 {
			t.Errorf("%s: the seller does not see its own", list.path)
		}
		got, _ := json.Marshal(other.want(http.StatusOK, "GET", list.path, "")[list.key])
		if strings.Contains(string(got), "210987654321") || strings.Contains(string(got), "a-new") {
			t.Errorf("%s: another seller sees %s", list.path, got)
		}
	}
	for _, path := range []string{
		"/products/new", "/products/new/dimensions", "/products/box/keys", "/products/box/keys/1", "/agreements/a-new",
		"/credentials/AKIAMETERDSELLER0001", "/tokens/" + token, "/registrations?product=box", "/records?product=new", "/usage?product=new",
		"/refusals?seller=210987654321", "/events?account=210987654321", "/history?kind=product&name=new", "/history?kind=agreement&name=a-new", "/history?kind=credential&name=AKIAMETERDSELLER0001",
	} {
		if !strings.HasPrefix(path, "/registrations") {
			own.want(http.StatusOK, "GET", path, "")
		}
		other.want(http.StatusNotFound, "GET", path, "")
	}
	for _, path := range []string{"/products/box/keys", "/credentials/AKIAMETERDSELLER0001/rotate", "/credentials/AKIAMETERDSELLER0001/disable"} {
		other.want(http.StatusNotFound, "POST", path, "")
	}
	other.want(http.StatusForbidden, "POST", "/credentials", `{"account":"210987654321"}`)
	own.want(http.StatusForbidden, "POST", "/credentials", `{"account":"210987654321","workload":"task-1"}`)
	own.want(http.StatusCreated, "POST", "/credentials", `{"account":"210987654321"}`)
	own.want(http.StatusNotFound, "GET", "/history?kind=account&name=111122223333", "")
}

// TestRevoked: an access that was revoked opens nothing from the next call on,
// and its name is never granted again.
func TestRevoked(t *testing.T) {
	d := newDesk(t)
	reader := d.as(store.RoleReadOnly, "")
	reader.want(http.StatusOK, "GET", "/accesses", "")
	d.want(http.StatusOK, "POST", "/accesses/read-only-x/revoke", "")
	reader.want(http.StatusUnauthorized, "GET", "/accesses", "")
	d.want(http.StatusConflict, "POST", "/accesses", `{"name":"read-only-x","role":"operator"}`)
	for _, bad := range []string{
		`{"name":"operator","role":"operator"}`, `{"name":"A","role":"operator"}`, `{"name":"a","role":"king"}`,
		`{"name":"a","role":"seller"}`, `{"name":"a","role":"operator","account":"210987654321"}`, `{}`,
	} {
		d.want(http.StatusUnprocessableEntity, "POST", "/accesses", bad)
	}
}
