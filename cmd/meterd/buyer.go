package main

import (
	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var buyers = noun[admin.Buyer]{
	word: "buyer", path: "/buyers", arg: "ACCOUNT",
	view: view[admin.Buyer]{
		columns: []string{"account", "name", "status"},
		row:     func(b *admin.Buyer) []string { return []string{string(b.Account), b.Name, b.Status} },
		name:    func(b *admin.Buyer) string { return string(b.Account) },
	},
}

func newBuyer() *cobra.Command {
	return group("buyer", "Manage buyers: accounts that buy products",
		buyers.list("  meterd buyer list"),
		buyers.show("  meterd buyer show 111122223333"),
		buyers.set("Make an account a buyer, or change one", "  meterd buyer set 111122223333 --name 'Example Corp'", nil,
			textField("name", "what people call it", func(b *admin.Buyer, v string) { b.Name = v }),
			textField("status", "whether its usage is accepted", func(b *admin.Buyer, v string) { b.Status = v }, "active", "suspended")),
		buyers.act("suspend", "Stop accepting a buyer's usage", "  meterd buyer suspend 111122223333"),
		buyers.act("resume", "Accept a suspended buyer's usage again", "  meterd buyer resume 111122223333"),
		buyers.remove("Let an account be a buyer no more, if it has bought nothing", "  meterd buyer remove 111122223333 --yes"),
	)
}
