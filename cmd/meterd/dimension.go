package main

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var dimensionView = view[admin.Dimension]{
	columns: []string{"name", "unit", "price"},
	row:     func(d *admin.Dimension) []string { return []string{d.Name, d.Unit, d.Price} },
	name:    func(d *admin.Dimension) string { return d.Name },
}

func newDimension() *cobra.Command {
	return group("dimension", "Manage what a product is metered in", newDimensionList(), newDimensionSet(), newDimensionRemove())
}

func newDimensionList() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use: "list CODE", Short: "List a product's dimensions", Args: exactly("CODE"), ValidArgsFunction: completeName("product"),
		Example: "  meterd product dimension list demo-saas",
		RunE: func(cmd *cobra.Command, args []string) error {
			return listAll(cmd, l, dimensionView, resourcePath("/products", args[0])+"/dimensions", nil)
		},
	}
	outputFlag(cmd, &l.output)
	return cmd
}

func newDimensionSet() *cobra.Command {
	var output string
	fields := []field[admin.Dimension]{
		textField("unit", "what is counted", func(d *admin.Dimension, v string) { d.Unit = v }),
		textField("price", "of one unit: a decimal", func(d *admin.Dimension, v string) { d.Price = v }),
	}
	cmd := newCommand("set CODE NAME", "Give a product a dimension, or change one", "  meterd product dimension set demo-saas scans --price 0.04",
		exactly("CODE", "NAME"), func(cmd *cobra.Command, c *client, args []string) error {
			if err := checkForm(cmd, output, dimensionView); err != nil {
				return err
			}
			d, _, err := dimensionOf(cmd, c, args[0], args[1])
			if err != nil {
				return err
			}
			if err := fill(cmd, fields, &d); err != nil {
				return err
			}
			if err := c.call(cmd.Context(), http.MethodPut, resourcePath("/products", args[0], "dimensions", args[1]), d, nil); err != nil {
				return err
			}
			return printOne(cmd, output, dimensionView, &d)
		})
	cmd.ValidArgsFunction = completeName("product")
	declare(cmd, options(fields))
	outputFlag(cmd, &output)
	return cmd
}

func newDimensionRemove() *cobra.Command {
	var yes bool
	cmd := newCommand("remove CODE NAME", "Take a dimension from a product, if nothing was metered in it", "  meterd product dimension remove demo-saas users --yes",
		exactly("CODE", "NAME"), func(cmd *cobra.Command, c *client, args []string) error {
			_, known, err := dimensionOf(cmd, c, args[0], args[1])
			switch {
			case err != nil:
				return err
			case !known:
				return &refusedError{Status: http.StatusNotFound, Detail: fmt.Sprintf("dimension %q of product %q: not found", args[1], args[0])}
			}
			if err := confirm(cmd, yes, "remove dimension "+args[1]+" of product "+args[0]); err != nil {
				return err
			}
			return c.call(cmd.Context(), http.MethodDelete, resourcePath("/products", args[0], "dimensions", args[1]), nil, nil)
		})
	cmd.ValidArgsFunction = completeName("product")
	yesFlag(cmd, &yes)
	return cmd
}

// dimensionOf is a dimension of a product, or what a new one begins as.
func dimensionOf(cmd *cobra.Command, c *client, product, name string) (d admin.Dimension, known bool, err error) {
	var all admin.Dimensions
	if err := c.call(cmd.Context(), http.MethodGet, resourcePath("/products", product)+"/dimensions", nil, &all); err != nil {
		return d, false, err
	}
	if at := slices.IndexFunc(all.Dimensions, func(d admin.Dimension) bool { return d.Name == name }); at >= 0 {
		return all.Dimensions[at], true, nil
	}
	return admin.Dimension{Name: name}, false, nil
}
