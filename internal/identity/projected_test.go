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

func newTokenIssuer(t *testing.T, secrets ...[]byte) *TokenIssuer {
	t.Helper()
	i, err := NewTokenIssuer(issuerURL, secrets...)
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
	another := bytes.Repeat([]byte{8}, 32)
	if err := believes(newTokenIssuer(t, another, secret)); err != nil {
		t.Errorf("of a secret that another has taken the place of: %v", err)
	}
	if believes(newTokenIssuer(t, another)) == nil {
		t.Error("one of another secret is believed")
	}
	if strings.Contains(string(i.KeySet()), `"d"`) {
		t.Errorf("the key set has the private key: %s", i.KeySet())
	}
	if _, err := NewTokenIssuer(issuerURL, secret[:31]); err == nil {
		t.Error("a short secret will do")
	}
	if _, err := NewTokenIssuer(issuerURL); err == nil {
		t.Error("no secret will do")
	}
	// A key that tokens out there were signed with must not change between versions.
	const thumbprint = "pJIutjqZSl39QoFm80B3QGbg16ZVbSNQR0TUy8WzXuo"
	if !strings.Contains(string(i.KeySet()), `"kid":"`+thumbprint+`"`) {
		t.Errorf("the key of this secret is now %s", i.KeySet())
	}
}

// TestKeysThatChange: an issuer whose keys are asked for is believed with the next
// key as soon as a token names it, and no longer with one that is gone.
func TestKeysThatChange(t *testing.T) {
	next := bytes.Repeat([]byte{8}, 32)
	i := newTokenIssuer(t, secret)
	asked := 0
	w := newWebIdentity(t, Issuer{URL: issuerURL, Audiences: []string{STSAudience}, Keys: func() ([]byte, error) {
		asked++
		return i.KeySet(), nil
	}})
	at := now
	believed := func(by *TokenIssuer) bool {
		t.Helper()
		token, err := by.Token(pod, STSAudience, at, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Verify(t.Context(), token, at)
		return err == nil
	}
	first := i
	for range 2 {
		if !believed(first) || asked != 1 {
			t.Errorf("the first key is not believed, or was asked for %d times", asked)
		}
	}
	i = newTokenIssuer(t, next, secret)
	at = at.Add(time.Minute)
	if !believed(i) || !believed(first) {
		t.Error("of two keys one is not believed")
	}
	i = newTokenIssuer(t, next)
	at = at.Add(keysAge)
	if !believed(i) || believed(first) {
		t.Error("the next key is not believed, or the first still is")
	}
	if _, err := NewWebIdentity([]Issuer{{URL: issuerURL, Audiences: []string{"a"}, KeySet: i.KeySet(), Keys: func() ([]byte, error) { return nil, nil }}}); err == nil {
		t.Error("keys of two places will do")
	}
}
