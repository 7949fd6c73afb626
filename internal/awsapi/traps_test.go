package awsapi

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Ways in which services of this kind have gone wrong. Each is planted, too
// (test/planted), so that it is known that these tests would tell.

const trapSeller = "AKIASELLERACME001"

// TestOneReadingOfTheClock: a call reads the service's clock once. By two readings
// it could be checked against one month and be written in another.
func TestOneReadingOfTheClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	var readings atomic.Int64
	w.api.Now = func() time.Time {
		readings.Add(1)
		return w.clock.Now()
	}
	for _, tt := range []struct{ operation, body string }{
		{"BatchMeterUsage", batchOf(recordOf(vectorsNow, "scans", 1), recordOf(vectorsNow, "users", 1))},
		{"BatchMeterUsage", batchOf(recordOf(vectorsNow, "scans", 2))},                    // a duplicate
		{"BatchMeterUsage", batchOf(recordOf(vectorsNow.Add(-48*time.Hour), "scans", 2))}, // too old
		{"ResolveCustomer", `{"RegistrationToken":"none"}`},
	} {
		readings.Store(0)
		c := newCall("POST", tt.operation, trapSeller, "us-east-1")
		c.body = []byte(tt.body)
		w.handle(t, c)
		if n := readings.Load(); n != 1 {
			t.Errorf("%s %s: %d readings of the clock, want 1", tt.operation, tt.body, n)
		}
	}
}

// TestEveryRecordIsItsOwners: that a license is the customer's is asked of every
// record of a batch, wherever it stands, and nothing of a batch with one that is
// not is written.
func TestEveryRecordIsItsOwners(t *testing.T) {
	t.Parallel()
	own := recordOf(vectorsNow, "scans", 1)
	foreign := strings.Replace(recordOf(vectorsNow, "users", 1), "l-0a01", "l-0b01", 1) // another customer's
	for name, batch := range map[string]string{
		"first": batchOf(foreign, own), "last": batchOf(own, foreign), "middle": batchOf(own, foreign, own),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{})
			c := newCall("POST", "BatchMeterUsage", trapSeller, "us-east-1")
			c.body = []byte(batch)
			if status, answer := w.handle(t, c); status != http.StatusBadRequest || !strings.Contains(string(answer), "InvalidLicenseException") {
				t.Errorf("got %d %s, want InvalidLicenseException", status, answer)
			}
			if all := w.records(t); len(all) != 0 {
				t.Errorf("%d records were written", len(all))
			}
		})
	}
}

// TestBodyIsSignedAsItCame: a body that says the same in other bytes than the
// signed ones is refused.
func TestBodyIsSignedAsItCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	signed := batchOf(recordOf(vectorsNow, "scans", 1))
	c := newCall("POST", "BatchMeterUsage", trapSeller, "us-east-1")
	c.body = []byte(signed)
	if err := c.sign(w.truth.Now()); err != nil {
		t.Fatal(err)
	}
	for _, sent := range []string{
		signed + " ",
		strings.Replace(signed, ",", ", ", 1),
		strings.Replace(signed, "scans", `sc\u0061ns`, 1),
		strings.Replace(signed, `"Quantity":1`, `"Quantity":1,"Quantity":1`, 1),
	} {
		r := httptest.NewRequest(c.method, c.uri, bytes.NewReader([]byte(sent)))
		r.Host, r.Header = c.host, c.header.Clone()
		answer := httptest.NewRecorder()
		w.api.Handler().ServeHTTP(answer, r)
		if answer.Code != http.StatusBadRequest || !strings.Contains(answer.Body.String(), "InvalidSignatureException") {
			t.Errorf("%s\ngot %d %s, want InvalidSignatureException", sent, answer.Code, answer.Body)
		}
	}
	if all := w.records(t); len(all) != 0 {
		t.Errorf("%d records were written", len(all))
	}
}
