package main

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

func newKey() *cobra.Command {
	var version int32
	export := &cobra.Command{
		Use: "export PRODUCT", Short: "Print a product's public key as PEM, to verify RegisterUsage's signatures with", Args: exactly("PRODUCT"), ValidArgsFunction: completeName("product"),
		Example: "  meterd key export demo-container > key.pem\n  meterd key export demo-container --version 1",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			path := "/products/" + url.PathEscape(args[0]) + "/keys"
			v := version
			if v == 0 {
				var list struct {
					Keys []admin.Key `json:"keys"`
				}
				if err := c.call(cmd.Context(), http.MethodGet, path, nil, &list); err != nil {
					return err
				}
				v = list.Keys[len(list.Keys)-1].Version // the server lists at least one
			}
			var pem []byte
			if err := c.call(cmd.Context(), http.MethodGet, fmt.Sprintf("%s/%d", path, v), nil, &pem); err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(pem)
			return err
		},
	}
	export.Flags().Int32Var(&version, "version", 0, "version of the key (default: the current one)")
	return group("key", "Manage the keys that sign RegisterUsage's answers", export)
}
