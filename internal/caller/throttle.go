package caller

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/meterd/meterd/internal/metering"
)

// Limits are calls per second, for each account, region and operation. An
// operation without one is not limited.
type Limits map[metering.Operation]int

// AWSLimits returns AWS's published quotas (seller guide, August 2026; LookupEvents:
// CloudTrail's API reference).
// ResolveCustomer and GetEntitlements are not listed there; ten is a ruling
//
func AWSLimits() Limits {
	return Limits{
		metering.BatchMeterUsage: 10,
		metering.MeterUsage:      10,
		metering.RegisterUsage:   5,
		metering.ResolveCustomer: 10,
		metering.GetEntitlements: 10,
		metering.LookupEvents:    2,
	}
}

// Throttle counts calls. Each account, region and operation has a bucket that
// holds one second's worth. It is safe for use by many at once.
type Throttle struct {
	limits Limits
	now    func() time.Time

	mu      sync.Mutex
	buckets map[bucket]*rate.Limiter
	sweepAt int // number of buckets at which the full ones are dropped
}

type bucket struct {
	account   metering.AccountID
	region    string
	operation metering.Operation
	address   netip.Prefix // of who has not signed
}

// sweepFrom is the least number of buckets that are worth a sweep.
const sweepFrom = 1024

// NewThrottle returns a throttle. now is the true time.
func NewThrottle(limits Limits, now func() time.Time) *Throttle {
	return &Throttle{limits: limits, now: now, buckets: make(map[bucket]*rate.Limiter), sweepAt: sweepFrom}
}

// With returns a throttle of other limits that goes by the same time.
func (t *Throttle) With(limits Limits) *Throttle { return NewThrottle(limits, t.now) }

// Allow takes a call out of its bucket, if the bucket has one left. All regions
// that are not listed share a bucket, so that made-up names give nobody more.
func (t *Throttle) Allow(account metering.AccountID, region string, op metering.Operation) bool {
	limit := t.limits[op]
	if limit == 0 {
		return true
	}
	if !metering.ListedRegion(region) {
		region = ""
	}
	return t.take(bucket{account: account, region: region, operation: op}, limit)
}

// AllowAddress takes a call that nobody has signed out of the bucket of the
// address that it came from; of IPv6, of the /64, which is one customer's.
func (t *Throttle) AllowAddress(from netip.Addr, op metering.Operation) bool {
	limit := t.limits[op]
	if limit == 0 {
		return true
	}
	bits := 64
	if from = from.Unmap().WithZone(""); from.Is4() {
		bits = 32
	}
	address, _ := from.Prefix(bits)
	return t.take(bucket{operation: op, address: address}, limit)
}

func (t *Throttle) take(k bucket, limit int) bool {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buckets[k]
	if b == nil {
		t.sweep(now)
		b = rate.NewLimiter(rate.Limit(limit), limit)
		t.buckets[k] = b
	}
	return b.AllowN(now, 1)
}

// sweep drops the buckets that are full: a new one would be the same. So the
// map holds who called within the last second, and at most as many again.
func (t *Throttle) sweep(now time.Time) {
	if len(t.buckets) < t.sweepAt {
		return
	}
	for k, b := range t.buckets {
		if b.TokensAt(now) >= float64(b.Burst()) {
			delete(t.buckets, k)
		}
	}
	t.sweepAt = max(sweepFrom, 2*len(t.buckets))
}
