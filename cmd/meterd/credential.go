package main

import (
	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/metering"
)

var credentials = noun[admin.CredentialState]{
	word: "credential", path: "/credentials", arg: "ID",
	view: view[admin.CredentialState]{
		columns: []string{"access_key_id", "account", "user", "workload", "status", "created", "last_used", "policy"},
		row:     credentialRow,
		name:    func(c *admin.CredentialState) string { return c.AccessKeyID },
	},
}

func credentialRow(c *admin.CredentialState) []string {
	return []string{c.AccessKeyID, string(c.Account), c.User, c.Workload, c.Status, timeCell(c.Created), timeCell(c.LastUsed), c.Policy}
}

var madeCredentialView = view[admin.MadeCredential]{
	columns: []string{"access_key_id", "secret_access_key", "account", "user", "workload", "status", "created", "last_used", "policy"},
	row: func(c *admin.MadeCredential) []string {
		row := credentialRow(&c.CredentialState)
		return append([]string{row[0], c.SecretAccessKey}, row[1:]...)
	},
}

func newCredential() *cobra.Command {
	return group("credential", "Manage access keys: what calls of the metering API are signed with",
		credentials.list("  meterd credential list --account 210987654321", option{name: "account", help: "of one account"}),
		credentials.show("  meterd credential show AKIAMETERDSELLER0001"),
		newCredentialCreate(), newCredentialRotate(),
		credentials.act("disable", "Let an access key sign nothing", "  meterd credential disable AKIAMETERDSELLER0001"),
		credentials.act("enable", "Let a disabled access key sign again", "  meterd credential enable AKIAMETERDSELLER0001"),
		credentials.remove("Remove an access key", "  meterd credential remove AKIAMETERDSELLER0001 --yes"),
	)
}

func newCredentialCreate() *cobra.Command {
	return making[admin.NewCredential, admin.MadeCredential]{
		use: "create", short: "Make an access key; its secret is shown this once",
		example: "  meterd credential create --account 210987654321 --user ci\n  meterd credential create --account 111122223333 --workload task-demo\n  meterd credential create --account 210987654321 --user crm --policy resolve-only",
		needs:   []string{"account"},
		start:   func(string) (string, admin.NewCredential) { return credentials.path, admin.NewCredential{} },
		fields: []field[admin.NewCredential]{
			textField("account", "the account that it belongs to", func(n *admin.NewCredential, v string) { n.Account = metering.AccountID(v) }),
			textField("user", "the user of the account that it stands for (default root)", func(n *admin.NewCredential, v string) { n.User = v }),
			textField("workload", "the workload that it stands for, in place of a user", func(n *admin.NewCredential, v string) { n.Workload = v }),
			textField("policy", "the policy that it is limited to (default: all that its account may do)", func(n *admin.NewCredential, v string) { n.Policy = v }),
		},
		view: madeCredentialView, secret: func(c *admin.MadeCredential) string { return c.SecretAccessKey },
	}.command()
}

func newCredentialRotate() *cobra.Command {
	return making[struct{}, admin.MadeCredential]{
		use: "rotate", short: "Make another key for whom a key stands for; its secret is shown this once",
		long: `Make another key for the user or workload that a key stands for. The key before
goes on signing until it is disabled: both can be in use while clients change over.`,
		example: "  meterd credential rotate AKIAMETERDSELLER0001",
		arg:     "ID", of: credentials.word,
		start: func(id string) (string, struct{}) {
			return resourcePath(credentials.path, id) + "/rotate", struct{}{}
		},
		view: madeCredentialView, secret: func(c *admin.MadeCredential) string { return c.SecretAccessKey },
	}.command()
}
