package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/metering"
)

var agreements = noun[admin.AgreementState]{
	word: "agreement", path: "/agreements", arg: "ID",
	view: view[admin.AgreementState]{
		columns: []string{"id", "product", "buyer", "status", "open", "start", "end", "license_arn", "customer_identifier", "entitlements"},
		narrow:  []string{"id", "product", "buyer", "status", "open", "start", "end"},
		row: func(a *admin.AgreementState) []string {
			return []string{
				string(a.ID), string(a.Product), string(a.Buyer), string(a.Status), strconv.FormatBool(a.Open), a.Start, a.End,
				a.LicenseARN, string(a.CustomerIdentifier), entitlementsText(a.Entitlements),
			}
		},
		name: func(a *admin.AgreementState) string { return string(a.ID) },
	},
}

var agreementStatuses = []string{"pending", "active", "suspended", "ending", "ended"}

func newAgreement() *cobra.Command {
	return group("agreement", "Manage agreements: purchases of products by buyers",
		agreements.list("  meterd agreement list\n  meterd agreement list --product demo-saas --status active --output name",
			option{name: "product", help: "of one product"},
			option{name: "buyer", help: "of one buyer"},
			option{name: "status", help: "of one status", words: agreementStatuses}),
		agreements.show("  meterd agreement show agmt-demo-saas"),
		newAgreementCreate(),
		agreements.act("activate", "Open an agreement that is pending or suspended", "  meterd agreement activate agmt-demo-saas"),
		agreements.act("suspend", "Close an active agreement until it is activated again", "  meterd agreement suspend agmt-demo-saas"),
		agreements.act("end", "Wind an agreement down: the seller has the final reporting hour", "  meterd agreement end agmt-demo-saas\n  meterd agreement end agmt-demo-saas --at-once",
			option{name: "at-once", help: "end it without the final reporting hour", is: aTruth}),
		agreements.act("renew", "Let an agreement that is active or ending go on, under its license", "  meterd agreement renew agmt-demo-saas --expires 2027-09-15T00:00:00Z",
			option{name: "expires", help: "when its entitlements expire from now on", is: aTime}),
		agreements.remove("Remove an agreement that was never metered, and its tokens", "  meterd agreement remove agmt-demo-saas --yes"),
	)
}

func newAgreementCreate() *cobra.Command {
	return making[admin.Agreement, admin.AgreementState]{
		use: "create", short: "Make an agreement: a buyer's purchase of a product",
		long: `Make an agreement: a buyer's purchase of a product.

Made again with the same facts, it stays what it is. With others it is refused:
the other verbs change an agreement, and a catalogue file can.`,
		example: `  meterd agreement create agmt-0001 --product demo-saas --buyer 111122223333
  meterd agreement create agmt-0002 --product demo-saas --buyer 444455556666 --entitlement users=50:8760h`,
		arg: "ID", needs: []string{"product", "buyer"}, unrepeated: true,
		start: func(id string) (string, admin.Agreement) {
			return agreements.path, admin.Agreement{ID: metering.AgreementID(id)}
		},
		fields: []field[admin.Agreement]{
			textField("product", "the product's code", func(a *admin.Agreement, v string) { a.Product = metering.ProductCode(v) }),
			textField("buyer", "the buyer's account", func(a *admin.Agreement, v string) { a.Buyer = metering.AccountID(v) }),
			textField("license-arn", "its license (default: one is made)", func(a *admin.Agreement, v string) { a.LicenseARN = v }),
			textField("customer-identifier", "of products metered the legacy way (default: one is made)", func(a *admin.Agreement, v string) { a.CustomerIdentifier = metering.CustomerID(v) }),
			textField("status", "what it begins as (default active)", func(a *admin.Agreement, v string) { a.Status = metering.AgreementStatus(v) }, "pending", "active", "suspended"),
			textField("start", "RFC 3339, or a duration from the service's clock such as -720h (default: now)", func(a *admin.Agreement, v string) { a.Start = v }),
			{option{name: "entitlement", help: "what a contract grants: DIMENSION=VALUE[:EXPIRES], EXPIRES as --start", is: texts}, giveEntitlement},
		},
		view: agreements.view,
	}.command()
}

// giveEntitlement reads DIMENSION=VALUE[:EXPIRES]. A value that looks like a
// whole number is one, and likewise a decimal and true or false; quotes make it
// a text.
func giveEntitlement(a *admin.Agreement, text string) error {
	dimension, rest, ok := strings.Cut(text, "=")
	if !ok || dimension == "" {
		return errors.New("is not DIMENSION=VALUE or DIMENSION=VALUE:EXPIRES")
	}
	e := admin.Entitlement{Dimension: dimension}
	var value string
	if quoted, err := strconv.QuotedPrefix(rest); err == nil {
		value, rest = quoted, rest[len(quoted):]
		if rest != "" && rest[0] != ':' {
			return errors.New("goes on after the quoted value")
		}
		e.Expires = strings.TrimPrefix(rest, ":")
	} else {
		value, e.Expires, _ = strings.Cut(rest, ":")
	}
	whole, notWhole := strconv.ParseInt(value, 10, 32)
	decimal, notDecimal := strconv.ParseFloat(value, 64)
	plain, notQuoted := strconv.Unquote(value)
	switch {
	case notWhole == nil:
		e.Integer = whole
	case notDecimal == nil:
		e.Double = &decimal
	case value == "true" || value == "false":
		truth := value == "true"
		e.Boolean = &truth
	case notQuoted == nil:
		e.String = &plain
	case value == "":
		return errors.New("has no value")
	default:
		e.String = &value
	}
	a.Entitlements = append(a.Entitlements, e)
	return nil
}

// entitlementsText is entitlements in one cell, as --entitlement takes them.
func entitlementsText(entitlements []admin.Entitlement) string {
	var all []string
	for _, e := range entitlements {
		text := e.Dimension + "="
		switch {
		case e.Double != nil:
			text += strconv.FormatFloat(*e.Double, 'g', -1, 64)
		case e.Boolean != nil:
			text += strconv.FormatBool(*e.Boolean)
		case e.String != nil:
			text += strconv.Quote(*e.String)
		default:
			text += cellOf(e.Integer)
		}
		if e.Expires != "" {
			text += ":" + e.Expires
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}
