package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

func newUsage() *cobra.Command {
	return group("usage", "See what was metered, and what was not", newUsageSummary(), newUsageList(), newUsageExport(), newUsageProblems())
}

func newUsageList() *cobra.Command {
	var product, buyer string
	var l listing
	var span timeSpan
	cmd := &cobra.Command{
		Use: "list", Short: "List accepted records: hours ascending, one product after the other", Args: exactly(),
		Example: `  meterd usage list
  meterd usage list --product demo-saas --from 2026-09-01T00:00:00Z --output csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, err := span.query(cmd)
			if err != nil {
				return err
			}
			if product != "" {
				query.Set("product", product)
			}
			if buyer != "" {
				query.Set("buyer", buyer)
			}
			return listAll(cmd, l, recordView, "/records", query)
		},
	}
	cmd.Flags().StringVar(&product, "product", "", "code of one product (default: all)")
	cmd.Flags().StringVar(&buyer, "buyer", "", "account of one buyer, whose usage it is (default: all)")
	span.flags(cmd, "first hour, RFC 3339", "hour after the last, RFC 3339")
	l.flags(cmd)
	return cmd
}

func newUsageProblems() *cobra.Command {
	var seller string
	var l listing
	var span timeSpan
	cmd := &cobra.Command{
		Use: "problems", Short: "List calls that were refused, and what was answered 200 but is not counted", Args: exactly(),
		Long: `List calls that were refused, with the exception they were answered, and records
that BatchMeterUsage answered with 200 and yet did not count: DuplicateRecord,
with the quantity that holds the place, and CustomerNotSubscribed. A client that
looks at the HTTP status alone takes those for money.`,
		Example: `  meterd usage problems
  meterd usage problems --seller 210987654321 --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, err := span.query(cmd)
			if err != nil {
				return err
			}
			if seller != "" {
				query.Set("seller", seller)
			}
			return listAll(cmd, l, refusalView, "/refusals", query)
		},
	}
	cmd.Flags().StringVar(&seller, "seller", "", "account of one seller, whose products they are about, or that called (default: all)")
	span.flags(cmd, "refused from this time on, RFC 3339", "refused before this time, RFC 3339")
	l.flags(cmd)
	return cmd
}

// timeSpan is --from and --to.
type timeSpan struct{ from, to string }

func (s *timeSpan) flags(cmd *cobra.Command, from, to string) {
	cmd.Flags().StringVar(&s.from, "from", "", from)
	cmd.Flags().StringVar(&s.to, "to", "", to)
}

func (s *timeSpan) query(cmd *cobra.Command) (url.Values, error) {
	query := url.Values{}
	for _, bound := range []struct{ name, value string }{{"from", s.from}, {"to", s.to}} {
		if bound.value == "" {
			continue
		}
		if _, err := time.Parse(time.RFC3339, bound.value); err != nil {
			return nil, &usageError{fmt.Errorf("--%s %q is not a time such as 2026-09-15T10:00:00Z", bound.name, bound.value), cmd.CommandPath()}
		}
		query.Set(bound.name, bound.value)
	}
	return query, nil
}

var recordView = view[admin.Record]{
	columns: recordColumns, row: recordRow,
	narrow: []string{"hour", "product", "party", "region", "dimension", "quantity", "allocations"},
	name:   func(r *admin.Record) string { return r.ID },
}

var recordColumns = []string{"hour", "product", "account", "party", "region", "dimension", "quantity", "allocations", "timestamp", "id"}

func recordRow(r *admin.Record) []string {
	return []string{
		r.Hour.Format(time.RFC3339), r.Product, r.Account, r.Party, r.Region, r.Dimension,
		strconv.Itoa(int(r.Quantity)), allocationText(r.Allocations), r.Timestamp.Format(time.RFC3339Nano), r.ID,
	}
}

// allocationText is allocations in one cell: "4; 6 team=red env=x".
func allocationText(allocations []admin.Allocation) string {
	var parts []string
	for _, a := range allocations {
		part := strconv.Itoa(int(a.Quantity))
		for _, t := range a.Tags {
			part += " " + t.Key + "=" + t.Value
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

var refusalView = view[admin.Refusal]{
	columns: refusalColumns, row: refusalRow,
	narrow:   []string{"time", "reason", "operation", "product", "party", "quantity", "held_quantity"},
	headings: map[string]string{"held_quantity": "HELD"},
}

var refusalColumns = []string{"time", "reason", "operation", "seller", "account", "access_key_id", "product", "party", "region", "dimension", "hour", "quantity", "held_quantity", "held_by", "request_id", "detail"}

func refusalRow(r *admin.Refusal) []string {
	return []string{
		r.Time.Format(time.RFC3339), r.Reason, r.Operation, r.Seller, r.Account, r.AccessKeyID, r.Product, r.Party, r.Region, r.Dimension, timeCell(r.Hour),
		quantityCell(r.Quantity), quantityCell(r.HeldQuantity), r.HeldBy, r.RequestID, r.Detail,
	}
}

// timeCell and quantityCell leave the cell of what is absent empty.
func timeCell(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func quantityCell(n *int32) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(int(*n))
}
