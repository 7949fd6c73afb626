package metering

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestClaimByLicense: contract 4.1 step 2, R-11 and vectors 16 to 18. What is
// wrong with a license sinks the batch; a buyer who is not subscribed now does
// not, and is not asked when the usage was.
func TestClaimByLicense(t *testing.T) {
	const now = "2026-09-15T12:00:00Z"
	p := &Product{Code: "p", Generation: LicenseGeneration}
	for _, row := range []struct {
		name       string
		change     func(*UsageRecord, *Agreement)
		suspended  bool
		subscribed bool
		ok         bool
	}{
		{"sound", func(*UsageRecord, *Agreement) {}, false, true, true},
		{"unknown, or another seller's", nil, false, false, false},
		{"another product's", func(_ *UsageRecord, a *Agreement) { a.Product = "q" }, false, false, false},
		{"another buyer's (vector 18)", func(_ *UsageRecord, a *Agreement) { a.Buyer = "444455556666" }, false, false, false},
		{"outside its activation", func(u *UsageRecord, _ *Agreement) { u.Timestamp = instant("2026-08-31T23:59:59Z") }, false, true, false},

		{"pending", func(_ *UsageRecord, a *Agreement) { a.Status = AgreementPending }, false, false, true},
		{"suspended", func(_ *UsageRecord, a *Agreement) { a.Status = AgreementSuspended }, false, false, true},
		{"suspended, usage before the start", func(u *UsageRecord, a *Agreement) {
			a.Status, u.Timestamp = AgreementSuspended, instant("2026-08-31T23:59:59Z")
		}, false, false, true},
		{"suspended, another buyer's", func(_ *UsageRecord, a *Agreement) { a.Status, a.Buyer = AgreementSuspended, "444455556666" }, false, false, false},
		{"not yet begun", func(_ *UsageRecord, a *Agreement) { a.Start = instant("2026-09-15T12:00:01Z") }, false, false, true},
		{"closed", func(_ *UsageRecord, a *Agreement) { a.Status, a.End = AgreementEnded, instant(now) }, false, false, true},
		{"closed, usage after the end", func(u *UsageRecord, a *Agreement) {
			a.Status, a.End, u.Timestamp = AgreementEnded, instant("2026-09-10T00:00:00Z"), instant("2026-09-15T11:00:00Z")
		}, false, false, true},
		{"pending, usage before the start", func(u *UsageRecord, a *Agreement) {
			a.Status, u.Timestamp = AgreementPending, instant("2026-08-31T23:59:59Z")
		}, false, false, true},
		{"suspended buyer", func(*UsageRecord, *Agreement) {}, true, false, true},
		{"suspended buyer, usage before the start", func(u *UsageRecord, _ *Agreement) { u.Timestamp = instant("2026-08-31T23:59:59Z") }, true, false, true},

		{"another buyer's, and closed", func(_ *UsageRecord, a *Agreement) { a.Buyer, a.Status = "444455556666", AgreementEnded }, false, false, false},
		{"another product's, and its buyer suspended", func(_ *UsageRecord, a *Agreement) { a.Product = "q" }, true, false, false},
	} {
		u := &UsageRecord{Timestamp: instant("2026-09-15T10:00:00Z"), Account: "111122223333", LicenseARN: "arn"}
		a := &Agreement{Product: "p", Buyer: "111122223333", LicenseARN: "arn", Status: AgreementActive, Start: instant("2026-09-01T00:00:00Z")}
		if row.change == nil {
			a = nil
		} else {
			row.change(u, a)
		}
		c, err := ClaimByLicense(u, a, p, row.suspended, instant(now), Rulings{})
		if row.ok && err != nil || !row.ok && !errors.Is(err, ErrInvalidLicense) {
			t.Errorf("%s: got %v", row.name, err)
		}
		if err != nil {
			continue
		}
		want := Claim{UsageRecord: u, Buyer: "111122223333", Subscribed: row.subscribed}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}

	// A batch that names one known license and one unknown has a product; one that
	// names none that is known has not.
	u := &UsageRecord{LicenseARN: "arn"}
	if _, err := ClaimByLicense(u, nil, nil, false, instant(now), Rulings{}); !errors.Is(err, ErrInvalidLicense) {
		t.Errorf("no license is known: got %v", err)
	}
	// Products of the older generation accept both forms.
	a := &Agreement{Product: "p", Status: AgreementActive}
	if c, err := ClaimByLicense(u, a, &Product{Code: "p", Generation: LegacyGeneration}, false, instant(now), Rulings{}); err != nil || !c.Subscribed {
		t.Errorf("a license of a legacy product: got %+v, %v", c, err)
	}
}

// TestClaimBySubscription, and vector 14.
func TestClaimBySubscription(t *testing.T) {
	now := instant("2026-09-15T12:00:00Z")
	u := &UsageRecord{Timestamp: instant("2026-09-15T10:00:00Z"), Customer: "c-1"}
	active := []*Agreement{{Status: AgreementActive, Start: instant("2026-09-15T08:30:00Z")}}
	legacy := &Product{Code: "p", Generation: LegacyGeneration}
	for _, row := range []struct {
		name       string
		agreements []*Agreement
		suspended  bool
		subscribed bool
	}{
		{"active", active, false, true},
		{"no agreement (vector 14)", nil, false, false},
		{"pending", []*Agreement{{Status: AgreementPending}}, false, false},
		{"a suspended agreement", []*Agreement{{Status: AgreementSuspended}}, false, false},
		{"a suspended agreement and an active one", append(active, &Agreement{Status: AgreementSuspended}), false, true},
		{"closed", []*Agreement{{Status: AgreementEnded, End: now}}, false, false},
		{"suspended", active, true, false},
	} {
		c, err := ClaimBySubscription(u, "111122223333", legacy, row.agreements, row.suspended, now, Rulings{})
		if err != nil || c.Subscribed != row.subscribed || c.Buyer != "111122223333" || c.UsageRecord != u {
			t.Errorf("%s: got %+v, %v", row.name, c, err)
		}
		if (c.Subscription != nil) != row.subscribed {
			t.Errorf("%s: hours are bounded: %v", row.name, c.Subscription != nil)
		}
	}
	_, err := ClaimBySubscription(u, "111122223333", &Product{Code: "p", Generation: LicenseGeneration}, active, false, now, Rulings{})
	if !errors.Is(err, ErrInvalidLicense) {
		t.Errorf("a product of the newer generation (R-33): got %v", err)
	}
}

// flaw breaks one check of a claim. Their order is the checks'.
type flaw struct {
	name  string
	err   error
	apply func(*Claim)
}

var flaws = []flaw{
	{"dimension", ErrInvalidUsageDimension, func(c *Claim) { c.Dimension = "Scans" }},
	{"timestamp", ErrTimestampOutOfBounds, func(c *Claim) { c.Timestamp = instant("2026-09-14T12:00:00Z") }},
	{"tags", ErrInvalidTag, func(c *Claim) { c.Allocations[0].Tags[0].Key = "?" }},
	{"allocations", ErrInvalidUsageAllocations, func(c *Claim) { c.Quantity++ }},
}

func soundClaim() Claim {
	return Claim{
		UsageRecord: &UsageRecord{Timestamp: instant("2026-09-15T10:00:00Z"), Dimension: "scans", Quantity: 3, Allocations: []Allocation{{3, tags("a=1")}}},
		Buyer:       "111122223333",
	}
}

// TestOrderOfChecks: a list of records that is broken in several ways is
// answered by the earliest check, whichever record breaks it, and whether its
// buyer is subscribed or not. Every way to break two records is
// tried.
func TestOrderOfChecks(t *testing.T) {
	p := &Product{Code: "p", Dimensions: []Dimension{{Name: "scans"}}}
	now := instant("2026-09-15T12:00:00Z")
	for broken := range 1 << (2 * len(flaws)) {
		for subscribed := range 4 {
			claims := []Claim{soundClaim(), soundClaim()}
			var want error
			name := ""
			for i := range claims {
				claims[i].Subscribed = subscribed>>i&1 == 1
			}
			for k, f := range flaws {
				for i := range claims {
					if broken>>(2*k+i)&1 == 0 {
						continue
					}
					f.apply(&claims[i])
					name += fmt.Sprintf(" %s of record %d", f.name, i)
					if want == nil {
						want = f.err
					}
				}
			}
			err := CheckUsage(p, BatchMeterUsageWindow, claims, now, Rulings{})
			if !errors.Is(err, want) {
				t.Errorf("broken:%s: got %v, want %v", name, err, want)
			}
		}
	}
}

// TestOrderWithinTheTimestamp: where no license bounds the hours, the
// subscription does, and that is the timestamp's check: after dimensions,
// before tags.
func TestOrderWithinTheTimestamp(t *testing.T) {
	p := &Product{Code: "p", Dimensions: []Dimension{{Name: "scans"}}}
	now := instant("2026-09-15T12:00:00Z")
	bounded := SubscriptionAt([]*Agreement{{Status: AgreementActive, Start: instant("2026-09-15T11:30:00Z")}}, now, Rulings{})
	early := soundClaim() // of 10:00
	early.Subscribed, early.Subscription = true, &bounded
	for i, want := range []error{ErrInvalidUsageDimension, nil, ErrTimestampOutOfBounds, ErrTimestampOutOfBounds} {
		other := soundClaim()
		flaws[i].apply(&other)
		if want == nil {
			want = ErrTimestampOutOfBounds
		}
		for _, claims := range [][]Claim{{early, other}, {other, early}} {
			if err := CheckUsage(p, BatchMeterUsageWindow, claims, now, Rulings{}); !errors.Is(err, want) {
				t.Errorf("before the subscription, and %s: got %v, want %v", flaws[i].name, err, want)
			}
		}
	}
	if err := CheckUsage(p, BatchMeterUsageWindow, []Claim{early}, now, Rulings{}); !errors.Is(err, ErrTimestampOutOfBounds) {
		t.Errorf("before the subscription: got %v", err)
	}
	in := early
	in.UsageRecord = soundClaim().UsageRecord
	in.Timestamp = instant("2026-09-15T11:00:00Z")
	if err := CheckUsage(p, BatchMeterUsageWindow, []Claim{in}, now, Rulings{}); err != nil {
		t.Errorf("in the hour in which the subscription began: %v", err)
	}
}

// TestWindowOfTheOperation: the window and the rulings are the caller's.
func TestWindowOfTheOperation(t *testing.T) {
	p := &Product{Code: "p", Dimensions: []Dimension{{Name: "scans"}}}
	c := soundClaim()
	now := instant("2026-09-15T16:00:01Z")
	if err := CheckUsage(p, BatchMeterUsageWindow, []Claim{c}, now, Rulings{}); err != nil {
		t.Errorf("BatchMeterUsage after six hours: %v", err)
	}
	if err := CheckUsage(p, MeterUsageWindow, []Claim{c}, now, Rulings{}); !errors.Is(err, ErrTimestampOutOfBounds) {
		t.Errorf("MeterUsage after six hours: got %v", err)
	}
	c.Timestamp = instant("2026-08-20T10:00:00Z")
	if err := CheckUsage(p, BatchMeterUsageWindow, []Claim{c}, instant("2026-09-01T05:00:00Z"), Rulings{MonthEndExtends: true}); err != nil {
		t.Errorf("the extension of R-4: %v", err)
	}
	if err := CheckUsage(p, BatchMeterUsageWindow, nil, now, Rulings{}); err != nil {
		t.Errorf("no claims (R-14): %v", err)
	}
}

// TestSoundClaimsChangeNoAnswer: a claim that is sound by itself changes what is
// said of no list.
func TestSoundClaimsChangeNoAnswer(t *testing.T) {
	p := &Product{Code: "p", Dimensions: []Dimension{{Name: "scans"}}}
	now := instant("2026-09-15T12:00:00Z")
	rapid.Check(t, func(t *rapid.T) {
		claims := make([]Claim, rapid.IntRange(0, 4).Draw(t, "claims"))
		for i := range claims {
			claims[i] = soundClaim()
			for _, f := range flaws {
				if rapid.IntRange(0, 5).Draw(t, f.name) == 0 {
					f.apply(&claims[i])
				}
			}
		}
		want := CheckUsage(p, BatchMeterUsageWindow, claims, now, Rulings{})
		at := rapid.IntRange(0, len(claims)).Draw(t, "at")
		more := append(append(append([]Claim{}, claims[:at]...), soundClaim()), claims[at:]...)
		if got := CheckUsage(p, BatchMeterUsageWindow, more, now, Rulings{}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("with a sound claim more: got %v, want %v", got, want)
		}
	})
}
