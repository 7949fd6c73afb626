package sdk

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// verify checks a token with go-jose, which takes PS256 and nothing else here.
func (goClient) verify(_ context.Context, key, token string) (header, claims map[string]any, err error) {
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		return nil, nil, errors.New("the key is not PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.PS256})
	if err != nil {
		return nil, nil, err
	}
	payload, err := signed.Verify(public)
	if err != nil {
		return nil, nil, err
	}
	protected := signed.Signatures[0].Protected
	header = map[string]any{"alg": protected.Algorithm}
	for name, value := range protected.ExtraHeaders {
		header[string(name)] = value
	}
	return header, claims, json.Unmarshal(payload, &claims)
}

// judgeToken wants a token that verifies with the exported key of the version it
// names, with exactly these claims, and no word of a rotation.
func judgeToken(t *testing.T, s *server, where string, output, claims map[string]any) {
	t.Helper()
	if _, rotated := output["PublicKeyRotationTimestamp"]; rotated || len(output) != 1 {
		t.Fatalf("%s: got %v, want a signature alone", where, output)
	}
	product, _ := claims["productCode"].(string)
	version, _ := claims["publicKeyVersion"].(float64)
	checkToken(t, goClient{}, s.publicKey(t, product, int(version)), output, claims)
}

// checkToken verifies the token of an output by the means of one SDK's platform.
func checkToken(t *testing.T, v verifier, key string, output, claims map[string]any) {
	t.Helper()
	token, _ := output["Signature"].(string)
	header, got, err := v.verify(t.Context(), key, token)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, token, key)
	}
	if diff := cmp.Diff(map[string]any{"alg": "PS256", "typ": "JWT"}, header); diff != "" {
		t.Errorf("the header differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(claims, got); diff != "" {
		t.Errorf("the claims differ (-want +got):\n%s", diff)
	}
}

// TestRotation signs with an old key and with a new one. The old one keeps
// working, for it is baked into images that are out there, but says so.
func TestRotation(t *testing.T) {
	everySDKOnOneOrTwo(t, func(t *testing.T, p place, _ string, c client) {
		s := p.startWithContainers(t)
		v, ok := c.(verifier)
		if !ok {
			v = goClient{} // Python's standard library has no RSA
		}
		register := func(version string) map[string]any {
			answers, err := c.send(t.Context(), s.callAs(t, "task-1", "RegisterUsage",
				`{"ProductCode":"sidecar","PublicKeyVersion":`+version+`}`))
			if err != nil {
				t.Fatal(err)
			}
			if answers[0].Failure != nil {
				t.Fatalf("version %s: %v", version, answers[0])
			}
			return answers[0].Output
		}
		// No nonce was sent, so there is none among the claims.
		claims := func(version float64) map[string]any {
			return map[string]any{"productCode": "sidecar", "publicKeyVersion": version, "iat": 1789468200.0}
		}

		first := s.publicKey(t, "sidecar", 1)
		before := register("1")
		checkToken(t, v, first, before, claims(1))
		if at, rotated := before["PublicKeyRotationTimestamp"]; rotated {
			t.Errorf("rotated at %v before it was", at)
		}

		s.rotateKey(t, "sidecar")
		second := s.publicKey(t, "sidecar", 2)
		if first == second || first != s.publicKey(t, "sidecar", 1) {
			t.Error("the rotation made no new key, or lost the old one")
		}
		after := register("1")
		checkToken(t, v, first, after, claims(1))
		text, _ := after["PublicKeyRotationTimestamp"].(string)
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || at.UTC().Format(time.RFC3339) != clockT {
			t.Errorf("rotated at %q, want %s", text, clockT)
		}
		fresh := register("2")
		checkToken(t, v, second, fresh, claims(2))
		if at, rotated := fresh["PublicKeyRotationTimestamp"]; rotated {
			t.Errorf("the new key is said to have been rotated at %v", at)
		}
	})
}
