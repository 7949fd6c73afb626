package admin

import (
	"net/http"
	"strings"
	"testing"
)

// TestSessionsOnly: where workloads have sessions, no key stands for one.
func TestSessionsOnly(t *testing.T) {
	const catalog = "workloads: [{id: i-1, platform: ec2, account: \"111122223333\", region: us-east-1}]\ncredentials: [{access_key_id: AKIAOTHER00000000001, secret_access_key: a-secret-of-enough-letters, account: \"111122223333\", workload: i-1}]"
	for _, only := range []bool{true, false} {
		d := newDesk(t)
		apply(t, d.service, sample)
		d.service.SessionsOnly = only
		status, answer := d.call("POST", "/catalog", catalog)
		if only != (status == http.StatusUnprocessableEntity) || only != strings.Contains(answer, "workloads get sessions") {
			t.Errorf("sessions only: %v: %d %s", only, status, answer)
		}
	}
}

// TestStrict: in production a catalogue brings no secret that can be guessed or
// read elsewhere.
func TestStrict(t *testing.T) {
	for _, row := range []struct{ catalog, says string }{
		{"credentials: [{access_key_id: AKIAMETERDSELLER0001, secret_access_key: a-secret-of-enough-letters, account: \"210987654321\"}]", "demo catalogue"},
		{"credentials: [{access_key_id: AKIAOTHER00000000001, secret_access_key: example-secret, account: \"210987654321\"}]", "shorter than 20"},
		{"agreements: [{id: a, product: new, buyer: \"111122223333\"}]\ntokens: [{token: guess-me, agreement: a}]", "shorter than 32"},
	} {
		for _, strict := range []bool{true, false} {
			d := newDesk(t)
			apply(t, d.service, sample)
			d.service.Strict = strict
			status, answer := d.call("POST", "/catalog", row.catalog)
			if strict != (status == http.StatusUnprocessableEntity) || strict != strings.Contains(answer, row.says) {
				t.Errorf("%s, strict: %v: %d %s", row.catalog, strict, status, answer)
			}
		}
	}
}
