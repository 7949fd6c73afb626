package admin

import (
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// How entries of the store are shown: in the shapes that a catalogue file has.

func sellerOf(a *metering.Account) Seller { return Seller{Account: a.ID, Name: a.Name} }

func buyerOf(a *metering.Account) Buyer {
	b := Buyer{Account: a.ID, Name: a.Name, Status: "active"}
	if a.Suspended {
		b.Status = "suspended"
	}
	return b
}

func productOf(p *metering.Product) Product {
	published := p.Published
	out := Product{
		Code: p.Code, Title: p.Title, Seller: p.Seller, Type: p.Type, Pricing: p.Pricing, Metering: p.Generation,
		Published: &published, FulfillmentURL: p.FulfillmentURL,
	}
	for _, d := range p.Dimensions {
		out.Dimensions = append(out.Dimensions, Dimension(d))
	}
	return out
}

func agreementOf(a *metering.Agreement) Agreement {
	out := Agreement{
		ID: a.ID, Product: a.Product, Buyer: a.Buyer, LicenseARN: a.LicenseARN, CustomerIdentifier: a.Customer,
		Status: a.Status, Start: timeText(a.Start), End: timeText(a.End),
	}
	for i := range a.Entitlements {
		e := &a.Entitlements[i]
		shown := Entitlement{Dimension: e.Dimension, Double: e.Double, Boolean: e.Boolean, String: e.String, Expires: timeText(e.Expires)}
		if e.Integer != nil {
			shown.Integer = *e.Integer
		}
		out.Entitlements = append(out.Entitlements, shown)
	}
	return out
}

func workloadOf(w *metering.Workload) Workload {
	out := Workload{ID: w.ID, Platform: w.Platform, Account: w.Account, Region: w.Region}
	if w.Heartbeat > 0 {
		out.Heartbeat = w.Heartbeat.String()
	}
	return out
}

// credentialOf never shows the secret. A user that is the key's own is not said.
func credentialOf(c *store.Credential) Credential {
	out := Credential{AccessKeyID: c.KeyID, Account: c.Account, Workload: c.Workload, User: c.User, Policy: c.Policy, Status: "active"}
	if !c.Active() {
		out.Status = "disabled"
	}
	if out.User == c.KeyID {
		out.User = ""
	}
	return out
}

func compatOf(c *store.Compat) Compat {
	word := func(chosen bool, yes, no string) string {
		if chosen {
			return yes
		}
		return no
	}
	return Compat{
		Repeat:        word(c.Rulings.RepeatIsDuplicate, "duplicate", "success"),
		MonthEnd:      word(c.Rulings.MonthEndExtends, "extend", "restrict"),
		FinalHour:     word(c.Rulings.FinalHourAfterEnded, "ended", "ending"),
		KeyAsResource: c.Rulings.KeyAsResource, ErrorNamespace: c.ErrorNamespace,
	}
}

// entry is what the settings are in the store.
func (c Compat) entry() *store.Compat {
	return &store.Compat{
		Rulings: metering.Rulings{
			RepeatIsDuplicate:   c.Repeat == "duplicate",
			MonthEndExtends:     c.MonthEnd == "extend",
			FinalHourAfterEnded: c.FinalHour == "ended",
			KeyAsResource:       c.KeyAsResource,
		},
		ErrorNamespace: c.ErrorNamespace,
	}
}

// timeText is a time as files and the API have it; "" is none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// account is an account as its history shows it: it may be both.
type account struct {
	Account metering.AccountID `json:"account"`
	Name    string             `json:"name,omitempty"`
	Seller  bool               `json:"seller"`
	Buyer   bool               `json:"buyer"`
	Status  string             `json:"status"`
}

// shapeOf is an entry as it is shown. Of secrets, hashes and keys it has
// nothing.
func shapeOf(e store.Entry) any {
	switch e := e.(type) {
	case *store.Account:
		b := buyerOf((*metering.Account)(e))
		return account{e.ID, e.Name, e.Seller, e.Buyer, b.Status}
	case *store.Product:
		return productOf((*metering.Product)(e))
	case *store.Agreement:
		return agreementOf((*metering.Agreement)(e))
	case *store.Workload:
		return workloadOf((*metering.Workload)(e))
	case *store.Policy:
		return policyOf(e)
	case *store.Role:
		return roleStateOf(e)
	case *store.Credential:
		return credentialOf(e)
	case *store.RegistrationToken:
		return tokenOf((*metering.RegistrationToken)(e))
	case *store.SigningKey:
		return keyOf((*metering.SigningKey)(e))
	case *store.Access:
		return accessOf(e)
	case *store.Compat:
		return compatOf(e)
	case *store.Quota:
		return quotaOf(e)
	}
	return nil
}
