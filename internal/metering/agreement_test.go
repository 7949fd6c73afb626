package metering

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The two readings of R-24: the seller guide's, which is the default, and the
// toolkit's.
var (
	guide   = Rulings{}
	toolkit = Rulings{FinalHourAfterEnded: true}
)

// TestAgreementLife: when usage is accepted under an agreement, by both
// readings of the final hour. Starts are inclusive, ends exclusive.
func TestAgreementLife(t *testing.T) {
	const (
		start = "2026-09-01T08:30:00Z"
		end   = "2026-09-15T10:20:00Z"
	)
	for _, row := range []struct {
		status         AgreementStatus
		now            string
		guide, toolkit bool
	}{
		{AgreementPending, "2026-09-01T08:30:00Z", false, false},
		{AgreementPending, "2026-09-10T00:00:00Z", false, false},

		// An operator's suspension closes it whatever its start and end say.
		{AgreementSuspended, "2026-09-01T08:30:00Z", false, false},
		{AgreementSuspended, "2026-09-10T00:00:00Z", false, false},
		{AgreementSuspended, "2026-09-15T10:20:00Z", false, false},
		{AgreementSuspended, "2026-09-15T10:59:00Z", false, false},

		{AgreementActive, "2026-09-01T08:29:59.999999999Z", false, false},
		{AgreementActive, "2026-09-01T08:30:00Z", true, true},
		{AgreementActive, "2026-09-15T10:20:00Z", true, true}, // an end means nothing while it is active
		{AgreementActive, "2036-09-15T10:20:00Z", true, true},

		// unsubscribe-pending: the guide closes after an hour, and to the toolkit
		// it changes nothing.
		{AgreementEnding, "2026-09-01T08:29:59.999999999Z", false, false},
		{AgreementEnding, "2026-09-01T08:30:00Z", true, true},
		{AgreementEnding, "2026-09-15T10:20:00Z", true, true},
		{AgreementEnding, "2026-09-15T11:19:59.999999999Z", true, true},
		{AgreementEnding, "2026-09-15T11:20:00Z", false, true},
		{AgreementEnding, "2026-10-15T11:20:00Z", false, true},

		// unsubscribe-success: the guide closes at once, the toolkit after an hour.
		{AgreementEnded, "2026-09-01T08:29:59.999999999Z", false, false},
		{AgreementEnded, "2026-09-01T08:30:00Z", true, true},
		{AgreementEnded, "2026-09-15T10:19:59.999999999Z", true, true},
		{AgreementEnded, "2026-09-15T10:20:00Z", false, true},
		{AgreementEnded, "2026-09-15T11:19:59.999999999Z", false, true},
		{AgreementEnded, "2026-09-15T11:20:00Z", false, false},

		{"", "2026-09-10T00:00:00Z", false, false},
		{"Active", "2026-09-10T00:00:00Z", false, false},
	} {
		a := Agreement{Status: row.status, Start: instant(start), End: instant(end)}
		for _, reading := range []struct {
			name string
			r    Rulings
			want bool
		}{{"guide", guide, row.guide}, {"toolkit", toolkit, row.toolkit}} {
			if got := a.OpenAt(instant(row.now), reading.r); got != reading.want {
				t.Errorf("%s: %q at %s: open: %v, want %v", reading.name, row.status, row.now, got, reading.want)
			}
			s := SubscriptionAt([]*Agreement{&a}, instant(row.now), reading.r)
			if s.Open != reading.want {
				t.Errorf("%s: subscription of one %q agreement at %s: open: %v, want %v", reading.name, row.status, row.now, s.Open, reading.want)
			}
		}
	}
}

// TestActivation: hours are compared, hour(start) ≤ hour(ts) ≤ hour(end), with
// and without a license. An end is known once winding down began;
// to the toolkit that changes nothing.
func TestActivation(t *testing.T) {
	const (
		start = "2026-09-15T08:30:00Z"
		end   = "2026-09-15T12:20:00Z"
	)
	p := &Product{Code: "p", Generation: LegacyGeneration}
	for _, row := range []struct {
		name           string
		status         AgreementStatus
		now, timestamp string
		guide, toolkit bool
	}{
		{"the hour before the start", AgreementActive, "2026-09-15T10:00:00Z", "2026-09-15T07:59:59.999999999Z", false, false},
		{"the start's hour, before it", AgreementActive, "2026-09-15T10:00:00Z", "2026-09-15T08:00:00Z", true, true},
		{"the start", AgreementActive, "2026-09-15T10:00:00Z", "2026-09-15T08:30:00Z", true, true},
		{"no end while active", AgreementActive, "2026-09-15T14:00:00Z", "2026-09-15T14:00:00Z", true, true},
		{"ahead of the clock while active", AgreementActive, "2026-09-15T12:58:00Z", "2026-09-15T13:02:00Z", true, true},

		{"winding down: before the start", AgreementEnding, "2026-09-15T13:00:00Z", "2026-09-15T07:59:59Z", false, false},
		{"winding down: before the end", AgreementEnding, "2026-09-15T13:00:00Z", "2026-09-15T12:20:00Z", true, true},
		{"winding down: the end's hour, after it", AgreementEnding, "2026-09-15T13:00:00Z", "2026-09-15T12:59:59.999999999Z", true, true},
		{"winding down: the hour after the end", AgreementEnding, "2026-09-15T13:05:00Z", "2026-09-15T13:00:00Z", false, true},
		{"winding down: a clock before the end", AgreementEnding, "2026-09-15T09:00:00Z", "2026-09-15T09:00:00Z", true, true},

		{"ended: a clock before the end", AgreementEnded, "2026-09-15T12:19:00Z", "2026-09-15T12:00:00Z", true, true},
		{"ended: ahead of a clock before the end", AgreementEnded, "2026-09-15T12:19:59Z", "2026-09-15T13:00:00Z", false, false},
		{"ended: before the start", AgreementEnded, "2026-09-15T12:19:00Z", "2026-09-15T07:59:59Z", false, false},
	} {
		a := &Agreement{Product: "p", Buyer: "1", Status: row.status, Start: instant(start), End: instant(end)}
		u := &UsageRecord{Timestamp: instant(row.timestamp), Account: "1", LicenseARN: "l"}
		now := instant(row.now)
		for _, reading := range []struct {
			name string
			r    Rulings
			ok   bool
		}{{"guide", guide, row.guide}, {"toolkit", toolkit, row.toolkit}} {
			_, byLicense := ClaimByLicense(u, a, p, false, now, reading.r)
			if reading.ok && byLicense != nil || !reading.ok && !errors.Is(byLicense, ErrInvalidLicense) {
				t.Errorf("%s: %s: by license: got %v, want accepted: %v", reading.name, row.name, byLicense, reading.ok)
			}
			bySubscription := SubscriptionAt([]*Agreement{a}, now, reading.r).CheckActivation(u.Timestamp)
			if reading.ok && bySubscription != nil || !reading.ok && !errors.Is(bySubscription, ErrTimestampOutOfBounds) {
				t.Errorf("%s: %s: by subscription: got %v, want accepted: %v", reading.name, row.name, bySubscription, reading.ok)
			}
		}
	}

	// The toolkit's final hour is after the end; its usage is not.
	a := &Agreement{Product: "p", Buyer: "1", Status: AgreementEnded, Start: instant(start), End: instant(end)}
	for timestamp, ok := range map[string]bool{"2026-09-15T12:59:59Z": true, "2026-09-15T13:00:00Z": false} {
		u := &UsageRecord{Timestamp: instant(timestamp), Account: "1", LicenseARN: "l"}
		c, err := ClaimByLicense(u, a, p, false, instant("2026-09-15T13:10:00Z"), toolkit)
		if !c.Subscribed || (err == nil) != ok {
			t.Errorf("the toolkit's final hour: usage of %s: subscribed %v, %v, want accepted: %v", timestamp, c.Subscribed, err, ok)
		}
	}
}

// TestSubscription: several agreements of one buyer for one product. The start
// is the earliest of those that are open, the end the latest, if all are
// winding down.
func TestSubscription(t *testing.T) {
	agreement := func(status AgreementStatus, start, end string) *Agreement {
		a := &Agreement{Status: status, Start: instant("2026-09-15T" + start + ":00Z")}
		if end != "" {
			a.End = instant("2026-09-15T" + end + ":00Z")
		}
		return a
	}
	for _, row := range []struct {
		name       string
		agreements []*Agreement
		now        string
		open       bool
		in, out    []string // hours that may be claimed, and that may not
	}{
		{"none", nil, "12:00", false, nil, nil},
		{"one", []*Agreement{agreement(AgreementActive, "08:30", "")}, "12:00", true, []string{"08:00", "12:00", "23:00"}, []string{"07:59"}},
		{"the earliest start", []*Agreement{agreement(AgreementActive, "10:30", ""), agreement(AgreementActive, "08:30", "")}, "12:00", true, []string{"08:00"}, []string{"07:59"}},
		{"one that has not begun is not open", []*Agreement{agreement(AgreementActive, "12:00", ""), agreement(AgreementActive, "12:01", "")}, "12:00", true, []string{"12:00"}, []string{"11:59"}},
		{"one that is pending is not open", []*Agreement{agreement(AgreementPending, "06:00", ""), agreement(AgreementActive, "08:30", "")}, "12:00", true, []string{"08:00"}, []string{"07:59"}},
		{"one that is suspended is not open", []*Agreement{agreement(AgreementSuspended, "06:00", ""), agreement(AgreementActive, "08:30", "")}, "12:00", true, []string{"08:00"}, []string{"07:59"}},
		{"one that is suspended, alone", []*Agreement{agreement(AgreementSuspended, "06:00", "")}, "12:00", false, nil, nil},
		{"one that has ended is not open", []*Agreement{agreement(AgreementEnded, "06:00", "09:00"), agreement(AgreementActive, "10:00", "")}, "12:00", true, []string{"10:00"}, []string{"09:59"}},
		{"all have ended", []*Agreement{agreement(AgreementEnded, "06:00", "09:00"), agreement(AgreementEnding, "06:00", "11:00")}, "12:00", false, nil, nil},
		{"one winds down", []*Agreement{agreement(AgreementEnding, "08:30", "11:30")}, "12:00", true, []string{"08:00", "11:59"}, []string{"07:59", "12:00"}},
		{"two wind down: the later end", []*Agreement{agreement(AgreementEnding, "08:30", "12:00"), agreement(AgreementEnding, "07:30", "11:30")}, "12:00", true, []string{"07:00", "12:59"}, []string{"06:59", "13:00"}},
		{"the same, the other way round", []*Agreement{agreement(AgreementEnding, "07:30", "11:30"), agreement(AgreementEnding, "08:30", "12:00")}, "12:00", true, []string{"07:00", "12:59"}, []string{"06:59", "13:00"}},
		{"one winds down, one goes on", []*Agreement{agreement(AgreementEnding, "08:30", "11:30"), agreement(AgreementActive, "11:00", "")}, "12:00", true, []string{"08:00", "11:59", "12:00", "23:00"}, []string{"07:59"}},
		{"the same, the other way round", []*Agreement{agreement(AgreementActive, "11:00", ""), agreement(AgreementEnding, "08:30", "11:30")}, "12:00", true, []string{"08:00", "12:00"}, []string{"07:59"}},
	} {
		s := SubscriptionAt(row.agreements, instant("2026-09-15T"+row.now+":00Z"), Rulings{})
		if s.Open != row.open {
			t.Errorf("%s: open: %v, want %v", row.name, s.Open, row.open)
			continue
		}
		for _, hour := range row.in {
			if err := s.CheckActivation(instant("2026-09-15T" + hour + ":00Z")); err != nil {
				t.Errorf("%s: %v", row.name, err)
			}
		}
		for _, hour := range row.out {
			if err := s.CheckActivation(instant("2026-09-15T" + hour + ":00Z")); !errors.Is(err, ErrTimestampOutOfBounds) {
				t.Errorf("%s: %s: got %v", row.name, hour, err)
			}
		}
	}
}

// TestSubscriptionLaws: what agreements amount to depends on none that is
// closed, and not on their order; a further open one refuses nothing that was
// accepted before it.
func TestSubscriptionLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := drawTime(t, "now")
		r := Rulings{FinalHourAfterEnded: rapid.Bool().Draw(t, "toolkit")}
		near := rapid.Map(rapid.Int64Range(int64(-5*time.Hour), int64(2*time.Hour)), func(d int64) time.Time { return now.Add(time.Duration(d)) })
		draw := rapid.Custom(func(t *rapid.T) *Agreement {
			status := rapid.SampledFrom([]AgreementStatus{AgreementPending, AgreementActive, AgreementSuspended, AgreementEnding, AgreementEnded}).Draw(t, "status")
			return &Agreement{Status: status, Start: near.Draw(t, "start"), End: near.Draw(t, "end")}
		})
		all := rapid.SliceOfN(draw, 0, 4).Draw(t, "agreements")
		timestamp := near.Draw(t, "timestamp")

		var open []*Agreement
		for _, a := range all {
			if a.OpenAt(now, r) {
				open = append(open, a)
			}
		}
		s := SubscriptionAt(all, now, r)
		if s.Open != (len(open) > 0) {
			t.Fatalf("%d agreements are open, the subscription says %v", len(open), s.Open)
		}
		if s != SubscriptionAt(rapid.Permutation(open).Draw(t, "order"), now, r) {
			t.Fatal("closed agreements, or the order, count")
		}
		if !s.Open {
			return
		}
		accepted := s.CheckActivation(timestamp) == nil
		for _, a := range open {
			one := SubscriptionAt([]*Agreement{a}, now, r).CheckActivation(timestamp)
			if one == nil && !accepted {
				t.Fatalf("%v is in the life of one open agreement, and refused", timestamp)
			}
			byLicense := a.CheckActivation(timestamp, r)
			if (one == nil) != (byLicense == nil) {
				t.Fatalf("of one agreement: by subscription %v, by license %v", one, byLicense)
			}
		}
	})
}
