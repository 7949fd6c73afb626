package main

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/identity"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store/embedded"
)

// TestLocalIssuer: every node of a store is the same issuer of pods' tokens, and is
// believed with the next session key as well; one of another store is another.
func TestLocalIssuer(t *testing.T) {
	open := func() *embedded.Store {
		db, err := embedded.Open(embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	node := func(db *embedded.Store) *server {
		s := newServer(db, slog.New(slog.DiscardHandler), "", nil)
		if err := errors.Join(s.admin.KeepSessionKeys(t.Context()), s.believe(nil)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	db := open()
	s, same, other := node(db), node(db), node(open())
	w := &metering.Workload{ID: "uid-1", Platform: metering.PlatformEKS, Account: "111122223333", Region: "eu-west-1"}
	verify := func(by *server) error {
		made, err := by.admin.Issuing.PodToken(w, admin.ServiceAccount{Namespace: "shop", Name: "meter"})
		if err != nil {
			t.Fatal(err)
		}
		said, err := s.sts.WebIdentity.Verify(t.Context(), string(made.Token), time.Now())
		if err == nil && (said.Pod.UID != "uid-1" || said.Subject != "system:serviceaccount:shop:meter" || said.Expires != made.Expires) {
			t.Errorf("got %+v", said)
		}
		return err
	}
	if err := errors.Join(verify(s), verify(same)); err != nil {
		t.Error(err)
	}
	if verify(other) == nil {
		t.Error("an issuer of another store is believed")
	}
	if region, cluster := s.sts.Clusters[localIssuerURL]; !cluster || region != "" {
		t.Errorf("its pods are of %q, %t", region, cluster)
	}
}

func TestParseWebIssuer(t *testing.T) {
	i, err := parseWebIssuer("https://oidc.example/id/A cluster=eu-west-1 audience=a audience=b keys=https://oidc.example/keys private")
	if err != nil || i.URL != "https://oidc.example/id/A" || i.cluster != "eu-west-1" || !slices.Equal(i.Audiences, []string{"a", "b"}) ||
		i.KeySetURL != "https://oidc.example/keys" || !i.Private || i.Loopback {
		t.Errorf("%+v %v", i, err)
	}
	if i, err = parseWebIssuer("https://oidc.example"); err != nil || i.cluster != "" || !slices.Equal(i.Audiences, []string{identity.STSAudience}) {
		t.Errorf("%+v %v", i, err)
	}
	for _, text := range []string{"", "http://oidc.example", "oidc.example", "https://a.example audience=", "https://a.example cluster=", "https://a.example cluster=catalog", "https://a.example loopback", "http://127.0.0.1"} {
		if i, err := parseWebIssuer(text); err == nil {
			t.Errorf("%q: %+v", text, i)
		}
	}
}
