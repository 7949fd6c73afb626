package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

func newUsage() *cobra.Command {
	return group("usage", "See what was metered", newUsageList())
}

func newUsageList() *cobra.Command {
	var product, from, to, output string
	cmd := &cobra.Command{
		Use: "list", Short: "List accepted records, hours ascending", Args: exactly(),
		Example: `  meterd usage list
  meterd usage list --product demo-saas --from 2026-09-01T00:00:00Z --output csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{}
			for name, value := range map[string]string{"from": from, "to": to} {
				if value == "" {
					continue
				}
				if _, err := time.Parse(time.RFC3339, value); err != nil {
					return &usageError{fmt.Errorf("--%s %q is not a time such as 2026-09-15T10:00:00Z", name, value), cmd.CommandPath()}
				}
				query.Set(name, value)
			}
			if product != "" {
				query.Set("product", product)
			}
			w, err := newRecordWriter(cmd.OutOrStdout(), output)
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			for {
				var page admin.Records
				if err := c.call(cmd.Context(), http.MethodGet, "/records?"+query.Encode(), nil, &page); err != nil {
					return err
				}
				for i := range page.Records {
					if err := w.write(&page.Records[i]); err != nil {
						return err
					}
				}
				if page.Next == "" {
					return w.end()
				}
				query.Set("cursor", page.Next)
			}
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&product, "product", "", "code of one product (default: all)")
	flags.StringVar(&from, "from", "", "first hour, RFC 3339")
	flags.StringVar(&to, "to", "", "hour after the last, RFC 3339")
	flags.StringVar(&output, "output", "", "table, json or csv (default: table on a terminal, json otherwise)")
	return cmd
}

// recordWriter writes records one at a time, in one of the forms.
type recordWriter struct {
	write func(*admin.Record) error
	end   func() error
}

var recordColumns = []string{"hour", "product", "account", "party", "region", "dimension", "quantity", "allocations", "timestamp", "id"}

func recordRow(r *admin.Record) []string {
	return []string{
		r.Hour.Format(time.RFC3339), r.Product, r.Account, r.Party, r.Region, r.Dimension,
		strconv.Itoa(int(r.Quantity)), allocationText(r.Allocations), r.Timestamp.Format(time.RFC3339Nano), r.ID,
	}
}

// allocationText is allocations in one cell: "6 team=a env=x; 4".
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

func newRecordWriter(out io.Writer, form string) (*recordWriter, error) {
	if form == "" {
		form = "json"
		if isTerminal(out) {
			form = "table"
		}
	}
	switch form {
	case "table":
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		count := 0
		return &recordWriter{
			write: func(r *admin.Record) error {
				if count == 0 {
					fmt.Fprintln(w, strings.ToUpper(strings.Join(recordColumns, "\t")))
				}
				count++
				_, err := fmt.Fprintln(w, strings.Join(recordRow(r), "\t"))
				return err
			},
			end: func() error {
				if count == 0 {
					fmt.Fprintln(w, "No records.")
				}
				return w.Flush()
			},
		}, nil
	case "csv":
		w := csv.NewWriter(out)
		if err := w.Write(recordColumns); err != nil {
			return nil, err
		}
		return &recordWriter{
			write: func(r *admin.Record) error {
				row := recordRow(r)
				for i := range row {
					row[i] = inertCell(row[i])
				}
				return w.Write(row)
			},
			end: func() error { w.Flush(); return w.Error() },
		}, nil
	case "json": // one array, an element a line
		separator := "["
		return &recordWriter{
			write: func(r *admin.Record) error {
				b, err := json.Marshal(r)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(out, "%s\n%s", separator, b)
				separator = ","
				return err
			},
			end: func() error {
				if separator == "[" {
					_, err := fmt.Fprintln(out, "[]")
					return err
				}
				_, err := fmt.Fprintln(out, "\n]")
				return err
			},
		}, nil
	}
	return nil, fmt.Errorf("--output %q is none of table, json, csv", form)
}

// inertCell keeps a spreadsheet from taking a text for a formula: tags are
// whatever sellers send.
func inertCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
