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
type Limits map[metering.Operation]float64

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
// holds one second's worth, and one call at the least. Its fields are set
// before it is first used; then it is safe for use by many at once.
type Throttle struct {
	// Regions are those whose names have buckets of their own. NewThrottle sets
	// AWS's; others are set before it is first used.
	Regions *metering.Regions
	// Quota is what an account has in place of the limit on an operation; ok is
	// false if it has nothing else. nil: nobody has.
	Quota func(account metering.AccountID, op metering.Operation) (perSecond float64, ok bool)
	// Nodes is how many servers share the limits now: each lets through its part.
	// nil: this is the only one.
	Nodes func() int

	limits Limits
	now    func() time.Time

	mu      sync.Mutex
	buckets map[bucket]*rate.Limiter
	taken   time.Time // when last something was asked for
	sweepAt int       // number of buckets at which the full ones are dropped
}

type bucket struct {
	account   metering.AccountID
	region    string
	operation metering.Operation
	address   netip.Prefix // of who has not signed
	keyID     string       // that it says it has, if it is one of ours
}

// sweepFrom is the least number of buckets that are worth a sweep.
const sweepFrom = 1024

// NewThrottle returns a throttle. now is the true time.
func NewThrottle(limits Limits, now func() time.Time) *Throttle {
	return &Throttle{Regions: metering.AWSRegions(), limits: limits, now: now, buckets: make(map[bucket]*rate.Limiter), sweepAt: sweepFrom}
}

// With returns a throttle of other limits that goes by the same time and regions,
// and is this node's alone.
func (t *Throttle) With(limits Limits) *Throttle {
	other := NewThrottle(limits, t.now)
	other.Regions = t.Regions
	return other
}

// Allow takes a call out of its bucket, if the bucket has one left. All regions
// that are not listed share a bucket, so that made-up names give nobody more.
func (t *Throttle) Allow(account metering.AccountID, region string, op metering.Operation) bool {
	limit := t.limits[op]
	if limit == 0 {
		return true
	}
	if t.Quota != nil {
		if quota, ok := t.Quota(account, op); ok {
			limit = quota
		}
	}
	return t.take(bucket{account: account, region: t.Regions.Counted(region), operation: op}, limit)
}

// AllowAddress takes a call that nobody has signed out of the bucket of the
// address that it came from.
func (t *Throttle) AllowAddress(from netip.Addr, op metering.Operation) bool {
	limit := t.limits[op]
	if limit == 0 {
		return true
	}
	return t.take(bucket{operation: op, address: Network(from)}, limit)
}

// take takes one out of a bucket that fills at a rate: this node's part of it.
func (t *Throttle) take(k bucket, perSecond float64) bool {
	if t.Nodes != nil {
		perSecond /= float64(max(t.Nodes(), 1))
	}
	limit, burst := rate.Limit(perSecond), max(int(perSecond), 1)
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = now
	b := t.buckets[k]
	switch {
	case b == nil:
		t.sweep(now)
		b = rate.NewLimiter(limit, burst)
		t.buckets[k] = b
	case b.Limit() != limit: // a quota was set, or a node came or went
		b.SetLimitAt(now, limit)
		b.SetBurstAt(now, burst)
	}
	return b.AllowN(now, 1)
}

// hasOne reports whether a bucket has one left, and leaves it.
func (t *Throttle) hasOne(k bucket) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buckets[k]
	return b == nil || b.TokensAt(t.now()) >= 1
}

// rested reports whether nothing was taken for as long as buckets of one a second
// and more take to fill: then each has one left.
func (t *Throttle) rested() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now().Sub(t.taken) > time.Second
}

// sweep drops the buckets that are full: a new one would be the same. So the
// map holds who called within the last second, of quotas below one a second within
// as long as a call takes to come back, and at most as many again.
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
