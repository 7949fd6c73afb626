package identity

import (
	"encoding/json"
	"testing"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store"
)

// TestPodsOfTheCatalogue: where pods are workloads of the catalogue, that says
// where one is, and a token of one account's pod is worth nothing in a role of
// another, however far that role's trust reaches.
func TestPodsOfTheCatalogue(t *testing.T) {
	o := newOffice(t)
	o.Clusters = map[string]string{clusterURL: ""}
	const anyone = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"oidc.example"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`
	o.put(t,
		&store.Workload{ID: "pod-1", Platform: metering.PlatformEKS, Account: buyer, Region: "eu-west-1"},
		&store.Workload{ID: "task-1", Platform: metering.PlatformECS, Account: buyer, Region: "eu-west-1"},
		&store.Role{Account: acme, Name: "open", ID: "AROA8", Trust: anyone, Policies: []string{"everything"}},
		&store.Role{Account: buyer, Name: "open", ID: "AROA9", Trust: anyone, Policies: []string{"everything"}},
	)
	assume := func(uid, role string) answered {
		claims, err := json.Marshal(newFields(fields{
			"iss": clusterURL, "iat": o.at.Unix(), "nbf": o.at.Unix(), "exp": o.at.Unix() + 3600,
			"kubernetes.io": fields{"namespace": "shop", "pod": fields{"name": "p", "uid": uid}},
		}))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := o.signer.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		token, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return o.ask(t, sigv4.Signer{}, "192.0.2.1",
			"Action", "AssumeRoleWithWebIdentity", "RoleArn", role, "RoleSessionName", "botocore", "WebIdentityToken", token)
	}
	const own, other = "arn:aws:iam::111122223333:role/open", "arn:aws:iam::210987654321:role/open"
	a := assume("pod-1", own)
	keys, err := o.Callers.SessionKeys()
	if err != nil {
		t.Fatal(err)
	}
	claims, _, err := keys.Open(a.WebKeyID, a.WebToken, o.at)
	if err != nil {
		t.Fatalf("got %+v, %v", a, err)
	}
	if want := (session.Workload{Platform: metering.PlatformEKS, ID: "pod-1", Region: "eu-west-1"}); claims.Workload != want || claims.Account != buyer {
		t.Errorf("got %+v, want %+v", claims, want)
	}
	for _, test := range []struct{ uid, role string }{{"pod-1", other}, {"pod-2", own}, {"task-1", own}, {"", own}} {
		if a := assume(test.uid, test.role); a.Code != "AccessDenied" || a.Message != "Not authorized to perform sts:AssumeRoleWithWebIdentity" || a.WebKeyID != "" {
			t.Errorf("pod %q in %s: got %+v", test.uid, test.role, a)
		}
	}
}
