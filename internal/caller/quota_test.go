package caller

import (
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// quotaOf is a catalogue's quotas, as servers wire them.
func quotaOf(c *store.Catalog) func(metering.AccountID, metering.Operation) (float64, bool) {
	return func(account metering.AccountID, op metering.Operation) (float64, bool) {
		q := c.Quota(account, op)
		if q == nil {
			return 0, false
		}
		return q.PerSecond, true
	}
}

// TestSetQuotas: an account's own quota goes before every account's, and that
// before the standard; a bucket holds one second's worth of it, and one call at the
// least; what is changed or removed holds for the very next call.
func TestSetQuotas(t *testing.T) {
	h, k := newHand(), newKeys()
	throttle := NewThrottle(AWSLimits(), h.now)
	throttle.Quota = quotaOf(k.Catalog)
	const op, region = metering.MeterUsage, "us-east-1"
	expect := func(step string, account metering.AccountID, want int) {
		t.Helper()
		if got := drain(throttle, account, region, op); got != want {
			t.Errorf("%s: %d calls, want %d", step, got, want)
		}
	}
	expect("the standard", "1", 10)
	k.enter(&store.Quota{Operation: op, PerSecond: 20}, &store.Quota{Account: "2", Operation: op, PerSecond: 0.5}, &store.Quota{Account: "2", Operation: metering.RegisterUsage, PerSecond: 7})
	expect("a bucket that is empty fills no sooner than with time", "1", 0)
	h.pass(time.Second / 2)
	expect("every account's, after half a second", "1", 10)
	h.pass(time.Hour)
	expect("every account's", "1", 20)
	expect("its own, below one a second", "2", 1)
	h.pass(2*time.Second - time.Millisecond)
	expect("its own, too soon", "2", 0)
	h.pass(time.Millisecond)
	expect("its own, two seconds later", "2", 1)
	if got := drain(throttle, "2", region, metering.RegisterUsage); got != 7 {
		t.Errorf("another operation: %d calls, want 7", got)
	}
	k.enter(&store.Quota{Account: "2", Operation: op, PerSecond: 300})
	expect("its own, raised, at once", "2", 0) // an empty bucket fills with time
	h.pass(time.Second)
	expect("its own, raised", "2", 300)
	k.enter(&store.Quota{Account: "2", Operation: op, PerSecond: 2.9})
	h.pass(time.Hour)
	expect("its own, lowered: one second's worth, in whole calls", "2", 2)
	k.drop(store.Ref{Kind: store.KindQuota, Name: "2/MeterUsage"})
	throttle.Allow("2", region, op)
	h.pass(time.Second)
	expect("without its own", "2", 20)
	k.drop(store.Ref{Kind: store.KindQuota, Name: "every/MeterUsage"})
	throttle.Allow("2", region, op)
	h.pass(time.Second)
	expect("without any", "2", 10)

	k.enter(&store.Quota{Operation: op, PerSecond: 1})
	off := NewThrottle(nil, h.now)
	off.Quota = quotaOf(k.Catalog)
	if got := drain(off, "1", region, op); got != -1 {
		t.Errorf("a throttle that is off lets %d through, want all", got)
	}
}

// TestNodesShare: of any number of nodes each lets its part through, in all as much
// as one alone, whatever the quota and wherever the calls come; when a node has
// gone the others let through what was its.
func TestNodesShare(t *testing.T) {
	const seconds, region, op = 60, "us-east-1", metering.MeterUsage
	for _, test := range []struct {
		nodes int
		quota float64
	}{{1, 10}, {2, 10}, {3, 10}, {3, 1}, {5, 0.5}, {7, 200}, {64, 10}} {
		h, k := newHand(), newKeys()
		k.enter(&store.Quota{Operation: op, PerSecond: test.quota})
		live := test.nodes
		nodes := make([]*Throttle, test.nodes)
		for i := range nodes {
			nodes[i] = NewThrottle(AWSLimits(), h.now)
			nodes[i].Quota, nodes[i].Nodes = quotaOf(k.Catalog), func() int { return live }
		}
		run := func() (allowed int) {
			for range seconds * 100 {
				h.pass(10 * time.Millisecond)
				for _, n := range nodes[:live] {
					for n.Allow("1", region, op) {
						allowed++
					}
				}
			}
			return allowed
		}
		run() // what buckets held at the beginning is gone
		near := func(got int) bool {
			want := test.quota * seconds
			return float64(got) >= 0.9*want && float64(got) <= 1.1*want+1
		}
		if got := run(); !near(got) {
			t.Errorf("%d nodes, %v a second: %d calls in %d s", test.nodes, test.quota, got, seconds)
		}
		if live = max(test.nodes-1, 1); live < test.nodes {
			if got := run(); !near(got) {
				t.Errorf("%d of %d nodes left, %v a second: %d calls in %d s", live, test.nodes, test.quota, got, seconds)
			}
		}
	}
}

// TestNodesThatAreNotCounted: a throttle that is told of no node has the whole.
func TestNodesThatAreNotCounted(t *testing.T) {
	throttle := NewThrottle(AWSLimits(), newHand().now)
	throttle.Nodes = func() int { return 0 }
	if got := drain(throttle, "1", "us-east-1", metering.MeterUsage); got != 10 {
		t.Errorf("%d calls, want 10", got)
	}
}
