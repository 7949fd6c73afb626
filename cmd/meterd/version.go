package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what this program is.
type build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

var buildView = view[build]{
	columns: []string{"version", "go", "system"},
	row:     func(b *build) []string { return []string{b.Version, b.Go, b.System} },
	narrow:  []string{"version", "go", "system"},
}

func newVersion() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(),
		Example: "  meterd version\n  meterd version --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output == "" {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "meterd", version())
				return err
			}
			return printOne(cmd, output, buildView, &build{version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
		},
	}
	outputFlag(cmd, &output)
	cmd.Flag("output").Usage = "table, json, yaml or csv (default: one line of text)"
	return cmd
}

// version is the module's, where the build knows it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
