package main

import (
	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var accesses = noun[admin.Access]{
	word: "access", path: "/accesses", arg: "NAME",
	view: view[admin.Access]{
		columns: []string{"name", "role", "account", "created", "revoked"},
		row:     accessRow,
		name:    func(a *admin.Access) string { return a.Name },
	},
}

func accessRow(a *admin.Access) []string {
	return []string{a.Name, string(a.Role), string(a.Account), timeCell(&a.Created), timeCell(a.Revoked)}
}

// granting is what the API takes to grant an access.
type granting struct {
	Name    string `json:"name"`
	Role    string `json:"role"`
	Account string `json:"account,omitempty"`
}

func newAccess() *cobra.Command {
	grant := making[granting, admin.GrantedAccess]{
		use: "grant", short: "Make a token of the admin API for a role; it is shown this once",
		long: `Make a token of the admin API. It is shown this once; NAME is what the history
calls its bearer. An operator may do everything, a seller sees its own and manages
its keys, read-only sees everything and changes nothing.`,
		example: "  meterd access grant dashboard --role read-only\n  meterd access grant acme --role seller --account 210987654321",
		arg:     "NAME", needs: []string{"role"}, unrepeated: true,
		start: func(name string) (string, granting) { return accesses.path, granting{Name: name} },
		fields: []field[granting]{
			textField("role", "what its bearer may do", func(g *granting, v string) { g.Role = v }, "operator", "seller", "read-only"),
			textField("account", "of role seller: whose products it sees", func(g *granting, v string) { g.Account = v }),
		},
		view: view[admin.GrantedAccess]{
			columns: append([]string{"token"}, accesses.view.columns...),
			row:     func(a *admin.GrantedAccess) []string { return append([]string{a.Token}, accessRow(&a.Access)...) },
		},
		secret: func(a *admin.GrantedAccess) string { return a.Token },
	}.command()
	return group("access", "Manage who holds tokens of the admin API",
		accesses.list("  meterd access list"),
		grant,
		accesses.act("revoke", "Let a token of the admin API open nothing any more", "  meterd access revoke dashboard"),
	)
}
