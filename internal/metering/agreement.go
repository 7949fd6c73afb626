package metering

import (
	"fmt"
	"math"
	"time"
)

// AgreementID names an agreement: agmt-….
type AgreementID string

// AgreementStatus is how far an agreement's life has come. What is open at an
// instant follows from it and from the start and the end.
type AgreementStatus string

// The life of an agreement. Ending is the winding down: the buyer has left, and
// the final usage may be reported for FinalReportingHour. Suspended is closed
// until an operator activates it again.
const (
	AgreementPending   AgreementStatus = "pending"
	AgreementActive    AgreementStatus = "active"
	AgreementSuspended AgreementStatus = "suspended"
	AgreementEnding    AgreementStatus = "ending"
	AgreementEnded     AgreementStatus = "ended"
)

// FinalReportingHour is how long a seller may still report after a buyer has
// left (seller guide: unsubscribe-pending, "within one hour"; R-24).
const FinalReportingHour = time.Hour

// Entitlement is what a contract grants in one dimension. Exactly one of the
// values is set.
type Entitlement struct {
	Dimension string
	Integer   *int32
	Double    *float64
	Boolean   *bool
	String    *string
	Expires   time.Time // zero: with the agreement
}

// Agreement is one buyer's purchase of one product. A buyer may hold several
// for a product at once; each has a license of its own.
type Agreement struct {
	ID           AgreementID
	Product      ProductCode
	Buyer        AccountID
	LicenseARN   string
	Customer     CustomerID // legacy products only
	Status       AgreementStatus
	Start        time.Time
	End          time.Time // when winding down began, or when it ended
	Entitlements []Entitlement
}

// OpenAt reports whether usage is accepted under the agreement at now.
// Ends are exclusive: at its very end an agreement is closed.
func (a *Agreement) OpenAt(now time.Time, r Rulings) bool {
	if now.Before(a.Start) {
		return false
	}
	switch a.Status {
	case AgreementPending, AgreementSuspended:
		return false
	case AgreementActive:
		return true
	case AgreementEnding:
		return r.FinalHourAfterEnded || now.Before(a.End.Add(FinalReportingHour))
	case AgreementEnded:
		if r.FinalHourAfterEnded {
			return now.Before(a.End.Add(FinalReportingHour))
		}
		return now.Before(a.End)
	}
	return false
}

// lastHour is the last hour that usage under the agreement may be of; ok is
// false while no end is known. To the toolkit, winding down changes nothing
//
func (a *Agreement) lastHour(r Rulings) (h Hour, ok bool) {
	if a.Status == AgreementEnded || a.Status == AgreementEnding && !r.FinalHourAfterEnded {
		return HourOf(a.End), true
	}
	return 0, false
}

// CheckActivation refuses usage of an hour outside an open agreement's life.
// Hours are compared, not instants: jobs that report whole hours would lose the
// first one otherwise.
func (a *Agreement) CheckActivation(timestamp time.Time, r Rulings) error {
	h := HourOf(timestamp)
	if h < HourOf(a.Start) {
		return fmt.Errorf("%w: usage of %s lies before the license was activated", ErrInvalidLicense, rfc3339(timestamp))
	}
	if last, ok := a.lastHour(r); ok && h > last {
		return fmt.Errorf("%w: usage of %s lies after the license ended", ErrInvalidLicense, rfc3339(timestamp))
	}
	return nil
}

// Subscription is what all agreements of one buyer for one product amount to at
// an instant. Operations that name no license go by it.
type Subscription struct {
	Open  bool
	first Hour // of the earliest open agreement
	last  Hour
	ends  bool // last holds: every open agreement is winding down
}

// SubscriptionAt sums up a buyer's agreements for one product.
func SubscriptionAt(agreements []*Agreement, now time.Time, r Rulings) Subscription {
	s := Subscription{ends: true, last: math.MinInt32}
	for _, a := range agreements {
		if !a.OpenAt(now, r) {
			continue
		}
		if start := HourOf(a.Start); !s.Open || start < s.first {
			s.first = start
		}
		if last, ends := a.lastHour(r); ends {
			s.last = max(s.last, last)
		} else {
			s.ends = false
		}
		s.Open = true
	}
	return s
}

// CheckActivation refuses usage of an hour outside an open subscription's life
// . Without a license to blame, it is the timestamp that is wrong.
func (s Subscription) CheckActivation(timestamp time.Time) error {
	h := HourOf(timestamp)
	if h < s.first {
		return fmt.Errorf("%w: %s lies before the subscription began", ErrTimestampOutOfBounds, rfc3339(timestamp))
	}
	if s.ends && h > s.last {
		return fmt.Errorf("%w: %s lies after the subscription ended", ErrTimestampOutOfBounds, rfc3339(timestamp))
	}
	return nil
}
