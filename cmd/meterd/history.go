package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var revisionView = view[admin.Revision]{
	columns: []string{"number", "time", "by", "action", "changes"},
	row: func(r *admin.Revision) []string {
		return []string{strconv.FormatInt(r.Number, 10), timeCell(&r.At), r.By, string(r.Action), changesText(r)}
	},
}

// changesText is what a revision changed in one cell: "status: active, was
// pending".
func changesText(r *admin.Revision) string {
	var all []string
	for _, f := range r.Fields {
		switch {
		case r.Action == admin.ActionRemove:
			continue // all of it is gone
		case isList(f.Before) && isList(f.After):
			all = append(all, f.Field+": "+listChange(f.Before.([]any), f.After.([]any)))
		case f.Before == nil:
			all = append(all, f.Field+": "+cellOf(f.After))
		case f.After == nil:
			all = append(all, f.Field+": none, was "+cellOf(f.Before))
		default:
			all = append(all, f.Field+": "+cellOf(f.After)+", was "+cellOf(f.Before))
		}
	}
	return strings.Join(all, "; ")
}

func isList(v any) bool {
	_, ok := v.([]any)
	return ok
}

// listChange is what a list gained and lost: "+new -old".
func listChange(before, after []any) string {
	had, has := make(map[string]bool), make(map[string]bool)
	for _, v := range before {
		had[cellOf(v)] = true
	}
	var changed []string
	for _, v := range after {
		has[cellOf(v)] = true
		if !had[cellOf(v)] {
			changed = append(changed, "+"+cellOf(v))
		}
	}
	for _, v := range before {
		if !has[cellOf(v)] {
			changed = append(changed, "-"+cellOf(v))
		}
	}
	return strings.Join(changed, " ")
}

// historyKinds are the kinds of entries, in the words of our nouns; the API's own
// words are those of what is kept.
var historyKinds = []struct{ word, kind string }{
	{"seller", "account"},
	{"buyer", "account"},
	{"account", "account"},
	{"product", "product"},
	{"agreement", "agreement"},
	{"workload", "workload"},
	{"policy", "policy"},
	{"role", "role"},
	{"credential", "credential"},
	{"token", "token"},
	{"signing-key", "signing_key"},
	{"access", "access"},
	{"quota", "quota"},
	{"compat", "compat"},
}

func newHistory() *cobra.Command {
	var words []string
	for _, k := range historyKinds {
		words = append(words, k.word)
	}
	var output string
	cmd := &cobra.Command{
		Use: "history KIND NAME", Short: "Show how an entry has changed: when, by whom, and what",
		Long: `Show how an entry of the catalogue has changed, oldest first. KIND is one of
` + strings.Join(words[:8], ", ") + `,
` + strings.Join(words[8:], ", ") + `. A signing key's name is PRODUCT/VERSION,
a role's ACCOUNT/NAME, a quota's ACCOUNT/OPERATION; compat has none.`,
		Example: "  meterd history agreement agmt-demo-saas\n  meterd history signing-key demo-container/1\n  meterd history compat",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "compat" {
				return nil
			}
			return exactly("KIND", "NAME")(cmd, args)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			switch {
			case len(args) == 0:
				return words, cobra.ShellCompDirectiveNoFileComp
			case len(args) > 1 || completable[args[0]].path == "":
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeNames(args[0])(cmd, args, begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			at := slices.Index(words, args[0])
			if at < 0 {
				return &usageError{fmt.Errorf("%q is none of %s", args[0], strings.Join(words, ", ")), cmd.CommandPath()}
			}
			name := append(args, "compat")[1]
			if args[0] == "token" {
				var err error
				if name, err = wholeTokenID(cmd, name); err != nil {
					return err
				}
			}
			query := url.Values{"kind": {historyKinds[at].kind}, "name": {name}}
			return list(cmd, output, revisionView, func(c *client, _ string) ([]admin.Revision, string, error) {
				var all admin.Revisions
				err := c.call(cmd.Context(), http.MethodGet, "/history?"+query.Encode(), nil, &all)
				return all.Revisions, "", err
			})
		},
	}
	urlFlag(cmd)
	outputFlag(cmd, &output)
	return cmd
}

// tokenIDLength is that of a SHA-256 in hex.
const tokenIDLength = 64

// wholeTokenID is the id of a token that is named by its beginning.
func wholeTokenID(cmd *cobra.Command, id string) (string, error) {
	if len(id) == tokenIDLength { // a token that is gone has a history, too
		return id, nil
	}
	c, err := newClient(cmd)
	if err != nil {
		return "", err
	}
	var t admin.TokenState
	err = c.call(cmd.Context(), http.MethodGet, resourcePath(tokens.path, id), nil, &t)
	return t.ID, err
}
