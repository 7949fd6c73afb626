package main

import (
	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var sellers = noun[admin.Seller]{
	word: "seller", path: "/sellers", arg: "ACCOUNT",
	view: view[admin.Seller]{
		columns: []string{"account", "name"},
		row:     func(s *admin.Seller) []string { return []string{string(s.Account), s.Name} },
		name:    func(s *admin.Seller) string { return string(s.Account) },
	},
}

func newSeller() *cobra.Command {
	return group("seller", "Manage sellers: accounts that list products",
		sellers.list("  meterd seller list"),
		sellers.show("  meterd seller show 210987654321"),
		sellers.set("Make an account a seller, or change one", "  meterd seller set 210987654321 --name 'Acme Software'", nil,
			textField("name", "what people call it", func(s *admin.Seller, v string) { s.Name = v })),
		sellers.remove("Let an account be a seller no more, if it lists nothing", "  meterd seller remove 210987654321 --yes"),
	)
}
