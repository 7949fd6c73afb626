package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var tokens = noun[admin.TokenState]{
	word: "token", path: "/tokens", arg: "ID",
	view: view[admin.TokenState]{
		columns:  []string{"id", "agreement", "product", "buyer", "state", "issued", "expires", "redeemed_by", "redeemed_with", "first_redeemed", "last_redeemed", "redeemed_count"},
		narrow:   []string{"id", "agreement", "product", "buyer", "state", "expires", "redeemed_count"},
		headings: map[string]string{"redeemed_count": "REDEEMED"},
		row:      tokenRow,
		name:     func(t *admin.TokenState) string { return t.ID },
	},
}

func tokenRow(t *admin.TokenState) []string {
	row := []string{t.ID, string(t.Agreement), string(t.Product), string(t.Buyer), t.State, timeCell(&t.Issued), timeCell(&t.Expires)}
	r := t.Redeemed
	if r == nil {
		return append(row, "", "", "", "", "0")
	}
	return append(row, string(r.Account), r.AccessKeyID, timeCell(&r.First), timeCell(&r.Last), strconv.Itoa(r.Count))
}

var issuedTokenView = view[admin.IssuedToken]{
	columns: append([]string{"token"}, tokens.view.columns...),
	row:     func(t *admin.IssuedToken) []string { return append([]string{t.Token}, tokenRow(&t.TokenState)...) },
}

func newToken() *cobra.Command {
	type issuing struct {
		Agreement string `json:"agreement"`
	}
	issue := making[issuing, admin.IssuedToken]{
		use: "issue", short: "Issue a registration token, as a buyer's browser would bring to a seller's page",
		long: `Issue a registration token, as a buyer's browser would bring to a seller's page.
The token is printed this once; an id, which is a hash of it, stands for it after
that.`,
		example: "  meterd token issue agmt-demo-saas",
		arg:     "AGREEMENT", of: agreements.word,
		start: func(agreement string) (string, issuing) { return tokens.path, issuing{agreement} },
		view:  issuedTokenView, secret: func(t *admin.IssuedToken) string { return t.Token }, bare: true,
	}.command()
	return group("token", "Manage registration tokens",
		issue,
		tokens.list("  meterd token list --agreement agmt-demo-saas", option{name: "agreement", help: "of one agreement"}),
		tokens.show("  meterd token show 0d3e0a5aa5f1"),
		tokens.act("expire", "Let a registration token be resolved no more", "  meterd token expire 0d3e0a5aa5f1"),
	)
}
