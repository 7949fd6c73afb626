package sigv4

import (
	"errors"
	"testing"
	"time"
)

// TestOpen: a temporary key is what its token says, and Lookup is not asked about
// it; whose it is comes back with a verified signature, and only with one.
func TestOpen(t *testing.T) {
	holder := "whose it is"
	v := newVerifier()
	v.Lookup = func(keyID string) (Credential, bool) {
		if keyID == temporary.KeyID {
			t.Error("Lookup was asked about a temporary key")
		}
		return Credential{Secret: longTerm.Credential.Secret, Holder: &holder}, true
	}
	var found Credential
	var refused error
	v.Open = func(keyID, token string, at time.Time) (Credential, error) {
		if keyID != temporary.KeyID || token != temporary.Credential.SessionToken || !at.Equal(now) {
			t.Errorf("opened %s with %q at %s", keyID, token, at)
		}
		return found, refused
	}
	good := Credential{Secret: temporary.Credential.Secret, Expires: now.Add(time.Second), Holder: &holder}
	for _, tt := range []struct {
		name    string
		found   Credential
		err     error
		code    Code
		message string
	}{
		{name: "good", found: good},
		{name: "another secret", found: Credential{Secret: "guess", Holder: &holder}, code: InvalidSignature, message: mismatch},
		{name: "no secret", found: Credential{Holder: &holder}, code: UnrecognizedClient, message: errWrongToken.Message},
		{name: "broken", found: good, err: errors.New("broken"), code: UnrecognizedClient, message: errWrongToken.Message},
		{name: "expired, it says", found: good, err: ErrExpired, code: ExpiredToken, message: ErrExpired.Message},
		{name: "expired", found: Credential{Secret: good.Secret, Expires: now, Holder: &holder}, code: ExpiredToken, message: ErrExpired.Message},
	} {
		found, refused = tt.found, tt.err
		r := newRequest()
		sign(t, r, temporary)
		id, err := v.Verify(r, meteringDoor, now)
		if tt.code != "" {
			wantError(t, err, tt.code, tt.message)
			if id != (Identity{}) {
				t.Errorf("%s: %+v together with an error", tt.name, id)
			}
			continue
		}
		if err != nil || id.Holder != &holder || id.KeyID != temporary.KeyID {
			t.Errorf("%s: %+v, %v", tt.name, id, err)
		}
	}
	r := newRequest()
	sign(t, r, longTerm)
	if id, err := v.Verify(r, meteringDoor, now); err != nil || id.Holder != &holder {
		t.Errorf("a long-term key: %+v, %v", id, err)
	}
}
