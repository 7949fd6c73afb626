package admin

import (
	"cmp"
	"math"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// licenseIssuer is the account in the ARNs of AWS Marketplace's licenses.
const licenseIssuer = "294406891311"

func (a *application) agreements(agreements []Agreement) {
	for i, g := range agreements {
		path := at("agreements", i)
		a.text(path+".id", string(g.ID), 255)
		before, _ := a.known.Get(store.Ref{Kind: store.KindAgreement, Name: string(g.ID)}).(*store.Agreement)
		if before == nil {
			before = new(store.Agreement)
		} else if before.Product != g.Product || before.Buyer != g.Buyer {
			a.add(path, "agreement %s was applied before for product %s and buyer %s: another needs another id", g.ID, before.Product, before.Buyer)
		}
		product, ok := a.find(store.KindProduct, string(g.Product)).(*store.Product)
		if !ok {
			a.add(path+".product", "there is no product %q", g.Product)
			continue
		}
		if buyer, ok := a.find(store.KindAccount, string(g.Buyer)).(*store.Account); !ok || !buyer.Buyer {
			a.add(path+".buyer", "%q is not one of the buyers", g.Buyer)
		}
		entry := &store.Agreement{
			ID: g.ID, Product: g.Product, Buyer: g.Buyer,
			Status:     oneOf(a, path+".status", g.Status, metering.AgreementActive, metering.AgreementPending, metering.AgreementSuspended, metering.AgreementEnding, metering.AgreementEnded),
			Start:      a.instant(path+".start", cmp.Or(g.Start, "0s"), before.Start),
			LicenseARN: a.licenseOf(path, g, before),
			Customer:   a.customerOf(path, g, product, before),
		}
		closing := entry.Status == metering.AgreementEnding || entry.Status == metering.AgreementEnded
		switch {
		case closing && g.End == "":
			a.add(path+".end", "is missing: an agreement that is %s has one", entry.Status)
		case !closing && g.End != "":
			a.add(path+".end", "is for agreements that are ending or ended")
		case closing:
			entry.End = a.instant(path+".end", g.End, before.End)
			if !entry.End.IsZero() && entry.End.Before(entry.Start) {
				a.add(path+".end", "%s lies before the start, %s", entry.End.Format(time.RFC3339), entry.Start.Format(time.RFC3339))
			}
		}
		a.entitlements(path, entry, g.Entitlements, before)
		a.put(path, entry)
	}
}

// licenseOf is the agreement's license: the one that is given, the one that was
// made before, or a new one. No two agreements share one.
func (a *application) licenseOf(path string, g Agreement, before *store.Agreement) string {
	arn := g.LicenseARN
	if arn == "" {
		if arn = before.LicenseARN; arn == "" {
			arn = "arn:aws:license-manager::" + licenseIssuer + ":license:l-" + randomHex(16)
		}
	} else if !metering.IsLicenseARN(arn) {
		a.add(path+".license_arn", "%q is not a license ARN such as arn:aws:license-manager::%s:license:l-0f1e", arn, licenseIssuer)
	}
	holder, taken := a.licenses[arn]
	if known := a.known.License(arn); !taken && known != nil {
		holder, taken = known.ID, known.ID != g.ID
	}
	if taken {
		a.add(path+".license_arn", "%s is already the license of agreement %s", arn, holder)
	}
	a.licenses[arn] = g.ID
	return arn
}

// customerOf is the customer identifier of a legacy purchase. Every agreement of
// a buyer for a product has the same.
func (a *application) customerOf(path string, g Agreement, p *store.Product, before *store.Agreement) metering.CustomerID {
	if p.Generation != metering.LegacyGeneration {
		if g.CustomerIdentifier != "" {
			a.add(path+".customer_identifier", "is for products metered the legacy way only")
		}
		return ""
	}
	who := customerOf{g.Product, g.Buyer}
	had := before.Customer
	if id, ok := a.customers[who]; ok {
		had = id
	} else {
		for _, other := range a.known.Agreements(g.Product, g.Buyer) {
			had = other.Customer
		}
	}
	id := g.CustomerIdentifier
	switch {
	case id == "" && had == "":
		id = metering.CustomerID(randomHex(6))
	case id == "":
		id = had
	case had != "" && had != id:
		a.add(path+".customer_identifier", "buyer %s is already customer %q of product %s", g.Buyer, had, g.Product)
	default:
		a.text(path+".customer_identifier", string(id), 255)
	}
	owner, taken := a.issued[issuedFor{g.Product, id}]
	if !taken {
		owner, taken = a.known.Customer(g.Product, id)
	}
	if taken && owner != g.Buyer {
		a.add(path+".customer_identifier", "%q is already buyer %s", id, owner)
	}
	a.customers[who], a.issued[issuedFor{g.Product, id}] = id, g.Buyer
	return id
}

func (a *application) entitlements(path string, entry *store.Agreement, entitlements []Entitlement, before *store.Agreement) {
	for j, e := range entitlements {
		epath := at(path+".entitlements", j)
		a.text(epath+".dimension", e.Dimension, 255)
		values := 0
		for _, given := range []bool{e.Integer != nil, e.Double != nil, e.Boolean != nil, e.String != nil} {
			if given {
				values++
			}
		}
		if values != 1 {
			a.add(epath, "needs exactly one of integer, double, boolean and string")
		}
		if e.Double != nil && (math.IsNaN(*e.Double) || math.IsInf(*e.Double, 0)) {
			a.add(epath+".double", "must be a number")
		}
		entitlement := metering.Entitlement{Dimension: e.Dimension, Double: e.Double, Boolean: e.Boolean, String: e.String}
		if e.Integer != nil {
			n, ok := int32Of(e.Integer)
			if !ok {
				a.add(epath+".integer", "%#v is not a whole number of 32 bits", e.Integer)
			}
			entitlement.Integer = &n
		}
		var expired time.Time
		if j < len(before.Entitlements) && before.Entitlements[j].Dimension == e.Dimension {
			expired = before.Entitlements[j].Expires
		}
		entitlement.Expires = a.instant(epath+".expires", e.Expires, expired)
		entry.Entitlements = append(entry.Entitlements, entitlement)
	}
}

// int32Of is a number that was written as a whole one.
func int32Of(value any) (n int32, ok bool) {
	switch v := value.(type) {
	case uint64:
		return int32(v), v <= math.MaxInt32
	case int64:
		return int32(v), v >= math.MinInt32 && v <= math.MaxInt32
	case int32:
		return v, true
	case float64: // of JSON
		return int32(v), v == math.Trunc(v) && v >= math.MinInt32 && v <= math.MaxInt32
	}
	return 0, false
}
