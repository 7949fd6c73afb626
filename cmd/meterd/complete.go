package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Completing a word asks the server: for no longer than a person waits, and for
// no more names than one reads.
const (
	completionTimeout = 2 * time.Second
	mostCompletions   = 200
)

// completable are the things that have names, by what flags and arguments call
// them: where the server lists them, under which field, and the field with the
// name.
var completable = map[string]struct{ path, list, name, about string }{
	"product":      {"/products", "products", "code", "title"},
	"seller":       {"/sellers", "sellers", "account", "name"},
	"buyer":        {"/buyers", "buyers", "account", "name"},
	"agreement":    {"/agreements", "agreements", "id", "product"},
	"workload":     {"/workloads", "workloads", "id", "platform"},
	"credential":   {"/credentials", "credentials", "access_key_id", "account"},
	"token":        {"/tokens", "tokens", "id", "agreement"},
	"policy":       {"/policies", "policies", "name", ""},
	"role":         {"/roles", "roles", "account/name", "id"},
	"quota":        {"/quotas", "quotas", "account/operation", ""},
	"access":       {"/accesses", "accesses", "name", "role"},
	"registration": {"/registrations", "registrations", "id", "workload"},
}

// completeNames completes one argument, or a flag's value, with the names of
// kinds of things that the server has. Where that cannot be asked, it completes
// nothing and says nothing.
func completeNames(kinds ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		const directive = cobra.ShellCompDirectiveNoFileComp
		c, err := newClient(cmd)
		if err != nil {
			return nil, directive
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		var found []string
		for _, kind := range kinds {
			found = append(found, c.names(ctx, kind, begun)...)
		}
		return found, directive
	}
}

// completeName is completeNames for a command whose first argument is a name.
func completeName(kinds ...string) cobra.CompletionFunc {
	names := completeNames(kinds...)
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(cmd, args, begun)
	}
}

// names lists names that begin as was begun, each with what it is about.
func (c *client) names(ctx context.Context, kind, begun string) []string {
	of := completable[kind]
	var found []string
	for cursor := ""; ; {
		var page map[string]json.RawMessage
		if err := c.call(ctx, http.MethodGet, of.path+"?cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return found
		}
		var items []map[string]any
		if err := json.Unmarshal(page[of.list], &items); err != nil {
			return found
		}
		for _, item := range items {
			name := nameIn(item, of.name)
			about, _ := item[of.about].(string)
			if !strings.HasPrefix(name, begun) {
				continue
			}
			if about != "" {
				name += "\t" + oneLine(about)
			}
			if found = append(found, name); len(found) == mostCompletions {
				return found
			}
		}
		if err := json.Unmarshal(page["next"], &cursor); err != nil || cursor == "" {
			return found
		}
	}
}

// nameIn is the name of an item, which several fields may make up.
func nameIn(item map[string]any, fields string) string {
	var parts []string
	for field := range strings.SplitSeq(fields, "/") {
		part, _ := item[field].(string)
		parts = append(parts, part)
	}
	return strings.Join(parts, "/")
}

// oneLine keeps what a shell reads line by line in one.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// completeFlags gives every flag of a known name its completion, in all commands
// that speak to a server. A flag that has one already keeps it.
func completeFlags(cmd *cobra.Command) {
	for kind := range completable {
		completeFlag(cmd, kind, completeNames(kind))
	}
	completeFlag(cmd, "account", completeNames("seller", "buyer"))
	for _, sub := range cmd.Commands() {
		completeFlags(sub)
	}
}

func completeFlag(cmd *cobra.Command, name string, complete cobra.CompletionFunc) {
	if cmd.Flags().Lookup(name) == nil {
		return
	}
	if _, had := cmd.GetFlagCompletionFunc(name); had {
		return
	}
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // the flag is there, and had no other function
	}
}

// wordsFlag is a flag whose value is one of some words, which are completed.
func wordsFlag(cmd *cobra.Command, name string, words ...string) {
	completeFlag(cmd, name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completionShells are those that cobra writes scripts for.
var completionShells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion() *cobra.Command {
	return &cobra.Command{
		Use: "completion SHELL", Short: "Print a script that completes commands, flags and names in a shell", Args: exactly("SHELL"),
		Long: `Print a script for bash, zsh, fish or powershell. With it the shell completes
commands and flags and, while METERD_URL and METERD_ADMIN_TOKEN lead to a server,
the names of products, agreements, accounts, keys and tokens.

  bash        source <(meterd completion bash)
  zsh         meterd completion zsh > "${fpath[1]}/_meterd"
  fish        meterd completion fish > ~/.config/fish/completions/meterd.fish
  powershell  meterd completion powershell | Out-String | Invoke-Expression`,
		Example:   "  meterd completion bash > /etc/bash_completion.d/meterd",
		ValidArgs: completionShells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return &usageError{fmt.Errorf("%q is none of %s", args[0], strings.Join(completionShells, ", ")), cmd.CommandPath()}
		},
	}
}

// urlFlag is for commands that speak to a server and are in no group.
func urlFlag(cmd *cobra.Command) {
	cmd.Flags().String("url", "", "where the server is (default $METERD_URL, the running dev, or "+defaultURL+")")
}

// fileArgument completes the first argument with the names of files.
func fileArgument(extensions ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) > 0:
			return nil, cobra.ShellCompDirectiveNoFileComp
		case len(extensions) > 0:
			return extensions, cobra.ShellCompDirectiveFilterFileExt
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
}
