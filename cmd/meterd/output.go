package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// forms are the values of --output.
var forms = []string{"table", "json", "yaml", "csv", "name"}

func outputFlag(cmd *cobra.Command, form *string) {
	cmd.Flags().StringVar(form, "output", "", "table, json, yaml, csv or name (default: table on a terminal, json otherwise)")
	err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is there, and has no other function
	}
}

// view is how items are shown in rows: every column in CSV, those of narrow, what
// a terminal has room for, in a table; all of them, if it is nil.
type view[T any] struct {
	columns []string
	row     func(*T) []string
	narrow  []string
	// headings of a table's columns that are not the column's name.
	headings map[string]string
	name     func(*T) string // what other commands take to mean the item; nil if there is no such thing
}

// writer writes items one at a time.
type writer[T any] struct {
	write func(*T) error
	end   func() error
}

// formOf is the form that was asked for, or what suits out.
func formOf(out io.Writer, form string, named bool) (string, error) {
	switch {
	case form == "" && isTerminal(out):
		return "table", nil
	case form == "":
		return "json", nil
	case !slices.Contains(forms, form):
		return "", fmt.Errorf("--output %q is none of %s", form, strings.Join(forms, ", "))
	case form == "name" && !named:
		return "", fmt.Errorf("--output name: what this lists has no names; take one of %s", strings.Join(forms[:len(forms)-1], ", "))
	}
	return form, nil
}

func newListWriter[T any](out io.Writer, form string, v view[T]) (*writer[T], error) {
	form, err := formOf(out, form, v.name != nil)
	if err != nil {
		return nil, err
	}
	switch form {
	case "table":
		return newTable(out, v), nil
	case "csv":
		return newCSV(out, v)
	case "yaml":
		return newYAMLSequence[T](out), nil
	case "name":
		return newNames(out, v), nil
	}
	return newJSONArray[T](out), nil
}

// printOne prints a single item: its fields below one another, or an object.
func printOne[T any](cmd *cobra.Command, form string, v view[T], item *T) error {
	out := cmd.OutOrStdout()
	form, err := formOf(out, form, v.name != nil)
	if err != nil {
		return &usageError{err, cmd.CommandPath()}
	}
	switch form {
	case "table":
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for i, cell := range v.row(item) {
			fmt.Fprintf(w, "%s\t%s\n", heading(v.columns[i]), visible(cell))
		}
		return w.Flush()
	case "json":
		b, err := json.Marshal(item)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", b)
		return err
	case "yaml":
		b, err := json.Marshal(item)
		if err != nil {
			return err
		}
		return writeYAML(out, b)
	}
	w, err := newListWriter(out, form, v) // a row, or a name
	if err != nil {
		return err
	}
	if err := w.write(item); err != nil {
		return err
	}
	return w.end()
}

// heading is a column's name, as people read it.
func heading(column string) string {
	return strings.ToUpper(strings.ReplaceAll(column, "_", " "))
}

func newTable[T any](out io.Writer, v view[T]) *writer[T] {
	if v.narrow == nil {
		v.narrow = v.columns
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	empty := true
	shown := make([]string, len(v.narrow))
	return &writer[T]{
		write: func(item *T) error {
			if empty {
				for i, column := range v.narrow {
					shown[i] = cmp.Or(v.headings[column], heading(column))
				}
				fmt.Fprintln(w, strings.Join(shown, "\t"))
			}
			empty = false
			cells := v.row(item)
			for i, column := range v.narrow {
				shown[i] = visible(brief(column, cells[slices.Index(v.columns, column)]))
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

// brief cuts a cell of a table down to what tells it from others.
func brief(column, cell string) string {
	switch buyer, license, ok := strings.Cut(cell, "/arn:"); {
	case column == "party" && ok:
		return buyer + " " + cut(license[strings.LastIndexByte(license, ':')+1:], 12)
	case column == "id" && len(cell) == tokenIDLength: // its beginning names it, too
		return cell[:12]
	case column == "reason":
		return strings.TrimSuffix(cell, "Exception")
	case column == "changes":
		return cut(cell, 72)
	}
	return cell
}

// cut shortens a text to some letters.
func cut(text string, most int) string {
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return text
}

func newCSV[T any](out io.Writer, v view[T]) (*writer[T], error) {
	w := csv.NewWriter(out)
	if err := w.Write(v.columns); err != nil {
		return nil, err
	}
	return &writer[T]{
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
// whatever sellers send. Some take the wide forms for the others.
func inertCell(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + s
	}
	return s
}

// newJSONArray writes one array, an element a line.
func newJSONArray[T any](out io.Writer) *writer[T] {
	separator := "["
	return &writer[T]{
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

func newNames[T any](out io.Writer, v view[T]) *writer[T] {
	return &writer[T]{
		write: func(item *T) error { _, err := fmt.Fprintln(out, visible(v.name(item))); return err },
		end:   func() error { return nil },
	}
}
