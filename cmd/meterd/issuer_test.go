package main

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/identity"
	"github.com/meterd/meterd/internal/store/embedded"
)

// TestLocalIssuer: dev believes the tokens that it makes, and those of no other
// process.
func TestLocalIssuer(t *testing.T) {
	db, err := embedded.Open(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, other := newServer(db, slog.New(slog.DiscardHandler), "", nil), newServer(db, slog.New(slog.DiscardHandler), "", nil)
	ours, err := s.believeLocal()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := other.believeLocal()
	if err != nil {
		t.Fatal(err)
	}
	pod := identity.Pod{Namespace: "shop", ServiceAccount: "meter", Name: "meter-1", UID: "uid-1"}
	token, err := ours.token(pod, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	said, err := s.sts.WebIdentity.Verify(t.Context(), token, time.Now())
	if err != nil || said.Pod != pod || said.Subject != "system:serviceaccount:shop:meter" || s.sts.Clusters[said.Issuer] != localRegion {
		t.Errorf("%+v %v", said, err)
	}
	if token, err = theirs.token(pod, time.Now(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if said, err := s.sts.WebIdentity.Verify(t.Context(), token, time.Now()); err == nil {
		t.Errorf("another process's: %+v", said)
	}
}

func TestParseWebIssuer(t *testing.T) {
	i, err := parseWebIssuer("https://oidc.example/id/A cluster=eu-west-1 audience=a audience=b keys=https://oidc.example/keys private")
	if err != nil || i.URL != "https://oidc.example/id/A" || i.cluster != "eu-west-1" || !slices.Equal(i.Audiences, []string{"a", "b"}) ||
		i.KeySetURL != "https://oidc.example/keys" || !i.Private || i.Loopback {
		t.Errorf("%+v %v", i, err)
	}
	if i, err = parseWebIssuer("https://oidc.example"); err != nil || i.cluster != "" || !slices.Equal(i.Audiences, []string{stsAudience}) {
		t.Errorf("%+v %v", i, err)
	}
	for _, text := range []string{"", "http://oidc.example", "oidc.example", "https://a.example audience=", "https://a.example cluster=nowhere-1", "https://a.example loopback", "http://127.0.0.1"} {
		if i, err := parseWebIssuer(text); err == nil {
			t.Errorf("%q: %+v", text, i)
		}
	}
}
