package caller

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/meterd/meterd/internal/metering"
)

// hand is a true time that the test moves.
type hand struct{ at time.Time }

func (h *hand) now() time.Time       { return h.at }
func (h *hand) pass(d time.Duration) { h.at = h.at.Add(d) }

func newHand() *hand { return &hand{time.Date(2026, 9, 15, 10, 30, 0, 0, time.UTC)} }

// drain calls until it is refused, and says how often it was not.
func drain(t *Throttle, account metering.AccountID, region string, op metering.Operation) int {
	for n := range 10_000 {
		if !t.Allow(account, region, op) {
			return n
		}
	}
	return -1
}

// TestQuotas: AWS's quotas, per account, region and operation; a bucket holds one
// second's worth (contract 2.3, R-25).
func TestQuotas(t *testing.T) {
	const account, region = metering.AccountID("111122223333"), "us-east-1"
	for op, quota := range map[metering.Operation]int{
		metering.BatchMeterUsage: 10,
		metering.MeterUsage:      10,
		metering.RegisterUsage:   5,
		metering.ResolveCustomer: 10,
		metering.GetEntitlements: 10,
		metering.LookupEvents:    2,
	} {
		h := newHand()
		throttle := NewThrottle(AWSLimits(), h.now)
		if got := drain(throttle, account, region, op); got != quota {
			t.Errorf("%s: a burst of %d, want %d", op, got, quota)
		}
		each := time.Second / time.Duration(quota)
		for range 3 {
			h.pass(each - time.Millisecond)
			if throttle.Allow(account, region, op) {
				t.Errorf("%s: a call sooner than %s after the last", op, each)
			}
			h.pass(time.Millisecond)
			if got := drain(throttle, account, region, op); got != 1 {
				t.Errorf("%s: %d calls after %s, want one", op, got, each)
			}
		}
		h.pass(time.Second)
		if got := drain(throttle, account, region, op); got != quota {
			t.Errorf("%s: %d calls after a second, want %d", op, got, quota)
		}
		h.pass(time.Hour)
		if got := drain(throttle, account, region, op); got != quota {
			t.Errorf("%s: %d calls after an hour's rest, want %d", op, got, quota)
		}
	}
}

// TestBuckets: who shares one.
func TestBuckets(t *testing.T) {
	for _, row := range []struct {
		name            string
		account, region string
		op              metering.Operation
		shared          bool // with account 1, us-east-1, MeterUsage
	}{
		{"the same", "1", "us-east-1", metering.MeterUsage, true},
		{"another account", "2", "us-east-1", metering.MeterUsage, false},
		{"another region", "1", "eu-west-1", metering.MeterUsage, false},
		{"another operation", "1", "us-east-1", metering.BatchMeterUsage, false},
		{"a region that is not listed", "1", "us-east-9", metering.MeterUsage, false},
	} {
		throttle := NewThrottle(AWSLimits(), newHand().now)
		drain(throttle, "1", "us-east-1", metering.MeterUsage)
		if shared := !throttle.Allow(metering.AccountID(row.account), row.region, row.op); shared != row.shared {
			t.Errorf("%s: shares the bucket: %v, want %v", row.name, shared, row.shared)
		}
	}

	// Made-up regions give nobody more: they share one bucket, each account its own.
	throttle := NewThrottle(AWSLimits(), newHand().now)
	allowed := 0
	for i := range 1000 {
		if throttle.Allow("1", fmt.Sprintf("nowhere-%d", i), metering.MeterUsage) {
			allowed++
		}
	}
	if allowed != 10 || len(throttle.buckets) != 1 {
		t.Errorf("%d calls in a thousand unlisted regions, %d buckets", allowed, len(throttle.buckets))
	}
	if throttle.Allow("1", "", metering.MeterUsage) || !throttle.Allow("2", "nowhere-1", metering.MeterUsage) {
		t.Error("an empty region has a bucket of its own, or an account shares another's")
	}

	// Which are made up, the tables say; those of another throttle are the same.
	own := NewThrottle(nil, newHand().now)
	own.Regions = &metering.Regions{Tables: []metering.Table{{Operation: metering.BatchMeterUsage, Regions: []string{"acme-1"}}}}
	own = own.With(AWSLimits())
	drain(own, "1", "us-east-1", metering.MeterUsage)
	if own.Allow("1", "eu-west-1", metering.MeterUsage) || !own.Allow("1", "acme-1", metering.MeterUsage) {
		t.Error("a throttle does not go by the regions it was given")
	}
}

// TestUnlimited: an operation without a limit has none, and costs no bucket.
func TestUnlimited(t *testing.T) {
	for _, limits := range []Limits{nil, {}, {metering.MeterUsage: 0}, {metering.RegisterUsage: 1}} {
		throttle := NewThrottle(limits, newHand().now)
		if got := drain(throttle, "1", "us-east-1", metering.MeterUsage); got != -1 || len(throttle.buckets) != 0 {
			t.Errorf("%v: refused after %d calls, %d buckets", limits, got, len(throttle.buckets))
		}
	}
}

// TestSweepKeepsTheMapSmall: accounts that have fallen silent cost nothing, those
// that go on calling stay.
func TestSweepKeepsTheMapSmall(t *testing.T) {
	h := newHand()
	throttle := NewThrottle(AWSLimits(), h.now)
	const each = 500 // accounts that call within a second, another five hundred the next
	most := 0
	for i := range 20 * each {
		if i%each == 0 {
			h.pass(time.Second)
		}
		throttle.Allow(metering.AccountID(fmt.Sprint(i)), "us-east-1", metering.MeterUsage)
		most = max(most, len(throttle.buckets))
	}
	if most > sweepFrom {
		t.Errorf("%d buckets at a time, for %d callers a second", most, each)
	}

	// Many at once are all kept, and forgotten when they have rested.
	for i := range 5 * sweepFrom {
		throttle.Allow(metering.AccountID(fmt.Sprint("many", i)), "us-east-1", metering.MeterUsage)
	}
	if n := len(throttle.buckets); n < 5*sweepFrom || n > 6*sweepFrom {
		t.Errorf("%d buckets for %d callers of one second", n, 5*sweepFrom)
	}
	h.pass(time.Second)
	for i := range 11 * sweepFrom {
		throttle.Allow(metering.AccountID(fmt.Sprint("more", i)), "us-east-1", metering.MeterUsage)
		if i%sweepFrom == 0 {
			h.pass(time.Second)
		}
	}
	if n := len(throttle.buckets); n > 3*sweepFrom {
		t.Errorf("%d buckets after a rest, for %d callers a second", n, sweepFrom)
	}
}

// TestSweepNeverLoosens: with a sweep at every new bucket, calls are answered as
// by a throttle that never forgets.
func TestSweepNeverLoosens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHand()
		limits := Limits{metering.MeterUsage: rapid.Float64Range(0.25, 4).Draw(t, "limit")}
		sweeping, keeping := NewThrottle(limits, h.now), NewThrottle(limits, h.now)
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			h.pass(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 100, 249, 250, 251, 334, 500, 999, 1000, 2000}).Draw(t, "wait")) * time.Millisecond)
			account := rapid.SampledFrom([]metering.AccountID{"1", "2", "3", "4"}).Draw(t, "account")
			sweeping.sweepAt = 0
			got, want := sweeping.Allow(account, "us-east-1", metering.MeterUsage), keeping.Allow(account, "us-east-1", metering.MeterUsage)
			if got != want {
				t.Fatalf("account %s: allowed: %v, by one that never forgets: %v", account, got, want)
			}
			if len(sweeping.buckets) > len(keeping.buckets) {
				t.Fatal("the sweep adds buckets")
			}
		}
	})
}

// TestThrottleIsShared: many at once get no more than the quota.
func TestThrottleIsShared(t *testing.T) {
	throttle := NewThrottle(AWSLimits(), newHand().now)
	var allowed atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if throttle.Allow("1", "us-east-1", metering.MeterUsage) {
					allowed.Add(1)
				}
				throttle.Allow("2", "us-east-1", metering.RegisterUsage)
			}
		})
	}
	wg.Wait()
	if n := allowed.Load(); n != 10 {
		t.Errorf("%d calls were allowed at one instant, want 10", n)
	}
}
