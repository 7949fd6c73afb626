package awsapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store/promise"
)

// TestClocksJump: the service's clock and the true one jump, by a second to a day,
// forth and back, or stand, each for itself, while the same records are sent again
// and again. No record moves to another hour, none opens a second key, the window
// goes by the one clock alone and the signature by the other, right at both edges.
func TestClocksJump(t *testing.T) {
	t.Parallel()
	runs := 1000
	if testing.Short() {
		runs = 100
	}
	const worldLasts = 50
	tally := promise.NewTally(t)
	var j *jumping
	n := 0
	for seed := range tally.Runs(runs) {
		if n++; j == nil || n%worldLasts == 0 {
			j.check(t)
			j = &jumping{w: newWorld(t, worldOptions{}), tally: tally}
		}
		j.schedule(t, seed)
	}
	j.check(t)
}

// jumping is a world whose clocks jump.
type jumping struct {
	w       *world
	tally   *promise.Tally
	history promise.History
	seed    uint64
}

// schedule is some jumps, and a call after each.
func (j *jumping) schedule(t *testing.T, seed uint64) {
	j.seed = seed
	r := rand.New(rand.NewPCG(seed, 7))
	claimed := vectorsNow.Add(-time.Duration(r.IntN(3*3600)) * time.Second)
	for range 6 {
		for _, c := range []interface {
			Set(time.Time)
			Now() time.Time
		}{j.w.clock, j.w.truth} {
			if r.IntN(3) > 0 { // otherwise it stands
				c.Set(c.Now().Add(jump(r)))
			}
		}
		if r.IntN(4) == 0 {
			j.w.clock.Set(vectorsNow)
		}
		// The signer's clock is off by up to ten minutes, or at an edge to the second.
		skew := time.Duration(r.IntN(1200)-600) * time.Second
		if r.IntN(2) == 0 {
			skew = []time.Duration{5 * time.Minute, 5*time.Minute + time.Second, -5 * time.Minute, -5*time.Minute - time.Second}[r.IntN(4)]
		}
		at := claimed
		if r.IntN(3) == 0 { // at an edge of the window, or just beyond
			at = j.w.clock.Now().Add([]time.Duration{-24*time.Hour + time.Second, -24 * time.Hour, 5 * time.Minute, 5*time.Minute + time.Second}[r.IntN(4)])
		}
		j.send(t, at.Truncate(time.Second), int(seed%97), skew)
	}
}

// jump is one second to 24 hours, either way, every size as likely as its half.
func jump(r *rand.Rand) time.Duration {
	d := time.Duration(1<<r.IntN(17)) * time.Second
	d = min(d, 24*time.Hour)
	if r.IntN(2) == 0 {
		return -d
	}
	return d
}

func (j *jumping) send(t *testing.T, at time.Time, quantity int, skew time.Duration) {
	now, truth := j.w.clock.Now(), j.w.truth.Now()
	c := newCall("POST", "BatchMeterUsage", trapSeller, "us-east-1")
	c.body = []byte(batchOf(recordOf(at, "scans", quantity)))
	if err := c.sign(truth.Add(skew)); err != nil {
		t.Fatal(err)
	}
	const buyer, license = "111122223333", "arn:aws:license-manager::294406891311:license:l-0a01"
	attempt := j.history.Send("210987654321", promise.Claim{
		Key:       metering.Key{Kind: metering.KindLicense, Account: "210987654321", Region: "us-east-1", Product: "scanner", Party: buyer + "/" + license, Dimension: "scans", Hour: metering.HourOf(at)},
		Timestamp: at, Quantity: int32(quantity),
	})
	r := httptest.NewRequest(c.method, c.uri, bytes.NewReader(c.body))
	r.Host, r.Header = c.host, c.header
	answer := httptest.NewRecorder()
	j.w.api.Handler().ServeHTTP(answer, r)
	text := answer.Body.String()

	// What it is to be, by the two clocks and nothing else.
	var want string
	// A signature is dated to the second.
	switch off := truth.Add(skew).Truncate(time.Second).Sub(truth); {
	case off < -5*time.Minute || off > 5*time.Minute:
		want = "InvalidSignatureException"
	case metering.BatchMeterUsageWindow.Check(at, now, metering.Rulings{}) != nil:
		want = "TimestampOutOfBoundsException"
	case answer.Code == http.StatusOK:
		want = `"Status"`
	default:
		want = "to be answered, or to be before the agreement began"
		if strings.Contains(text, "TimestampOutOfBoundsException") { // its hours are bounded, too
			want = "TimestampOutOfBoundsException"
		}
		if strings.Contains(text, "CustomerNotSubscribed") {
			want = "CustomerNotSubscribed"
		}
	}
	if !strings.Contains(text, want) {
		t.Errorf("seed %d: at %s by the service's clock, signed %s off: record of %s: got %d %s, want %s\n%s",
			j.seed, now, skew, at, answer.Code, text, want, promise.Replay(t, "internal/awsapi", j.seed))
	}
	j.tally.Add(fmt.Sprint("answered_", answer.Code), 1)
	if answer.Code != http.StatusOK {
		attempt.Refuse()
		return
	}
	var out struct {
		Results []struct{ MeteringRecordId, Status string }
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil || len(out.Results) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	told := promise.Told{Verdict: promise.Refused}
	switch metering.Status(out.Results[0].Status) {
	case metering.Success:
		told.Verdict = promise.Accepted
		told.ID, _ = metering.ParseID(out.Results[0].MeteringRecordId)
	case metering.DuplicateRecord:
		told.Verdict = promise.Duplicate
	case metering.CustomerNotSubscribed:
	}
	attempt.Answer(told)
}

func (j *jumping) check(t *testing.T) {
	if j == nil {
		return
	}
	found, err := j.history.CheckStore(t.Context(), j.w.store)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Errorf("up to seed %d: %v", j.seed, v)
	}
	counts := j.history.Counts()
	j.tally.Add("accepted", counts.Accepted)
	j.tally.Add("duplicates", counts.Duplicate)
	j.w.close()
}
