package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/policy"
)

var policies = noun[admin.Policy]{
	word: "policy", path: "/policies", arg: "NAME",
	view: view[admin.Policy]{
		columns: []string{"name", "document"},
		row:     func(p *admin.Policy) []string { return []string{p.Name, cellOf(p.Document)} },
		name:    func(p *admin.Policy) string { return p.Name },
	},
}

func newPolicy() *cobra.Command {
	return group("policy", "Manage IAM policies: what roles and access keys are limited to",
		policies.list("  meterd policy list --output name"),
		policies.show("  meterd policy show resolve-only"),
		newPolicySet(),
		also("delete", policies.remove("Remove a policy that no role and no key is limited to", "  meterd policy remove resolve-only --yes")),
		newPolicyCheck(),
	)
}

// also gives a verb the name that people know from IAM.
func also(verb string, cmd *cobra.Command) *cobra.Command {
	cmd.Aliases = append(cmd.Aliases, verb)
	return cmd
}

func newPolicySet() *cobra.Command {
	var output string
	cmd := newCommand("set NAME FILE|-", "Make a policy of a file with an IAM policy document, or change one",
		"  meterd policy set resolve-only resolve-only.json", exactly("NAME", "FILE"),
		func(cmd *cobra.Command, c *client, args []string) error {
			if err := checkForm(cmd, output, policies.view); err != nil {
				return err
			}
			document, err := readDocument(cmd, args[1])
			if err != nil {
				return err
			}
			var set admin.Policy
			in := struct {
				Document json.RawMessage `json:"document"`
			}{document}
			if err := c.call(cmd.Context(), http.MethodPut, policies.at(args[0]), in, &set); err != nil {
				return err
			}
			return printOne(cmd, output, policies.view, &set)
		})
	outputFlag(cmd, &output)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return completeNames(policies.word)(cmd, args, begun)
		}
		return fileArgument("json")(cmd, args[1:], begun)
	}
	return also("put", cmd)
}

// readDocument reads a policy document, which the server judges.
func readDocument(cmd *cobra.Command, name string) (json.RawMessage, error) {
	b, err := readInput(cmd, name)
	if err != nil {
		return nil, err
	}
	if !json.Valid(b) {
		return nil, fmt.Errorf("%s: this is not JSON; 'meterd policy check' says where", name)
	}
	return b, nil
}

func newPolicyCheck() *cobra.Command {
	var trust bool
	cmd := &cobra.Command{
		Use: "check FILE|-", Short: "Say what is wrong with an IAM policy document, without a server", Args: exactly("FILE"),
		Long: `Read an IAM policy document as a server would when it is applied, and say the first
thing that is wrong with it and where. What this version of meterd does not know,
an element, an operator or a condition key, is wrong: it would mean nothing.`,
		Example:           "  meterd policy check resolve-only.json\n  meterd policy check trust.json --trust",
		ValidArgsFunction: fileArgument("json"),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := readInput(cmd, args[0])
			if err != nil {
				return err
			}
			kind := "policy"
			if trust {
				kind = "trust policy"
				_, err = policy.ParseTrust(b, policy.TrustLimit)
			} else {
				_, err = policy.Parse(b, policy.ManagedLimit)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: a good %s\n", args[0], kind)
			return err
		},
	}
	cmd.Flags().BoolVar(&trust, "trust", false, "it is the trust policy of a role")
	return cmd
}
