package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

func newToken() *cobra.Command {
	issue := &cobra.Command{
		Use: "issue AGREEMENT", Short: "Issue a registration token, as a buyer's browser would bring to a seller's page", Args: exactly("AGREEMENT"), ValidArgsFunction: completeName("agreement"),
		Example: "  meterd token issue agmt-demo-saas",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			var issued admin.IssuedToken
			if err := c.call(cmd.Context(), http.MethodPost, "/tokens", map[string]string{"agreement": args[0]}, &issued); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), issued.Token)
			return err
		},
	}
	return group("token", "Manage registration tokens", issue)
}
