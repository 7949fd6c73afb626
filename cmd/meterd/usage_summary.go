package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/report"
)

// usageSummary is `meterd usage summary`.
type usageSummary struct {
	product, buyer, month, output string
	by                            []string
	top                           int
	span                          timeSpan
}

func newUsageSummary() *cobra.Command {
	var u usageSummary
	cmd := &cobra.Command{
		Use: "summary", Short: "Sum usage up, by product and dimension and what else is asked for", Args: exactly(),
		Long: `Sum usage up: by product and dimension always, for their units differ, and by
what --by names. Without --month, --from and --to it is the month of the service's
clock.`,
		Example: `  meterd usage summary
  meterd usage summary --month 2026-09 --by buyer,region --output csv
  meterd usage summary --product demo-saas --top 10`,
		RunE: func(cmd *cobra.Command, _ []string) error { return u.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&u.product, "product", "", "code of one product (default: all)")
	flags.StringVar(&u.buyer, "buyer", "", "account of one buyer (default: all)")
	flags.StringVar(&u.month, "month", "", "a month, such as 2026-09")
	flags.StringSliceVar(&u.by, "by", []string{string(report.Buyer)}, "what to tell apart: buyer, region, and one of hour, day, month; or none")
	flags.IntVar(&u.top, "top", 0, "only so many rows of each product and dimension, greatest first")
	u.span.flags(cmd, "first hour, RFC 3339", "hour after the last, RFC 3339")
	wordsFlag(cmd, "by", append(columnNames(), "none")...)
	outputFlag(cmd, &u.output)
	return cmd
}

func columnNames() []string {
	var names []string
	for _, c := range report.Columns() {
		names = append(names, string(c))
	}
	return names
}

func (u *usageSummary) run(cmd *cobra.Command) error {
	query, err := u.query(cmd)
	if err != nil {
		return err
	}
	w, err := newListWriter(cmd.OutOrStdout(), u.output, sumView(u.by))
	if err != nil {
		return &usageError{err, cmd.CommandPath()}
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	if !query.Has("from") && !query.Has("to") {
		now, err := c.now(cmd.Context())
		if err != nil {
			return err
		}
		monthOf(query, now)
	}
	var sums admin.Sums
	if err := c.call(cmd.Context(), http.MethodGet, "/usage?"+query.Encode(), nil, &sums); err != nil {
		return err
	}
	if u.top > 0 {
		sums.Sums = greatest(sums.Sums, u.top)
	}
	for i := range sums.Sums {
		if err := w.write(&sums.Sums[i]); err != nil {
			return err
		}
	}
	return w.end()
}

func (u *usageSummary) query(cmd *cobra.Command) (url.Values, error) {
	query, err := u.span.query(cmd)
	if err != nil {
		return nil, err
	}
	misused := func(format string, args ...any) (url.Values, error) {
		return nil, &usageError{fmt.Errorf(format, args...), cmd.CommandPath()}
	}
	if u.top < 0 {
		return misused("--top %d is less than 0", u.top)
	}
	if len(u.by) == 1 && u.by[0] == "none" {
		u.by = nil
	}
	columns := make([]report.Column, len(u.by))
	for i, name := range u.by {
		columns[i] = report.Column(name)
	}
	if _, err := report.New(columns...); err != nil {
		return misused("--by: %v", err)
	}
	if u.month != "" {
		if len(query["from"])+len(query["to"]) > 0 {
			return misused("--month is given, and --from or --to as well: choose one")
		}
		month, err := time.Parse("2006-01", u.month)
		if err != nil {
			return misused("--month %q is not a month such as 2026-09", u.month)
		}
		monthOf(query, month)
	}
	setIf(query, "product", u.product)
	setIf(query, "buyer", u.buyer)
	setIf(query, "by", strings.Join(u.by, ","))
	return query, nil
}

func setIf(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

// monthOf asks for the month that a time lies in.
func monthOf(query url.Values, t time.Time) {
	first := time.Date(t.UTC().Year(), t.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	query.Set("from", first.Format(time.RFC3339))
	query.Set("to", first.AddDate(0, 1, 0).Format(time.RFC3339))
}

// now is the service's clock: in production, which shows none, the true one.
func (c *client) now(ctx context.Context) (time.Time, error) {
	var shown struct{ Now time.Time }
	err := c.call(ctx, http.MethodGet, "/clock", nil, &shown)
	var refused *refusedError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return time.Now(), nil
	}
	return shown.Now, err
}

// greatest keeps so many rows of each product and dimension, greatest first.
func greatest(sums []admin.Sum, most int) []admin.Sum {
	slices.SortStableFunc(sums, func(a, b admin.Sum) int {
		return cmp.Or(cmp.Compare(a.Product, b.Product), cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(b.Quantity, a.Quantity))
	})
	var kept []admin.Sum
	n := 0
	for i, s := range sums {
		if i == 0 || s.Product != sums[i-1].Product || s.Dimension != sums[i-1].Dimension {
			n = 0
		}
		if n++; n <= most {
			kept = append(kept, s)
		}
	}
	return kept
}

// sumView shows what was asked for; CSV has every column, so that a report does
// not change its form.
func sumView(by []string) view[admin.Sum] {
	narrow := []string{"product", "dimension"}
	for _, name := range []string{"buyer", "region"} {
		if slices.Contains(by, name) {
			narrow = append(narrow, name)
		}
	}
	if slices.ContainsFunc(by, func(name string) bool { return name != "buyer" && name != "region" }) {
		narrow = append(narrow, "start")
	}
	return view[admin.Sum]{
		columns: []string{"product", "dimension", "buyer", "region", "start", "quantity", "records"},
		row: func(s *admin.Sum) []string {
			return []string{
				s.Product, s.Dimension, s.Buyer, s.Region, timeCell(s.Start),
				strconv.FormatInt(s.Quantity, 10), strconv.FormatInt(s.Records, 10),
			}
		},
		narrow: append(narrow, "quantity", "records"),
	}
}
