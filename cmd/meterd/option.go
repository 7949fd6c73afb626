package main

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// option is a flag of a noun's verb.
type option struct {
	name, help string
	is         optionKind
	words      []string // the values there are, if they are few
}

type optionKind int

const (
	aText optionKind = iota
	texts            // may be given several times
	aTruth
	aTime
)

// field is a flag that changes something of an item.
type field[T any] struct {
	option
	set func(item *T, value string) error
}

// textField is a field whose every text goes to the server as it is.
func textField[T any](name, help string, set func(item *T, value string), words ...string) field[T] {
	return field[T]{option{name: name, help: help, words: words}, func(item *T, value string) error { set(item, value); return nil }}
}

// truthField is a field that is yes or no.
func truthField[T any](name, help string, set func(item *T, value bool)) field[T] {
	return field[T]{option{name: name, help: help, is: aTruth}, func(item *T, value string) error {
		yes, err := strconv.ParseBool(value)
		set(item, yes)
		return err
	}}
}

func options[T any](fields []field[T]) []option {
	all := make([]option, len(fields))
	for i, f := range fields {
		all[i] = f.option
	}
	return all
}

// declare adds the options to a command's flags.
func declare(cmd *cobra.Command, options []option) {
	for _, o := range options {
		help := o.help
		if len(o.words) > 0 {
			last := len(o.words) - 1
			help += ": " + strings.Join(o.words[:last], ", ") + " or " + o.words[last]
		}
		switch o.is {
		case texts:
			cmd.Flags().StringArray(o.name, nil, help+" (may be repeated)")
		case aTruth:
			cmd.Flags().Bool(o.name, false, help)
		case aTime:
			cmd.Flags().String(o.name, "", help+", RFC 3339")
		default:
			cmd.Flags().String(o.name, "", help)
		}
		if len(o.words) > 0 {
			wordsFlag(cmd, o.name, o.words...)
		}
	}
}

// given are the values that an option was given, none if it was not.
func (o option) given(cmd *cobra.Command) ([]string, error) {
	flag := cmd.Flags().Lookup(o.name)
	if !flag.Changed {
		return nil, nil
	}
	if o.is == texts {
		return cmd.Flags().GetStringArray(o.name)
	}
	value := flag.Value.String()
	if len(o.words) > 0 && !slices.Contains(o.words, value) {
		return nil, &usageError{fmt.Errorf("--%s %q is none of %s", o.name, value, strings.Join(o.words, ", ")), cmd.CommandPath()}
	}
	if _, err := time.Parse(time.RFC3339, value); o.is == aTime && err != nil {
		return nil, &usageError{fmt.Errorf("--%s %q is not a time such as 2026-09-15T10:00:00Z", o.name, value), cmd.CommandPath()}
	}
	return []string{value}, nil
}

// queryOf are the options that were given, as the API's query has them.
func queryOf(cmd *cobra.Command, options []option) (url.Values, error) {
	query := url.Values{}
	for _, o := range options {
		values, err := o.given(cmd)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			if v != "" {
				query.Add(strings.ReplaceAll(o.name, "-", "_"), v)
			}
		}
	}
	return query, nil
}

// fill sets of an item what was given.
func fill[T any](cmd *cobra.Command, fields []field[T], item *T) error {
	for _, f := range fields {
		values, err := f.given(cmd)
		if err != nil {
			return err
		}
		for _, v := range values {
			if err := f.set(item, v); err != nil {
				return &usageError{fmt.Errorf("--%s %q %w", f.name, v, err), cmd.CommandPath()}
			}
		}
	}
	return nil
}

// need asks for flags.
func need(cmd *cobra.Command, why string, names []string) error {
	var missing []string
	for _, name := range names {
		if !cmd.Flags().Changed(name) {
			missing = append(missing, "--"+name)
		}
	}
	switch len(missing) {
	case 0:
		return nil
	case 1:
		return &usageError{fmt.Errorf("%s%s is missing", why, missing[0]), cmd.CommandPath()}
	}
	last := len(missing) - 1
	return &usageError{fmt.Errorf("%s%s and %s are missing", why, strings.Join(missing[:last], ", "), missing[last]), cmd.CommandPath()}
}
