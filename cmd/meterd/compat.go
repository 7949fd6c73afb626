package main

import (
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

const compatPath = "/compat"

var compatView = view[admin.Compat]{
	columns: []string{"repeat", "month_end", "final_hour", "key_as_resource", "error_namespace"},
	row: func(c *admin.Compat) []string {
		return []string{c.Repeat, c.MonthEnd, c.FinalHour, strconv.FormatBool(c.KeyAsResource), strconv.FormatBool(c.ErrorNamespace)}
	},
}

var compatFields = []field[admin.Compat]{
	textField("repeat", "what a record is answered that is held already by an equal one", func(c *admin.Compat, v string) { c.Repeat = v }, "success", "duplicate"),
	textField("month-end", "how far the grace after a month's end reaches back", func(c *admin.Compat, v string) { c.MonthEnd = v }, "restrict", "extend"),
	textField("final-hour", "when the final reporting hour begins", func(c *admin.Compat, v string) { c.FinalHour = v }, "ending", "ended"),
	truthField("key-as-resource", "let a key without a workload call MeterUsage", func(c *admin.Compat, v bool) { c.KeyAsResource = v }),
	truthField("error-namespace", "write __type with a namespace", func(c *admin.Compat, v bool) { c.ErrorNamespace = v }),
}

func newCompat() *cobra.Command {
	return group("compat", "Choose how AWS is read, where it contradicts itself", newCompatShow(), newCompatSet())
}

func newCompatShow() *cobra.Command {
	var output string
	cmd := newCommand("show", "Show which readings of AWS hold", "  meterd compat show", exactly(), func(cmd *cobra.Command, c *client, _ []string) error {
		var now admin.Compat
		if err := c.call(cmd.Context(), http.MethodGet, compatPath, nil, &now); err != nil {
			return err
		}
		return printOne(cmd, output, compatView, &now)
	})
	outputFlag(cmd, &output)
	return cmd
}

func newCompatSet() *cobra.Command {
	var output string
	cmd := newCommand("set", "Choose readings of AWS, for the very next call", "  meterd compat set --repeat duplicate\n  meterd compat set --key-as-resource --final-hour ended",
		exactly(), func(cmd *cobra.Command, c *client, _ []string) error {
			if err := checkForm(cmd, output, compatView); err != nil {
				return err
			}
			var chosen admin.Compat
			if err := c.call(cmd.Context(), http.MethodGet, compatPath, nil, &chosen); err != nil {
				return err
			}
			if err := fill(cmd, compatFields, &chosen); err != nil {
				return err
			}
			var now admin.Compat
			if err := c.call(cmd.Context(), http.MethodPut, compatPath, chosen, &now); err != nil {
				return err
			}
			return printOne(cmd, output, compatView, &now)
		})
	declare(cmd, options(compatFields))
	outputFlag(cmd, &output)
	return cmd
}
