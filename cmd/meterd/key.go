package main

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var keyView = view[admin.Key]{
	columns: []string{"product", "version", "created", "expired"},
	row: func(k *admin.Key) []string {
		return []string{k.Product, strconv.Itoa(int(k.Version)), timeCell(&k.Created), timeCell(k.Expired)}
	},
	name: func(k *admin.Key) string { return fmt.Sprintf("%s/%d", k.Product, k.Version) },
}

func keysPath(product string) string { return resourcePath("/products", product) + "/keys" }

func newKey() *cobra.Command {
	return group("key", "Manage the keys that sign RegisterUsage's answers", newKeyList(), newKeyExport(), newKeyRotate())
}

func newKeyList() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use: "list PRODUCT", Short: "List the versions of a product's signing key", Args: exactly("PRODUCT"), ValidArgsFunction: completeName("product"),
		Example: "  meterd key list demo-container",
		RunE: func(cmd *cobra.Command, args []string) error {
			return listAll(cmd, l, keyView, keysPath(args[0]), nil)
		},
	}
	outputFlag(cmd, &l.output)
	return cmd
}

func newKeyExport() *cobra.Command {
	var version int32
	export := newCommand("export PRODUCT", "Print a product's public key as PEM, to verify RegisterUsage's signatures with",
		"  meterd key export demo-container > key.pem\n  meterd key export demo-container --version 1",
		exactly("PRODUCT"), func(cmd *cobra.Command, c *client, args []string) error {
			path := keysPath(args[0])
			v := version
			if v == 0 {
				var all admin.Keys
				if err := c.call(cmd.Context(), http.MethodGet, path, nil, &all); err != nil {
					return err
				}
				v = all.Keys[len(all.Keys)-1].Version // the server lists at least one
			}
			var pem []byte
			if err := c.call(cmd.Context(), http.MethodGet, fmt.Sprintf("%s/%d", path, v), nil, &pem); err != nil {
				return err
			}
			_, err := cmd.OutOrStdout().Write(pem)
			return err
		})
	export.ValidArgsFunction = completeName("product")
	export.Flags().Int32Var(&version, "version", 0, "version of the key (default: the current one)")
	return export
}

func newKeyRotate() *cobra.Command {
	return making[struct{}, admin.Key]{
		use: "rotate", short: "Make the next version of a product's signing key",
		long: `Make the next version of a product's signing key. The version before expires now:
who asks for it goes on getting signatures, and is told when it was rotated out.`,
		example: "  meterd key rotate demo-container",
		arg:     "PRODUCT", of: products.word,
		start: func(product string) (string, struct{}) { return keysPath(product), struct{}{} },
		view:  keyView,
	}.command()
}
