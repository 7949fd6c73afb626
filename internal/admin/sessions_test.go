package admin

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// provider issues the pods' tokens of these tests.
const provider = "oidc.meterd.internal/id/test"

// newIssuing makes credentials that tell what they were asked for with.
func newIssuing() *Issuing {
	until := time.Date(2026, 9, 15, 11, 30, 0, 0, time.UTC)
	return &Issuing{
		Session: func(_ context.Context, role *store.Role, w *metering.Workload) (SessionCredentials, error) {
			return SessionCredentials{"ASIA1", "secret", store.Secret(role.Name + " " + role.ID + " " + w.ID + " " + w.Region), until}, nil
		},
		PodToken: func(w *metering.Workload, a ServiceAccount) (PodToken, error) {
			return PodToken{store.Secret(w.ID + " " + a.subject()), until}, nil
		},
		Provider: provider,
	}
}

const withWorkloads = sample + `
roles:
  - account: "111122223333"
    name: meter
    trust: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: "sts:AssumeRole"}]}
  - account: "111122223333"
    name: irsa
    trust:
      Statement:
        - Effect: Allow
          Principal: {Federated: "arn:aws:iam::111122223333:oidc-provider/oidc.meterd.internal/id/test"}
          Action: "sts:AssumeRoleWithWebIdentity"
          Condition: {StringEquals: {"oidc.meterd.internal/id/test:sub": "system:serviceaccount:shop:billing"}}
  - {account: "210987654321", name: elsewhere, trust: {Statement: [{Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: "sts:AssumeRole"}]}}
`

func newSessionDesk(t *testing.T) *desk {
	d := newDesk(t)
	apply(t, d.service, withWorkloads)
	for id, platform := range map[string]string{"i-1": "ec2", "pod-1": "eks", "rt-1": "agentcore", "a%2Fb": "ecs"} {
		d.want(http.StatusOK, "PUT", "/workloads/"+id, `{"platform":"`+platform+`","account":"111122223333","region":"eu-west-1"}`)
	}
	return d
}

// TestWorkloadSession: the facts are the catalogue's, and the role is the one for
// everybody, or the one that was named and that trusts the platform.
func TestWorkloadSession(t *testing.T) {
	d := newSessionDesk(t)
	const arn = "arn:aws:iam::111122223333:role/"
	for _, test := range []struct {
		id, body string
		role     string
		token    string // what was told to the maker of it, without the role's id
	}{
		{"i-1", `{}`, arn + "meterd-workload", "meterd-workload i-1 eu-west-1"},
		{"task-1", `{}`, arn + "meterd-workload", "meterd-workload task-1 us-east-1"},
		{"rt-1", `{}`, arn + "meterd-workload", "meterd-workload rt-1 eu-west-1"},
		{"task-1", `{"role":"meter"}`, arn + "meter", "meter task-1 us-east-1"},
		{"pod-1", `{}`, arn + "meterd-workload", "pod-1 system:serviceaccount:111122223333:meterd-workload"},
		{"pod-1", `{"role":"irsa","namespace":"shop","service_account":"billing"}`, arn + "irsa", "pod-1 system:serviceaccount:shop:billing"},
	} {
		got := d.want(http.StatusCreated, "POST", "/workloads/"+test.id+"/sessions", test.body)
		token, pod := got["web_identity_token"].(string)
		if !pod {
			words := strings.Fields(got["session_token"].(string))
			if role := d.service.Store.Catalog().Role("111122223333", words[0]); role == nil || role.ID != words[1] {
				t.Errorf("%s: the role is %v, and the session of %s", test.id, role, words[1])
			}
			token = strings.Join(append(words[:1], words[2:]...), " ")
			if got["access_key_id"] != "ASIA1" || got["secret_access_key"] != "secret" {
				t.Errorf("%s: got %v", test.id, got)
			}
		}
		if got["role"] != test.role || token != test.token || got["expires"] != "2026-09-15T11:30:00Z" {
			t.Errorf("%s %s: got %v, want %s, %s", test.id, test.body, got, test.role, test.token)
		}
	}
	if keys := d.service.Store.Catalog().SessionKeys(); len(keys) != 1 {
		t.Errorf("there are %d session keys, want 1", len(keys))
	}
}

// TestWorkloadSessionRefused: what is wrong, and that nothing is made of it.
func TestWorkloadSessionRefused(t *testing.T) {
	d := newSessionDesk(t)
	before := d.service.Store.Catalog().Revision()
	for _, test := range []struct {
		id, body string
		status   int
		says     string
	}{
		{"none", `{}`, 404, `workload \"none\"`},
		{"a%2Fb", `{}`, 409, "cannot be the name of its session"},
		{"task-1", `{"role":"none"}`, 404, `role \"none\" of account \"111122223333\"`},
		{"task-1", `{"role":"elsewhere"}`, 404, `role \"elsewhere\" of account \"111122223333\"`},
		{"task-1", `{"role":"irsa"}`, 409, "role arn:aws:iam::111122223333:role/irsa does not trust ecs-tasks.amazonaws.com: its trust policy has to allow it sts:AssumeRole"},
		{"i-1", `{"role":"meter"}`, 409, "does not trust ec2.amazonaws.com"},
		{"pod-1", `{"role":"meter"}`, 409, "does not trust system:serviceaccount:111122223333:meterd-workload of oidc.meterd.internal/id/test"},
		{"pod-1", `{"role":"irsa","namespace":"shop"}`, 409, "does not trust system:serviceaccount:shop:meterd-workload"},
		{"task-1", `{"namespace":"shop"}`, 422, "is for pods, and workload task-1 is of ecs"},
		{"pod-1", `{"service_account":"a:b"}`, 422, "is not a name of Kubernetes'"},
		{"pod-1", `{"account":"210987654321"}`, 422, "unexpected property"},
		{"pod-1", `{"region":"us-east-1"}`, 422, "unexpected property"},
	} {
		status, answer := d.call("POST", "/workloads/"+test.id+"/sessions", test.body)
		if status != test.status || !strings.Contains(answer, test.says) {
			t.Errorf("%s %s: got %d %s, want %d %s", test.id, test.body, status, answer, test.status, test.says)
		}
	}
	if now := d.service.Store.Catalog().Revision(); now != before {
		t.Errorf("the catalogue went from revision %d to %d", before, now)
	}
}

// TestWorkloadRole: the role for everybody is made once, however many ask for it
// at once; it is then a role like any other, and stays what it was made into. The
// one of another account does not take this one's pods.
func TestWorkloadRole(t *testing.T) {
	d := newSessionDesk(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if status, answer := d.call("POST", "/workloads/pod-1/sessions", `{}`); status != http.StatusCreated {
				t.Errorf("got %d %s", status, answer)
			}
		})
	}
	wg.Wait()
	role := d.want(http.StatusOK, "GET", "/roles/111122223333/meterd-workload", "")
	if policies := role["policies"].([]any); len(policies) != 2 {
		t.Errorf("got %v", role)
	}
	d.want(http.StatusOK, "PUT", "/workloads/pod-2", `{"platform":"eks","account":"210987654321","region":"us-east-1"}`)
	d.want(http.StatusCreated, "POST", "/workloads/pod-2/sessions", `{}`)
	_, answer := d.call("GET", "/roles/210987654321/meterd-workload", "")
	if !strings.Contains(answer, "system:serviceaccount:210987654321:meterd-workload") || strings.Contains(answer, "111122223333") {
		t.Errorf("the other account's role: %s", answer)
	}

	d.want(http.StatusOK, "PUT", "/roles/111122223333/meterd-workload",
		`{"trust":{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}}`)
	d.want(http.StatusCreated, "POST", "/workloads/i-1/sessions", `{}`)
	d.want(http.StatusConflict, "POST", "/workloads/pod-1/sessions", `{}`)
}
