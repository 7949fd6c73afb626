package metering

import (
	"fmt"
	"time"
)

// UsageRecord is a claim: what a seller, or a seller's software, reports.
type UsageRecord struct {
	Timestamp   time.Time // the instant the usage belongs to, as sent
	Dimension   string
	Quantity    int32
	Allocations []Allocation // as sent; nil when none

	// Who used it, for BatchMeterUsage. The buyer's account, or for products of
	// the legacy generation the customer identifier; and the license.
	Account    AccountID
	Customer   CustomerID
	LicenseARN string
}

// Claim is a usage record with what the catalogue says of its buyer.
type Claim struct {
	*UsageRecord
	Buyer AccountID
	// Subscribed is false for a buyer whose usage is not counted now. Such a
	// claim sinks nobody else's, and is itself answered CustomerNotSubscribed.
	Subscribed bool
	// Subscription bounds the hours that may be claimed, where no license does.
	Subscription *Subscription
}

// ClaimByLicense weighs a usage record that names a license. a is the license's
// agreement, nil when there is none of this seller's; it must be for p
//
func ClaimByLicense(u *UsageRecord, a *Agreement, p *Product, suspended bool, now time.Time, r Rulings) (Claim, error) {
	switch {
	case a == nil:
		return Claim{}, fmt.Errorf("%w: %s is not the license of an agreement for a product of this account", ErrInvalidLicense, u.LicenseARN)
	case a.Product != p.Code:
		return Claim{}, fmt.Errorf("%w: %s is for another product than the other records'", ErrInvalidLicense, u.LicenseARN)
	case a.Buyer != u.Account:
		return Claim{}, fmt.Errorf("%w: %s is not the license of customer account %s", ErrInvalidLicense, u.LicenseARN, u.Account)
	}
	c := Claim{UsageRecord: u, Buyer: a.Buyer}
	if suspended || !a.OpenAt(now, r) {
		return c, nil
	}
	c.Subscribed = true
	return c, a.CheckActivation(u.Timestamp, r)
}

// ClaimBySubscription weighs a usage record that names its buyer alone.
// agreements are the buyer's for the product. Products of the newer generation
// take no such records.
func ClaimBySubscription(u *UsageRecord, buyer AccountID, p *Product, agreements []*Agreement, suspended bool, now time.Time, r Rulings) (Claim, error) {
	if p.Generation == LicenseGeneration {
		return Claim{}, fmt.Errorf("%w: product %s is metered by license: send LicenseArn with every record, and no ProductCode", ErrInvalidLicense, p.Code)
	}
	c := Claim{UsageRecord: u, Buyer: buyer}
	if s := SubscriptionAt(agreements, now, r); s.Open && !suspended {
		c.Subscribed, c.Subscription = true, &s
	}
	return c, nil
}

// CheckUsage applies the checks that hold for every claim, subscribed or not,
// in the fixed order R-23; each looks at all claims before the next begins.
func CheckUsage(p *Product, w Window, claims []Claim, now time.Time, r Rulings) error {
	for i := range claims {
		if err := p.CheckDimension(claims[i].Dimension); err != nil {
			return err
		}
	}
	for i := range claims {
		c := &claims[i]
		if err := w.Check(c.Timestamp, now, r); err != nil {
			return err
		}
		if c.Subscription != nil {
			if err := c.Subscription.CheckActivation(c.Timestamp); err != nil {
				return err
			}
		}
	}
	for i := range claims {
		if err := CheckTags(claims[i].Allocations); err != nil {
			return err
		}
	}
	for i := range claims {
		if err := CheckAllocations(claims[i].Allocations, claims[i].Quantity); err != nil {
			return err
		}
	}
	return nil
}
