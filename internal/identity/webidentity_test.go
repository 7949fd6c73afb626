package identity

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// TestTokens: what is believed, and what is not, by its claims alone.
func TestTokens(t *testing.T) {
	w := newWebIdentity(t, Issuer{URL: issuerURL, Audiences: []string{us, "meterd"}, KeySet: keySetText(t, jwk(newECKey(t, 1), "one"))})
	for _, test := range []struct {
		name    string
		changes fields
		code    Code // empty: believed
		message string
	}{
		{"a cluster's", nil, "", ""},
		{"audience as a text", fields{"aud": us}, "", ""},
		{"one audience of many", fields{"aud": []string{"other", "meterd", us}}, "", ""},
		{"no nbf", fields{"nbf": nil}, "", ""},
		{"dates with fractions", fields{"exp": float64(now.Unix()) + 1.5, "iat": float64(now.Unix()) - 0.5}, "", ""},
		{"a clock five minutes ahead", fields{"iat": now.Unix() + 300, "nbf": now.Unix() + 300}, "", ""},
		{"a day long", fields{"exp": now.Unix() + 86400}, "", ""},
		{"the longest subject", fields{"sub": strings.Repeat("s", 255)}, "", ""},
		{"nothing of Kubernetes", fields{"kubernetes.io": nil}, "", ""},

		{"another issuer", fields{"iss": issuerURL + "/"}, InvalidIdentityToken, "No OpenIDConnect provider found in your account for " + issuerURL + "/"},
		{"no issuer", fields{"iss": nil}, InvalidIdentityToken, "No OpenIDConnect provider found in your account for "},
		{"an issuer in capitals", fields{"iss": nil, "ISS": issuerURL}, InvalidIdentityToken, "No OpenIDConnect provider found in your account for "},
		{"expired", fields{"exp": now.Unix()}, ExpiredWebToken, "Token expired: current date/time 1795694400 must be before the expiration date/time 1795694400"},
		{"expired by a fraction", fields{"exp": float64(now.Unix()) + 0.9}, ExpiredWebToken, "Token expired: current date/time 1795694400 must be before the expiration date/time 1795694400"},
		{"no exp", fields{"exp": nil}, InvalidIdentityToken, "Missing a required claim: exp"},
		{"exp in capitals", fields{"exp": nil, "EXP": now.Unix() + 60}, InvalidIdentityToken, "Missing a required claim: exp"},
		{"exp of no date", fields{"exp": 1e300}, InvalidIdentityToken, "The claim exp is no date."},
		{"exp before dates", fields{"exp": -1}, InvalidIdentityToken, "The claim exp is no date."},
		{"no iat", fields{"iat": nil}, InvalidIdentityToken, "Missing a required claim: iat"},
		{"issued later", fields{"iat": now.Unix() + 301}, InvalidIdentityToken, "The token is not valid yet."},
		{"valid later", fields{"nbf": now.Unix() + 301}, InvalidIdentityToken, "The token is not valid yet."},
		{"longer than a day", fields{"exp": now.Unix() + 86401}, InvalidIdentityToken, "The token lasts 24h0m1s, longer than the 24h0m0s that are accepted of its issuer."},
		{"for another", fields{"aud": "https://kubernetes.default.svc"}, InvalidIdentityToken, "Incorrect token audience"},
		{"for one with a longer name", fields{"aud": us + ".cn"}, InvalidIdentityToken, "Incorrect token audience"},
		{"for nobody", fields{"aud": []string{}}, InvalidIdentityToken, "Missing a required claim: aud"},
		{"no audience", fields{"aud": nil}, InvalidIdentityToken, "Missing a required claim: aud"},
		{"no subject", fields{"sub": nil}, InvalidIdentityToken, "Missing a required claim: sub"},
		{"an empty subject", fields{"sub": ""}, InvalidIdentityToken, "Missing a required claim: sub"},
		{"a subject too long", fields{"sub": strings.Repeat("s", 256)}, IDPRejectedClaim, "The subject of the token is too long."},
		{"a text for a date", fields{"exp": "1795698000"}, InvalidIdentityToken, ""},
		{"a number for an audience", fields{"aud": 1}, InvalidIdentityToken, ""},
	} {
		got, err := w.Verify(t.Context(), sign(t, 1, "one", test.changes), now)
		if test.code == "" {
			if err != nil || got.Issuer != issuerURL || got.Subject == "" || got.Expires.Location() != time.UTC {
				t.Errorf("%s: got %+v, %v", test.name, got, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Code != test.code || test.message != "" && e.Message != test.message || got != nil {
			t.Errorf("%s: got %+v, %v", test.name, got, err)
		}
	}

	got, err := w.Verify(t.Context(), sign(t, 1, "one", fields{"aud": []string{"other", "meterd", us}}), now)
	want := &Token{
		Issuer: issuerURL, Subject: "system:serviceaccount:shop:billing", Audience: "meterd", Issued: now, Expires: now.Add(time.Hour),
		Pod: Pod{Namespace: "shop", ServiceAccount: "billing", Name: "billing-7c9f", UID: "0b7e54a2"},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v; want, got: %s", err, d)
	}
}

// TestForgeries: the ways in which verifiers of such tokens have been fooled.
func TestForgeries(t *testing.T) {
	elsewhere := newServer(t)
	key, other := newECKey(t, 1), newECKey(t, 2)
	ours, theirs := rsaKeys()[2048], newECKey(t, 3)
	w := newWebIdentity(t,
		Issuer{URL: issuerURL, Audiences: []string{us}, KeySet: keySetText(t, jwk(key, "ec"), jwk(ours, "rsa"), jwk(rsaKeys()[1024], "short"))},
		Issuer{URL: "https://other.example", Audiences: []string{us}, KeySet: keySetText(t, jwk(other, "ec"), jwk(other, "other"))},
		Issuer{URL: "https://single.example", Audiences: []string{us}, KeySet: keySetText(t, jwk(other, "ec"))},
	)
	payload := text(t, newFields(nil))
	public, err := x509.MarshalPKIXPublicKey(ours.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	part := func(v any) string { return base64.RawURLEncoding.EncodeToString(text(t, v)) }
	body := base64.RawURLEncoding.EncodeToString(payload)
	good := signWith(t, jose.ES256, key, fields{"kid": "ec"}, payload)
	head, _, _ := strings.Cut(good, ".")
	signature := good[strings.LastIndexByte(good, '.')+1:]
	// A token as its parts, in the other serialization.
	flattened := text(t, fields{"protected": head, "payload": body, "signature": signature})

	for name, token := range map[string]string{
		"nothing":                     "",
		"no signature at all":         part(fields{"alg": "none", "kid": "ec"}) + "." + body + ".",
		"none, with a signature":      part(fields{"alg": "none", "kid": "ec"}) + "." + body + "." + signature,
		"None":                        part(fields{"alg": "None", "kid": "ec"}) + "." + body + ".",
		"no algorithm":                part(fields{"kid": "ec"}) + "." + body + "." + signature,
		"the signature left out":      head + "." + body + ".",
		"a MAC under the public key":  signWith(t, jose.HS256, publicPEM, fields{"kid": "rsa"}, payload),
		"the same in DER":             signWith(t, jose.HS256, public, fields{"kid": "rsa"}, payload),
		"RS512":                       signWith(t, jose.RS512, ours, fields{"kid": "rsa"}, payload),
		"PS256":                       signWith(t, jose.PS256, ours, fields{"kid": "rsa"}, payload),
		"an RSA key too short":        signWith(t, jose.RS256, rsaKeys()[1024], fields{"kid": "short"}, payload),
		"RS256 under the id of an EC": signWith(t, jose.RS256, ours, fields{"kid": "ec"}, payload),
		"another issuer's key":        signWith(t, jose.ES256, other, fields{"kid": "ec"}, payload),
		"another issuer's key id":     signWith(t, jose.ES256, other, fields{"kid": "other"}, payload),
		"another issuer's token":      signWith(t, jose.ES256, key, fields{"kid": "ec"}, text(t, newFields(fields{"iss": "https://other.example"}))),
		"no key id, wrong key":        signWith(t, jose.ES256, theirs, nil, text(t, newFields(fields{"iss": "https://single.example"}))),
		"no key id, two keys":         signWith(t, jose.ES256, other, nil, text(t, newFields(fields{"iss": "https://other.example"}))),
		"a key of its own (jwk)":      signWith(t, jose.ES256, theirs, fields{"kid": "ec", "jwk": jwk(theirs, "ec")}, payload),
		"a key elsewhere (jku)":       signWith(t, jose.ES256, theirs, fields{"kid": "ec", "jku": elsewhere.URL}, payload),
		"a certificate elsewhere":     signWith(t, jose.ES256, theirs, fields{"kid": "ec", "x5u": elsewhere.URL}, payload),
		"critical and not known":      signWith(t, jose.ES256, key, fields{"kid": "ec", "crit": []string{"exp"}, "exp": 1}, payload),
		"a payload of its own":        head + "." + base64.RawURLEncoding.EncodeToString(text(t, newFields(fields{"sub": "admin"}))) + "." + signature,
		"cut":                         good[:len(good)-8],
		"a part more":                 good + ".e30",
		"padded":                      good + "==",
		"not compact":                 string(flattened),
		"encrypted":                   "e30.e30.e30.e30.e30",
		"a line break in the header":  head[:9] + "\n" + good[9:],
		"a line break in the claims":  head + "." + body[:9] + "\n" + body[9:] + "." + signature,
		"a line break at the end":     good + "\n",
		"a claim twice":               signWith(t, jose.ES256, key, fields{"kid": "ec"}, []byte(strings.Replace(string(payload), `{`, `{"sub":"admin",`, 1))),
		"no UTF-8":                    signWith(t, jose.ES256, key, fields{"kid": "ec"}, []byte(strings.Replace(string(payload), `shop:`, "\xff:", 1))),
		"no object":                   signWith(t, jose.ES256, key, fields{"kid": "ec"}, []byte(`["iss"]`)),
	} {
		got, err := w.Verify(t.Context(), token, now)
		if !errors.Is(err, &Error{Code: InvalidIdentityToken}) || got != nil {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
		if f, known := fault(err); !known || len(token) > 20 && strings.Contains(f.Message, token[10:]) {
			t.Errorf("%s: is answered %v", name, f)
		}
	}

	// An algorithm that is not believed is no reason to look for a key.
	for _, algorithm := range []string{"none", "HS256", "RS512", "PS256", "ES384", "EdDSA", "es256"} {
		token := part(fields{"alg": algorithm, "kid": "ec"}) + "." + body + "." + signature
		if _, err := w.Verify(t.Context(), token, now); err == nil || !strings.Contains(err.Error(), "not a valid JWT") {
			t.Errorf("%s: got %v", algorithm, err)
		}
	}

	// What a token brings along is passed over, and does not spoil it either.
	for name, token := range map[string]string{
		"plain":                      good,
		"RS256":                      signWith(t, jose.RS256, ours, fields{"kid": "rsa"}, payload),
		"with a stranger key":        signWith(t, jose.ES256, key, fields{"kid": "ec", "jwk": jwk(theirs, "x"), "jku": elsewhere.URL, "x5u": elsewhere.URL}, payload),
		"no key id, one of the kind": signWith(t, jose.ES256, key, nil, payload),
		"no key id, one key":         signWith(t, jose.ES256, other, nil, text(t, newFields(fields{"iss": "https://single.example"}))),
	} {
		if _, err := w.Verify(t.Context(), token, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := elsewhere.requests.Load(); n != 0 {
		t.Errorf("%d requests were made where a token points to", n)
	}
}

// FuzzWebIdentity: nothing is believed but what was signed, within its time.
// Keys and claims are the same in every run; signatures are not.
func FuzzWebIdentity(f *testing.F) {
	w := newWebIdentity(f, Issuer{URL: issuerURL, Audiences: []string{us}, KeySet: keySetText(f, jwk(newECKey(f, 1), "one"))})
	signed := map[string]bool{}
	for _, changes := range []fields{nil, {"aud": "other"}, {"iss": "https://other.example"}, {"exp": nil}} {
		token := sign(f, 1, "one", changes)
		signed[token[:strings.LastIndexByte(token, '.')]] = changes == nil
		f.Add(token, int64(0))
		f.Add(token, int64(time.Hour))
		f.Add(sign(f, 2, "one", changes), int64(0))
	}
	part := base64.RawURLEncoding.EncodeToString
	f.Add(part([]byte(`{"alg":"none"}`))+"."+part(text(f, newFields(nil)))+".", int64(0))
	f.Fuzz(func(t *testing.T, token string, after int64) {
		got, err := w.Verify(t.Context(), token, now.Add(time.Duration(after)))
		if err != nil {
			if _, known := fault(err); !known || got != nil {
				t.Errorf("got %+v, %v", got, err)
			}
			return
		}
		if !signed[token[:strings.LastIndexByte(token, '.')]] {
			t.Errorf("believed %q: %+v", token, got)
		}
		if d := time.Duration(after); d < -leeway || d >= time.Hour {
			t.Errorf("believed %v after it was issued", d)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	w := newWebIdentity(b, Issuer{URL: issuerURL, Audiences: []string{us}, KeySet: keySetText(b, jwk(newECKey(b, 1), "ec"), jwk(rsaKeys()[2048], "rsa"))})
	payload, err := json.Marshal(newFields(nil))
	if err != nil {
		b.Fatal(err)
	}
	for name, token := range map[string]string{
		"ES256": signWith(b, jose.ES256, newECKey(b, 1), fields{"kid": "ec"}, payload),
		"RS256": signWith(b, jose.RS256, rsaKeys()[2048], fields{"kid": "rsa"}, payload),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Verify(b.Context(), token, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
