package admin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// traces is a store that says what a call has left of itself: whose changes the
// history has, and who is in the events.
type traces struct {
	store.Store
	history, events []string
}

func (s *traces) Put(ctx context.Context, c store.Change) (int64, error) {
	revision, err := s.Store.Put(ctx, c)
	if err == nil {
		s.history = append(s.history, c.By)
	}
	return revision, err
}

func (s *traces) Append(ctx context.Context, c store.Call) (store.Outcome, error) {
	out, err := s.Store.Append(ctx, c)
	if err == nil && c.After != nil {
		if rest, _ := c.After(out); rest.Event != nil {
			s.events = append(s.events, rest.Event.Caller.UserID)
		}
	}
	return out, err
}

// What every operation is called with for it to succeed; those that are not here
// are reads whose path needs no more than namesOf.
var everyAct = []struct {
	operation, path, body string
	shows                 bool // a secret
}{
	{"PUT /sellers/{account}", "/sellers/210987654321", `{"name":"Another"}`, false},
	{"PUT /buyers/{account}", "/buyers/111122223333", `{"name":"Another"}`, false},
	{"POST /buyers/{account}/suspend", "/buyers/111122223333/suspend", "", false},
	{"POST /buyers/{account}/resume", "/buyers/111122223333/resume", "", false},
	{"PUT /products/{code}", "/products/made", `{"seller":"210987654321","type":"saas","dimensions":[{"name":"jobs"},{"name":"spare"}]}`, false},
	{"PUT /products/{code}/dimensions/{name}", "/products/made/dimensions/jobs", `{"unit":"Jobs"}`, false},
	{"DELETE /products/{code}/dimensions/{name}", "/products/made/dimensions/spare", "", false},
	{"POST /products/{code}/keys", "/products/box/keys", "", false},
	{"POST /agreements", "/agreements", `{"id":"granted","product":"new","buyer":"111122223333"}`, false},
	{"PUT /agreements/{id}", "/agreements/put", `{"product":"new","buyer":"111122223333"}`, false},
	{"POST /agreements/{id}/suspend", "/agreements/a-new/suspend", "", false},
	{"POST /agreements/{id}/activate", "/agreements/a-new/activate", "", false},
	{"POST /agreements/{id}/renew", "/agreements/a-new/renew", "", false},
	{"POST /agreements/{id}/end", "/agreements/put/end", "", false},
	{"PUT /workloads/{id}", "/workloads/task-2", `{"platform":"ecs","account":"111122223333","region":"us-east-1"}`, false},
	{"POST /workloads/{id}/sessions", "/workloads/task-1/sessions", `{}`, true},
	{"PUT /policies/{name}", "/policies/no", `{"document":{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}}`, false},
	{"PUT /roles/{account}/{name}", "/roles/111122223333/app", `{"trust":{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}}`, false},
	{"POST /roles/{account}/{name}/revoke", "/roles/111122223333/app/revoke", "", false},
	{"POST /credentials", "/credentials", `{"account":"111122223333"}`, true},
	{"POST /credentials/{id}/rotate", "/credentials/AKIAMETERDSELLER0001/rotate", "", true},
	{"POST /credentials/{id}/disable", "/credentials/AKIAMETERDSELLER0001/disable", "", false},
	{"POST /credentials/{id}/enable", "/credentials/AKIAMETERDSELLER0001/enable", "", false},
	{"POST /tokens", "/tokens", `{"agreement":"a-new"}`, true},
	{"POST /tokens/{id}/expire", "/tokens/TOKEN/expire", "", false},
	{"POST /registrations/{id}/stop", "/registrations/REGISTRATION/stop", "", false},
	{"POST /accesses", "/accesses", `{"name":"x","role":"read-only"}`, true},
	{"POST /accesses/{name}/revoke", "/accesses/x/revoke", "", false},
	{"PUT /quotas/{account}/{operation}", "/quotas/111122223333/MeterUsage", `{"per_second":5}`, false},
	{"GET /quotas/{account}/{operation}", "/quotas/111122223333/MeterUsage", "", false},
	{"PUT /compat", "/compat", `{"error_namespace":true}`, false},
	{"POST /catalog", "/catalog", "buyers: [{account: '444455556666'}]", false},
	{"GET /backup", "/backup", "", true},
	{"GET /history", "/history?kind=credential&name=AKIAMETERDSELLER0001", "", false},
	{"GET /policies/{name}", "/policies/no", "", false},
	{"GET /buyers/{account}", "/buyers/111122223333", "", false},
	{"GET /roles/{account}/{name}", "/roles/111122223333/app", "", false},
	{"GET /workloads/{id}", "/workloads/task-1", "", false},
	{"GET /credentials/{id}", "/credentials/AKIAMETERDSELLER0001", "", false},
	{"GET /agreements/{id}", "/agreements/a-new", "", false},
	{"GET /tokens/{id}", "/tokens/TOKEN", "", false},

	// Development: they change nothing that is kept.
	{"PUT /clock", "/clock", `{"advance":"1s"}`, false},
	{"PUT /faults", "/faults", `{"operation":"MeterUsage","count":0}`, false},

	{"DELETE /quotas/{account}/{operation}", "/quotas/111122223333/MeterUsage", "", false},
	{"DELETE /agreements/{id}", "/agreements/granted", "", false},
	{"DELETE /workloads/{id}", "/workloads/task-2", "", false},
	{"DELETE /roles/{account}/{name}", "/roles/111122223333/app", "", false},
	{"DELETE /policies/{name}", "/policies/no", "", false},
	{"DELETE /credentials/{id}", "/credentials/AKIAMETERDSELLER0001", "", false},
	{"DELETE /products/{code}", "/products/made", "", false},
	{"DELETE /buyers/{account}", "/buyers/444455556666", "", false},
	{"DELETE /sellers/{account}", "/sellers/333344445555", "", false},
}

var namesOf = strings.NewReplacer("{account}", "210987654321", "{code}", "box", "{version}", "1")

// secretMember finds members of an answer that should be nobody's to read later.
var secretMember = regexp.MustCompile(`"[a-z_]*(?:secret|token|password|private)[a-z_]*":"[^"]`)

// TestEveryActLeavesItsTrace walks the API's own description: whatever changes
// something is in the history or in the trail under its bearer's name, and so is,
// in the log too, whatever shows a secret. Nothing else shows any.
func TestEveryActLeavesItsTrace(t *testing.T) {
	const canary = "canary of all that is secret"
	d := newDesk(t)
	apply(t, d.service, strings.Replace(sample, "secret_access_key: s,", "secret_access_key: "+canary+",", 1))
	apply(t, d.service, `sellers: [{account: "333344445555"}]`)
	if err := d.service.KeepSessionKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	secrets := []string{canary, string(d.service.Store.Catalog().SessionKeys()[0].Secret)}
	d.service.Backup = func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, canary); return err }
	token := d.want(http.StatusCreated, "POST", "/tokens", `{"agreement":"a-new"}`)["id"].(string)
	begun := metering.Registration{ID: d.service.NewID(), Account: "111122223333", Product: "box", Workload: "task-1", Region: "us-east-1", Platform: metering.PlatformECS, Started: noon, LastSeen: noon}
	if _, err := d.service.Store.Append(t.Context(), store.Call{Account: begun.Account, Region: begun.Region, At: noon, Registration: &store.RegistrationChange{Begin: &begun}}); err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("TOKEN", token, "REGISTRATION", begun.ID.String())

	described := slices.Sorted(maps.Keys(d.describe()))
	at := func(key string) int {
		return slices.IndexFunc(everyAct, func(a struct {
			operation, path, body string
			shows                 bool
		},
		) bool {
			return strings.Replace(a.operation, " ", " "+Prefix, 1) == key
		})
	}
	slices.SortStableFunc(described, func(a, b string) int { return at(a) - at(b) })
	auditor := d.as(store.RoleOperator, "")
	const name = "operator-x"
	for _, key := range described {
		method, path, _ := strings.Cut(strings.Replace(key, Prefix, "", 1), " ")
		path, body, shows := namesOf.Replace(path), "", false
		if i := at(key); i >= 0 {
			path, body, shows = names.Replace(everyAct[i].path), everyAct[i].body, everyAct[i].shows
		} else if method != http.MethodGet {
			t.Errorf("%s: no row of this test calls it, and says what trace it leaves", key)
			continue
		}
		kept := &traces{Store: d.service.Store}
		var logged strings.Builder
		d.service.Store, d.service.Log = kept, slog.New(slog.NewTextHandler(&logged, nil))
		status, answer := auditor.call(method, path, body, "Content-Type", yamlType)
		d.service.Store = kept.Store
		if status >= 300 {
			t.Errorf("%s: %d %s", key, status, answer)
		}
		traced := slices.Contains(kept.history, name) || slices.Contains(kept.events, name)
		development := strings.HasSuffix(key, "/clock") || strings.HasSuffix(key, "/faults")
		if (method != http.MethodGet || shows) && !traced && !development {
			t.Errorf("%s: neither the history nor the trail has it: %q %q", key, kept.history, kept.events)
		}
		shown := secretMember.MatchString(answer) || slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(answer, s) })
		if shown != shows {
			t.Errorf("%s: shows a secret: %v, want %v: %.500s", key, shown, shows, answer)
		}
		if line := `msg="secret read" bearer=` + name; strings.Contains(logged.String(), line) != shows {
			t.Errorf("%s: logged\n%s\nwant %q in it: %v", key, logged.String(), line, shows)
		}
	}
}

// TestActsInTheTrail: what an operator does to an account and no history tells is
// in that account's trail, and what is of all accounts in the one that is nobody's.
func TestActsInTheTrail(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, withWorkloads)
	d.want(http.StatusCreated, "POST", "/workloads/task-1/sessions", `{}`)
	if status, _ := d.call("GET", "/backup", ""); status != http.StatusOK {
		t.Fatal(status)
	}
	for account, want := range map[metering.AccountID]string{
		"111122223333": "meterd:MakeWorkloadSession by operator in us-east-1 [{workload task-1} {roleArn arn:aws:iam::111122223333:role/meterd-workload}]",
		ofAll:          "meterd:Backup by operator in  []",
	} {
		page, err := d.service.Store.Events(t.Context(), store.EventQuery{Account: account})
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("%s: %+v %v", account, page.Items, err)
		}
		ev := &page.Items[0]
		got := fmt.Sprintf("%s by %s in %s %v", ev.Operation, ev.Caller.UserID, ev.Region, ev.Asked)
		if got != want || !ev.Time.Equal(noon) {
			t.Errorf("%s at %s; want %s at %s", got, ev.Time.Format(time.RFC3339), want, noon.Format(time.RFC3339))
		}
		// Whoever reads the name in a record finds the record by it.
		name, _, _ := strings.Cut(want, " ")
		for _, query := range []string{"event=" + name, "account=" + string(account)} {
			events := d.want(http.StatusOK, "GET", "/events?"+query, "")["events"].([]any)
			if len(events) != 1 || events[0].(map[string]any)["eventName"] != name {
				t.Errorf("%s: %v", query, events)
			}
		}
	}
	d.as(store.RoleSeller, "210987654321").want(http.StatusNotFound, "GET", "/events?account="+string(ofAll), "")
}

// fullStore has no room for calls.
type fullStore struct{ store.Store }

func (fullStore) Append(context.Context, store.Call) (store.Outcome, error) {
	return store.Outcome{}, store.ErrNoRoom
}

// TestNothingShownWithoutTrace: on a disk that is nearly full no session is made for
// anybody; a backup is, which is what may be needed then.
func TestNothingShownWithoutTrace(t *testing.T) {
	d := newDesk(t)
	apply(t, d.service, withWorkloads)
	d.service.Store = fullStore{d.service.Store}
	if status, answer := d.call("POST", "/workloads/task-1/sessions", `{}`); status != http.StatusServiceUnavailable || strings.Contains(answer, "access_key") {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer := d.call("GET", "/backup", ""); status != http.StatusOK || answer != "archive" {
		t.Errorf("%d %s", status, answer)
	}
}
