package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// noun is one kind of thing that the admin API keeps: where its list stands, how
// one is named, and how it is shown. Its methods are the verbs that most kinds
// have.
type noun[T any] struct {
	word string // "seller"
	path string // "/sellers": the list's member in an answer is called the same
	arg  string // "ACCOUNT", or "ACCOUNT/NAME" of what is named within another
	view view[T]
}

// resourcePath is the API's path of names below one another.
func resourcePath(list string, names ...string) string {
	for _, name := range names {
		name = url.PathEscape(name)
		if name == "." || name == ".." { // these would be cut out of the path on their way
			name = strings.ReplaceAll(name, ".", "%2E")
		}
		list += "/" + name
	}
	return list
}

// at is the API's path of one.
func (n noun[T]) at(name string) string {
	return resourcePath(n.path, strings.SplitN(name, "/", 1+strings.Count(n.arg, "/"))...)
}

// one asks for one name.
func (n noun[T]) one() cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := exactly(n.arg)(cmd, args); err != nil {
			return err
		}
		if strings.Count(args[0], "/") < strings.Count(n.arg, "/") {
			return &usageError{fmt.Errorf("%q is not %s", args[0], n.arg), cmd.CommandPath()}
		}
		return nil
	}
}

// newCommand is a command that speaks to a server.
func newCommand(use, short, example string, args cobra.PositionalArgs, run func(cmd *cobra.Command, c *client, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: example, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			return run(cmd, c, args)
		},
	}
}

// list lists all, or those that the filters pick.
func (n noun[T]) list(example string, filters ...option) *cobra.Command {
	what := strings.ReplaceAll(n.path[1:], "-", " ")
	var l listing
	cmd := &cobra.Command{Use: "list", Short: "List " + what, Example: example, Args: exactly()}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		query, err := queryOf(cmd, filters)
		if err != nil {
			return err
		}
		return listAll(cmd, l, n.view, n.path, query)
	}
	declare(cmd, filters)
	l.flags(cmd)
	return cmd
}

// show shows one.
func (n noun[T]) show(example string) *cobra.Command {
	var output string
	cmd := newCommand("show "+n.arg, "Show "+article(n.word), example, n.one(), func(cmd *cobra.Command, c *client, args []string) error {
		var item T
		if err := c.call(cmd.Context(), http.MethodGet, n.at(args[0]), nil, &item); err != nil {
			return err
		}
		return printOne(cmd, output, n.view, &item)
	})
	outputFlag(cmd, &output)
	cmd.ValidArgsFunction = completeName(n.word)
	return cmd
}

// act does something with one, and shows what has become of it.
func (n noun[T]) act(verb, short, example string, options ...option) *cobra.Command {
	var output string
	cmd := newCommand(verb+" "+n.arg, short, example, n.one(), func(cmd *cobra.Command, c *client, args []string) error {
		query, err := queryOf(cmd, options)
		if err != nil {
			return err
		}
		if err := checkForm(cmd, output, n.view); err != nil {
			return err
		}
		path := n.at(args[0]) + "/" + verb
		if len(query) > 0 {
			path += "?" + query.Encode()
		}
		var item T
		if err := c.call(cmd.Context(), http.MethodPost, path, nil, &item); err != nil {
			return err
		}
		return printOne(cmd, output, n.view, &item)
	})
	declare(cmd, options)
	outputFlag(cmd, &output)
	cmd.ValidArgsFunction = completeName(n.word)
	return cmd
}

// set changes of one what flags say, and makes it if it is new: then needs are
// flags that must be there.
func (n noun[T]) set(short, example string, needs []string, fields ...field[T]) *cobra.Command {
	var output string
	cmd := newCommand("set "+n.arg, short, example, n.one(), func(cmd *cobra.Command, c *client, args []string) error {
		if err := checkForm(cmd, output, n.view); err != nil {
			return err
		}
		path := n.at(args[0])
		var item T
		err := c.call(cmd.Context(), http.MethodGet, path, nil, &item)
		if refused := new(refusedError); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			err = need(cmd, fmt.Sprintf("%s %s is new: ", n.word, args[0]), needs)
		}
		if err != nil {
			return err
		}
		if err := fill(cmd, fields, &item); err != nil {
			return err
		}
		if err := c.call(cmd.Context(), http.MethodPut, path, &item, &item); err != nil {
			return err
		}
		return printOne(cmd, output, n.view, &item)
	})
	declare(cmd, options(fields))
	outputFlag(cmd, &output)
	cmd.ValidArgsFunction = completeName(n.word)
	return cmd
}

// remove removes one, which has to be there: a slip of the hand should not pass
// for success.
func (n noun[T]) remove(short, example string) *cobra.Command {
	var yes bool
	cmd := newCommand("remove "+n.arg, short, example, n.one(), func(cmd *cobra.Command, c *client, args []string) error {
		path := n.at(args[0])
		if err := c.call(cmd.Context(), http.MethodGet, path, nil, nil); err != nil {
			return err
		}
		if err := confirm(cmd, yes, "remove "+n.word+" "+args[0]); err != nil {
			return err
		}
		return c.call(cmd.Context(), http.MethodDelete, path, nil, nil)
	})
	yesFlag(cmd, &yes)
	cmd.ValidArgsFunction = completeName(n.word)
	return cmd
}

func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVar(yes, "yes", false, "do not ask (where nobody sits at a terminal, nobody is asked)")
}

// confirm asks who sits at a terminal.
func confirm(cmd *cobra.Command, yes bool, what string) error {
	in := cmd.InOrStdin()
	if yes || !isTerminal(in) {
		return nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s? [y/N] ", what)
	answer, _ := bufio.NewReader(in).ReadString('\n') // the end of the input is a no
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}

// article is a noun with its article.
func article(word string) string {
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

// checkForm refuses an --output before anything is changed.
func checkForm[T any](cmd *cobra.Command, form string, v view[T]) error {
	if _, err := formOf(cmd.OutOrStdout(), form, v.name != nil); err != nil {
		return &usageError{err, cmd.CommandPath()}
	}
	return nil
}

// listing is what every list can be told: how much, and in which form.
type listing struct {
	output string
	limit  int
}

func (l *listing) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&l.limit, "limit", 0, "how many at the most (default: all)")
	outputFlag(cmd, &l.output)
}

// maxPage is the most that the API lists at once.
const maxPage = 1000

// listAll prints what the API lists at a path. The list's member in an answer has
// the name of the path's last element.
func listAll[T any](cmd *cobra.Command, l listing, v view[T], path string, query url.Values) error {
	if l.limit < 0 || l.limit == 0 && cmd.Flags().Changed("limit") {
		return &usageError{fmt.Errorf("--limit %d is less than 1", l.limit), cmd.CommandPath()}
	}
	member := path[strings.LastIndexByte(path, '/')+1:]
	left := l.limit
	return list(cmd, l.output, v, func(c *client, cursor string) ([]T, string, error) {
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		if l.limit > 0 {
			query.Set("limit", fmt.Sprint(min(left, maxPage)))
		}
		var page map[string]json.RawMessage
		if err := c.call(cmd.Context(), http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return nil, "", err
		}
		var items []T
		if err := json.Unmarshal(page[member], &items); err != nil {
			return nil, "", fmt.Errorf("the server's answer has no %s: %w", member, err)
		}
		var next string
		if text := page["next"]; text != nil { // lists that are short have no pages
			if err := json.Unmarshal(text, &next); err != nil {
				return nil, "", err
			}
		}
		if left -= len(items); l.limit > 0 && left <= 0 {
			next = ""
		}
		return items, next, nil
	})
}
