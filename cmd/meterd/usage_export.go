package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

// exportForms are the values of --format.
var exportForms = []string{"csv", "json"}

func newUsageExport() *cobra.Command {
	var product, buyer, form string
	var span timeSpan
	cmd := &cobra.Command{
		Use: "export FILE|-", Short: "Write accepted records to a file: all of them, page by page", Args: exactly("FILE"),
		Long: `Write accepted records to a file, hours ascending, of one product after the other.
They are written as they come, however many there are; the file is there when it
is whole.`,
		Example: `  meterd usage export usage.csv
  meterd usage export - --format json --product demo-saas --from 2026-09-01T00:00:00Z --to 2026-10-01T00:00:00Z`,
		ValidArgsFunction: fileArgument(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(exportForms, form) {
				return &usageError{fmt.Errorf("--format %q is neither csv nor json", form), cmd.CommandPath()}
			}
			query, err := span.query(cmd)
			if err != nil {
				return err
			}
			setIf(query, "product", product)
			setIf(query, "buyer", buyer)
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			shown := newProgress(cmd.ErrOrStderr(), "records", unknown)
			defer shown.done()
			return writeOut(args[0], cmd.OutOrStdout(), func(w io.Writer) error {
				rows, err := newListWriter(w, form, recordView)
				if err != nil {
					return err
				}
				for {
					var page admin.Records
					if err := c.call(cmd.Context(), http.MethodGet, "/records?"+query.Encode(), nil, &page); err != nil {
						return err
					}
					for i := range page.Records {
						if err := rows.write(&page.Records[i]); err != nil {
							return err
						}
					}
					shown.add(len(page.Records))
					if page.Next == "" {
						return rows.end()
					}
					query.Set("cursor", page.Next)
				}
			})
		},
	}
	cmd.Flags().StringVar(&form, "format", "csv", "csv or json")
	cmd.Flags().StringVar(&product, "product", "", "code of one product (default: all)")
	cmd.Flags().StringVar(&buyer, "buyer", "", "account of one buyer (default: all)")
	span.flags(cmd, "first hour, RFC 3339", "hour after the last, RFC 3339")
	wordsFlag(cmd, "format", exportForms...)
	return cmd
}
