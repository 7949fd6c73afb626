package identity

import (
	"testing"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/sigv4"
)

// TestStrangers: an address whose signatures fail too often is throttled before it is
// listened to; callers behind it, and those who show a token in place of a signature,
// are not.
func TestStrangers(t *testing.T) {
	o := newOffice(t)
	o.Callers.Failures = o.Throttle.With(caller.FailureLimits())
	ask := func(keyID, secret string) string {
		return o.ask(t, sigv4.Signer{KeyID: keyID, Credential: sigv4.Credential{Secret: secret}}, "192.0.2.1", "Action", "GetCallerIdentity").Code
	}
	for range 100 {
		if code := ask("AKIANOBODY", "x"); code != "InvalidClientTokenId" {
			t.Fatalf("an unknown key: %s", code)
		}
	}
	if code := ask("AKIANOBODY", "x"); code != "Throttling" {
		t.Errorf("one stranger more: %q, want Throttling", code)
	}
	if code := ask("AKIAROOT", "secret"); code != "" {
		t.Errorf("a caller behind the same address: %s", code)
	}
	a := o.ask(t, sigv4.Signer{}, "192.0.2.1", "Action", "AssumeRoleWithWebIdentity", "RoleArn", "arn:aws:iam::111122223333:role/r", "RoleSessionName", "session", "WebIdentityToken", "none.at.all")
	if a.Code != "InvalidIdentityToken" {
		t.Errorf("a token behind the same address: %+v", a)
	}
}
