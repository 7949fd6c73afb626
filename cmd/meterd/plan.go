package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var planView = view[admin.PlanChange]{
	columns: []string{"action", "kind", "name", "fields"},
	row: func(c *admin.PlanChange) []string {
		return []string{string(c.Action), string(c.Kind), c.Name, fieldsText(c.Fields)}
	},
}

// printPlan prints a plan: as text, as the object, or its changes as rows.
func printPlan(cmd *cobra.Command, form string, plan *admin.Plan) error {
	out := cmd.OutOrStdout()
	switch form {
	case "table":
		return planText(out, plan)
	case "csv":
		w, err := newListWriter(out, form, planView)
		if err != nil {
			return err
		}
		for i := range plan.Changes {
			if err := w.write(&plan.Changes[i]); err != nil {
				return err
			}
		}
		return w.end()
	}
	return printOne(cmd, form, view[admin.Plan]{}, plan)
}

// signs begin the lines of a plan.
var signs = map[admin.Action]string{admin.ActionCreate: "+", admin.ActionUpdate: "~", admin.ActionRemove: "-"}

// planText writes a plan for people.
func planText(out io.Writer, plan *admin.Plan) error {
	w := bufio.NewWriter(out)
	for _, c := range plan.Changes {
		fmt.Fprintf(w, "%s %s %s", signs[c.Action], c.Kind, plain(c.Name))
		if len(c.Fields) > 0 {
			fmt.Fprintf(w, ": %s", fieldsText(c.Fields))
		}
		fmt.Fprintln(w)
	}
	if plan.More > 0 {
		fmt.Fprintf(w, "… and %d more\n", plan.More)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(plan.Totals) > 0 {
		fmt.Fprintln(table, "\nKIND\tCREATE\tUPDATE\tREMOVE\tUNCHANGED")
	}
	for _, t := range plan.Totals {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\n", t.Kind, t.Create, t.Update, t.Remove, t.Current)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	switch {
	case !plan.Applied:
		fmt.Fprintln(w, "\nA dry run: nothing was changed.")
	case plan.Changed() == 0:
		fmt.Fprintln(w, "\nNothing to change.")
	default:
		fmt.Fprintf(w, "\nApplied: the catalogue is at revision %d.\n", plan.Revision)
	}
	return w.Flush()
}

func fieldsText(fields []admin.FieldChange) string {
	var parts []string
	for _, f := range fields {
		parts = append(parts, f.Field+" "+valueText(f.Before)+" → "+valueText(f.After))
	}
	return strings.Join(parts, ", ")
}

// valueText is a value in one word; what is absent is "none".
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case string:
		return plain(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// plain is a text as it is if it is one word that a terminal shows as it is, and
// in quotes if not.
func plain(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }) {
		return strconv.Quote(s)
	}
	return s
}
