package main

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/metering"
)

var products = noun[admin.Product]{
	word: "product", path: "/products", arg: "CODE",
	view: view[admin.Product]{
		columns: []string{"code", "title", "seller", "type", "pricing", "metering", "published", "fulfillment_url", "dimensions"},
		narrow:  []string{"code", "title", "seller", "type", "pricing", "metering", "published"},
		row: func(p *admin.Product) []string {
			return []string{
				string(p.Code), p.Title, string(p.Seller), string(p.Type), string(p.Pricing), string(p.Metering),
				strconv.FormatBool(p.Published == nil || *p.Published), p.FulfillmentURL, dimensionsText(p.Dimensions),
			}
		},
		name: func(p *admin.Product) string { return string(p.Code) },
	},
}

func newProduct() *cobra.Command {
	return group("product", "Manage products and what they are metered in",
		products.list("  meterd product list\n  meterd product list --seller 210987654321 --output name",
			option{name: "seller", help: "of one seller"}),
		products.show("  meterd product show demo-saas"),
		products.set("Make a product, or change what the flags say of one",
			"  meterd product set acme-scanner --seller 210987654321 --type saas --dimension scans:Scans:0.05\n  meterd product set acme-scanner --published=false",
			[]string{"seller", "type"}, productFields...),
		products.remove("Remove a product that was never metered, and its signing keys", "  meterd product remove acme-scanner --yes"),
		newDimension(),
	)
}

var productFields = []field[admin.Product]{
	textField("title", "what buyers read", func(p *admin.Product, v string) { p.Title = v }),
	textField("seller", "the seller's account", func(p *admin.Product, v string) { p.Seller = metering.AccountID(v) }),
	textField("type", "which operations meter it", func(p *admin.Product, v string) { p.Type = metering.ProductType(v) }, "saas", "ami", "container", "agent"),
	textField("pricing", "how it is charged", func(p *admin.Product, v string) { p.Pricing = metering.Pricing(v) }, "usage", "hourly", "monthly", "free", "byol"),
	textField("metering", "how records name buyers, of saas products", func(p *admin.Product, v string) { p.Metering = metering.Generation(v) }, "license", "legacy"),
	truthField("published", "whether others than its seller can use it (default of a new one: true)", func(p *admin.Product, v bool) { p.Published = &v }),
	textField("fulfillment-url", "where a buyer's browser brings a registration token", func(p *admin.Product, v string) { p.FulfillmentURL = v }),
	{option{name: "dimension", help: "a dimension it gets, or has already: NAME[:UNIT[:PRICE]]", is: texts}, giveDimension},
}

// giveDimension gives a product a dimension. Of one that it has, what the text
// leaves out stays.
func giveDimension(p *admin.Product, text string) error {
	part := append(strings.SplitN(text, ":", 3), "", "")
	if part[0] == "" {
		return errors.New("has no name: it is NAME, NAME:UNIT or NAME:UNIT:PRICE")
	}
	at := slices.IndexFunc(p.Dimensions, func(d admin.Dimension) bool { return d.Name == part[0] })
	if at < 0 {
		at = len(p.Dimensions)
		p.Dimensions = append(p.Dimensions, admin.Dimension{Name: part[0]})
	}
	d := &p.Dimensions[at]
	d.Unit, d.Price = cmp.Or(part[1], d.Unit), cmp.Or(part[2], d.Price)
	return nil
}

// dimensionsText is dimensions in one cell, as --dimension takes them.
func dimensionsText(dimensions []admin.Dimension) string {
	var all []string
	for _, d := range dimensions {
		all = append(all, strings.TrimRight(d.Name+":"+d.Unit+":"+d.Price, ":"))
	}
	return strings.Join(all, " ")
}
