package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var roles = noun[admin.RoleState]{
	word: "role", path: "/roles", arg: "ACCOUNT/NAME",
	view: view[admin.RoleState]{
		columns: []string{"arn", "policies", "boundary", "max_session", "revoked", "id", "trust"},
		narrow:  []string{"arn", "policies", "boundary", "max_session", "revoked"},
		row: func(r *admin.RoleState) []string {
			return []string{r.ARN, strings.Join(r.Policies, " "), r.Boundary, r.MaxSession, timeCell(r.Revoked), r.ID, cellOf(r.Trust)}
		},
		name: func(r *admin.RoleState) string { return string(r.Account) + "/" + r.Name },
	},
}

func newRole() *cobra.Command {
	return group("role", "Manage IAM roles: what sessions act as",
		roles.list("  meterd role list --account 210987654321", option{name: "account", help: "of one account"}),
		roles.show("  meterd role show 210987654321/meter"),
		newRoleSet(),
		roles.act("revoke", "Make every session of a role worthless that was issued until now", "  meterd role revoke 210987654321/meter"),
		also("delete", roles.remove("Remove a role, and with it its sessions", "  meterd role remove 210987654321/meter --yes")),
	)
}

// rolePut is a role as it is sent: the trust policy as its file has it.
type rolePut struct {
	Trust      json.RawMessage `json:"trust,omitempty"`
	Policies   []string        `json:"policies,omitempty"`
	Boundary   string          `json:"boundary,omitempty"`
	MaxSession string          `json:"max_session,omitempty"`
}

func newRoleSet() *cobra.Command {
	var output string
	fields := []field[rolePut]{
		textField("trust", "a file with the trust policy: who may assume it", func(*rolePut, string) {}),
		{option{name: "policy", help: "what its sessions may do, in place of what it had: the name of a policy, or a name or an ARN of AWS's; '' is nothing", is: texts}, func(r *rolePut, v string) error {
			if v != "" {
				r.Policies = append(r.Policies, v)
			}
			return nil
		}},
		textField("boundary", "a policy beyond which nothing is allowed; '' is none", func(r *rolePut, v string) { r.Boundary = v }),
		textField("max-session", "the longest that a session may ask for, from 15m to 12h (default 1h)", func(r *rolePut, v string) { r.MaxSession = v }),
	}
	cmd := newCommand("set "+roles.arg, "Make a role, or change what the flags say of one",
		"  meterd role set 210987654321/meter --trust trust.json --policy resolve-only --max-session 4h",
		roles.one(), func(cmd *cobra.Command, c *client, args []string) error {
			if err := checkForm(cmd, output, roles.view); err != nil {
				return err
			}
			var was admin.RoleState
			err := c.call(cmd.Context(), http.MethodGet, roles.at(args[0]), nil, &was)
			if refused := new(refusedError); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
				err = need(cmd, fmt.Sprintf("role %s is new: ", args[0]), []string{"trust"})
			}
			if err != nil {
				return err
			}
			in := rolePut{Policies: was.Policies, Boundary: was.Boundary, MaxSession: was.MaxSession}
			if cmd.Flags().Changed("policy") {
				in.Policies = nil
			}
			if err := fill(cmd, fields, &in); err != nil {
				return err
			}
			if in.Trust, err = trustOf(cmd, was.Trust); err != nil {
				return err
			}
			var set admin.RoleState
			if err := c.call(cmd.Context(), http.MethodPut, roles.at(args[0]), in, &set); err != nil {
				return err
			}
			return printOne(cmd, output, roles.view, &set)
		})
	declare(cmd, options(fields))
	outputFlag(cmd, &output)
	cmd.ValidArgsFunction = completeName(roles.word)
	return also("put", cmd)
}

// trustOf is the trust policy in the file that --trust names, or the one that
// the role has.
func trustOf(cmd *cobra.Command, was admin.Document) (json.RawMessage, error) {
	if !cmd.Flags().Changed("trust") {
		return json.Marshal(was)
	}
	name, err := cmd.Flags().GetString("trust")
	if err != nil {
		return nil, err
	}
	return readDocument(cmd, name)
}
