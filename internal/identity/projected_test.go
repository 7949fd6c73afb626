package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	secret = bytes.Repeat([]byte{7}, 32)
	pod    = Pod{Namespace: "shop", ServiceAccount: "billing", Name: "billing-7c9f", UID: "0b7e54a2-0c1d-4e5f-8a9b-1c2d3e4f5a6b"}
)

func newTokenIssuer(t *testing.T, secret []byte) *TokenIssuer {
	t.Helper()
	i, err := NewTokenIssuer(issuerURL, secret)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestProjectedToken: what a token of ours says is what is believed of it.
func TestProjectedToken(t *testing.T) {
	i := newTokenIssuer(t, secret)
	token, err := i.Token(pod, STSAudience, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w := newWebIdentity(t, Issuer{URL: i.URL(), Audiences: []string{STSAudience}, KeySet: i.KeySet()})
	got, err := w.Verify(t.Context(), token, now)
	want := &Token{
		Issuer: issuerURL, Subject: "system:serviceaccount:shop:billing", Audience: "sts.amazonaws.com",
		Issued: now, Expires: now.Add(time.Hour), Pod: pod,
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v; want, got: %s", err, d)
	}
	if _, err := w.Verify(t.Context(), token, now.Add(time.Hour)); !errors.Is(err, &Error{Code: ExpiredWebToken}) {
		t.Errorf("at its end: %v", err)
	}
	if again, _ := i.Token(pod, STSAudience, now, time.Hour); again == token {
		t.Error("two tokens are the same")
	}
	elsewhere, err := i.Token(pod, "https://kubernetes.default.svc", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Verify(t.Context(), elsewhere, now); !errors.Is(err, &Error{Code: InvalidIdentityToken}) {
		t.Errorf("for another: %v", err)
	}
}

// TestProjectedTokenForm: the claims as a cluster writes them.
func TestProjectedTokenForm(t *testing.T) {
	token, err := newTokenIssuer(t, secret).Token(pod, STSAudience, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &got)
	}
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := got["jti"].(string); len(id) < 26 {
		t.Errorf("jti is %q", id)
	}
	delete(got, "jti")
	want := map[string]any{
		"aud": []any{"sts.amazonaws.com"}, "iss": issuerURL, "sub": "system:serviceaccount:shop:billing",
		"iat": float64(now.Unix()), "nbf": float64(now.Unix()), "exp": float64(now.Unix() + 3600),
		"kubernetes.io": map[string]any{
			"namespace":      "shop",
			"pod":            map[string]any{"name": "billing-7c9f", "uid": pod.UID},
			"serviceaccount": map[string]any{"name": "billing"},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("want, got:", d)
	}
}

// TestTokenIssuerSecret: the same secret is the same issuer, another one is
// another, and the key set holds nothing that signs.
func TestTokenIssuerSecret(t *testing.T) {
	i := newTokenIssuer(t, secret)
	token, err := i.Token(pod, STSAudience, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	believes := func(other *TokenIssuer) error {
		_, err := newWebIdentity(t, Issuer{URL: issuerURL, Audiences: []string{STSAudience}, KeySet: other.KeySet()}).Verify(t.Context(), token, now)
		return err
	}
	if err := believes(newTokenIssuer(t, secret)); err != nil {
		t.Errorf("of the same secret: %v", err)
	}
	if believes(newTokenIssuer(t, bytes.Repeat([]byte{8}, 32))) == nil {
		t.Error("one of another secret is believed")
	}
	if strings.Contains(string(i.KeySet()), `"d"`) {
		t.Errorf("the key set has the private key: %s", i.KeySet())
	}
	if _, err := NewTokenIssuer(issuerURL, secret[:31]); err == nil {
		t.Error("a short secret will do")
	}
	// A key that tokens out there were signed with must not change between versions.
	const thumbprint = "pJIutjqZSl39QoFm80B3QGbg16ZVbSNQR0TUy8WzXuo"
	if !strings.Contains(string(i.KeySet()), `"kid":"`+thumbprint+`"`) {
		t.Errorf("the key of this secret is now %s", i.KeySet())
	}
}
