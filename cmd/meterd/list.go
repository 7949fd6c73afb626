package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func outputFlag(cmd *cobra.Command, form *string) {
	cmd.Flags().StringVar(form, "output", "", "table, json or csv (default: table on a terminal, json otherwise)")
}

// view is how items are shown in rows: every column in CSV, those of narrow, what
// a terminal has room for, in a table.
type view[T any] struct {
	columns []string
	row     func(*T) []string
	narrow  []string
}

// list prints every page of a list, each as it comes, in one of the forms.
func list[T any](cmd *cobra.Command, form string, v view[T], page func(c *client, cursor string) ([]T, string, error)) error {
	w, err := newListWriter(cmd.OutOrStdout(), form, v)
	if err != nil {
		return &usageError{err, cmd.CommandPath()}
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	for cursor := ""; ; {
		items, next, err := page(c, cursor)
		if err != nil {
			return err
		}
		for i := range items {
			if err := w.write(&items[i]); err != nil {
				return err
			}
		}
		if cursor = next; cursor == "" {
			return w.end()
		}
	}
}

// listWriter writes items one at a time.
type listWriter[T any] struct {
	write func(*T) error
	end   func() error
}

func newListWriter[T any](out io.Writer, form string, v view[T]) (*listWriter[T], error) {
	if form == "" {
		form = "json"
		if isTerminal(out) {
			form = "table"
		}
	}
	switch form {
	case "table":
		return newTable(out, v), nil
	case "csv":
		return newCSV(out, v)
	case "json":
		return newJSONArray[T](out), nil
	}
	return nil, fmt.Errorf("--output %q is none of table, json, csv", form)
}

func newTable[T any](out io.Writer, v view[T]) *listWriter[T] {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	empty := true
	shown := make([]string, len(v.narrow))
	return &listWriter[T]{
		write: func(item *T) error {
			if empty {
				fmt.Fprintln(w, strings.ToUpper(strings.ReplaceAll(strings.Join(v.narrow, "\t"), "_", " ")))
			}
			empty = false
			cells := v.row(item)
			for i, column := range v.narrow {
				shown[i] = brief(column, cells[slices.Index(v.columns, column)])
			}
			_, err := fmt.Fprintln(w, strings.Join(shown, "\t"))
			return err
		},
		end: func() error {
			if empty {
				fmt.Fprintln(w, "None.")
			}
			return w.Flush()
		},
	}
}

// brief cuts a license's ARN down to what tells it from others.
func brief(column, cell string) string {
	if buyer, license, ok := strings.Cut(cell, "/arn:"); ok && column == "party" {
		return buyer + " " + license[strings.LastIndexByte(license, ':')+1:]
	}
	return cell
}

func newCSV[T any](out io.Writer, v view[T]) (*listWriter[T], error) {
	w := csv.NewWriter(out)
	if err := w.Write(v.columns); err != nil {
		return nil, err
	}
	return &listWriter[T]{
		write: func(item *T) error {
			cells := v.row(item)
			for i := range cells {
				cells[i] = inertCell(cells[i])
			}
			return w.Write(cells)
		},
		end: func() error { w.Flush(); return w.Error() },
	}, nil
}

// inertCell keeps a spreadsheet from taking a text for a formula: tags are
// whatever sellers send.
func inertCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// newJSONArray writes one array, an element a line.
func newJSONArray[T any](out io.Writer) *listWriter[T] {
	separator := "["
	return &listWriter[T]{
		write: func(item *T) error {
			b, err := json.Marshal(item)
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
	}
}
