package admin

import (
	"net/url"
	"regexp"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// price is a decimal.
var price = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)

func (a *application) products(products []Product) {
	for i, p := range products {
		path := at("products", i)
		a.text(path+".code", string(p.Code), 255)
		if p.Code != "" && !metering.IsProductCode(string(p.Code)) {
			a.add(path+".code", "%q does not match %s", p.Code, metering.ProductCodePattern)
		}
		if seller, ok := a.find(store.KindAccount, string(p.Seller)).(*store.Account); !ok || !seller.Seller {
			a.add(path+".seller", "%q is not one of the sellers", p.Seller)
		}
		if p.FulfillmentURL != "" && !isWebAddress(p.FulfillmentURL) {
			a.add(path+".fulfillment_url", "%q is not an address such as https://example.com/register", p.FulfillmentURL)
		}
		entry := &store.Product{
			Code: p.Code, Title: p.Title, Seller: p.Seller, FulfillmentURL: p.FulfillmentURL,
			Type:      p.Type,
			Pricing:   oneOf(a, path+".pricing", p.Pricing, metering.PricedByUsage, metering.PricedHourly, metering.PricedMonthly, metering.Free, metering.BYOL),
			Published: p.Published == nil || *p.Published,
		}
		switch {
		case p.Type == "":
			a.add(path+".type", "is missing: saas, ami, container or agent")
		case p.Type == metering.SaaS:
			entry.Generation = oneOf(a, path+".metering", p.Metering, metering.LicenseGeneration, metering.LegacyGeneration)
		case oneOf(a, path+".type", p.Type, metering.SaaS, metering.AMI, metering.Container, metering.Agent) == "":
		case p.Metering != "":
			a.add(path+".metering", "is for saas products only")
		}
		names := make(map[string]bool)
		for j, d := range p.Dimensions {
			dpath := at(path+".dimensions", j)
			a.text(dpath+".name", d.Name, 255)
			if names[d.Name] {
				a.add(dpath+".name", "dimension %q occurs twice", d.Name)
			}
			names[d.Name] = true
			if d.Price != "" && !price.MatchString(d.Price) {
				a.add(dpath+".price", "%q is not a price: a decimal in quotes, such as \"0.05\"", d.Price)
			}
			entry.Dimensions = append(entry.Dimensions, metering.Dimension(d))
		}
		a.put(path, entry)
	}
}

// isWebAddress reports whether a text is an absolute http or https URL.
func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (a *application) workloads(workloads []Workload) {
	for i, w := range workloads {
		path := at("workloads", i)
		a.text(path+".id", w.ID, 255)
		a.account(path+".account", w.Account)
		if !a.regions.Listed(w.Region) {
			a.add(path+".region", "%q is not a region that anything is served in", w.Region)
		}
		if w.Platform == "" {
			a.add(path+".platform", "is missing: ec2, ecs, eks or agentcore")
		} else {
			oneOf(a, path+".platform", w.Platform, metering.PlatformEC2, metering.PlatformECS, metering.PlatformEKS, metering.PlatformAgentCore)
		}
		if before, ok := a.known.Get(store.Ref{Kind: store.KindWorkload, Name: w.ID}).(*store.Workload); ok && before.Account != w.Account {
			a.add(path+".account", "workload %s was applied before for account %s: another needs another id", w.ID, before.Account)
		}
		entry := &store.Workload{ID: w.ID, Platform: w.Platform, Account: w.Account, Region: w.Region}
		if w.Heartbeat != "" {
			d, err := time.ParseDuration(w.Heartbeat)
			if err != nil || d <= 0 {
				a.add(path+".heartbeat", "%q is not a duration such as 5m", w.Heartbeat)
			}
			entry.Heartbeat = d
		}
		a.put(path, entry)
	}
}

// withoutKey lists the container products of the file that have no signing key
// yet: each gets version 1.
func (a *application) withoutKey() []metering.ProductCode {
	var codes []metering.ProductCode
	for _, e := range a.order {
		if p, ok := e.(*store.Product); ok && p.Type == metering.Container && len(a.known.SigningKeys(p.Code)) == 0 {
			codes = append(codes, p.Code)
		}
	}
	return codes
}
