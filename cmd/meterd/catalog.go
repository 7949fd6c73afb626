package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

func newCatalog() *cobra.Command {
	return group("catalog", "Apply a catalogue file, export one, or describe its format", newCatalogApply(), newCatalogExport(), newCatalogSchema())
}

// catalogApply is `meterd catalog apply`.
type catalogApply struct {
	dryRun, prune, yes bool
	output             string
}

func newCatalogApply() *cobra.Command {
	var a catalogApply
	cmd := &cobra.Command{
		Use: "apply FILE|-", Short: "Make the catalogue what a file says: all of it, or nothing", Args: exactly("FILE"),
		Long: `Send a catalogue file to the server, which applies all of it or, if anything is
wrong with it, nothing. What changes is printed: what the server did, not what
was expected of it. What is in the catalogue and not in the file stays, unless
--prune is given; what was metered is never removed.`,
		Example: `  meterd catalog apply catalog.yaml --dry-run
  meterd catalog apply catalog.yaml --prune
  meterd catalog apply - --output json < catalog.yaml`,
		ValidArgsFunction: fileArgument("yaml", "yml", "json"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.run(cmd, args[0])
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&a.dryRun, "dry-run", false, "say what would change, and change nothing")
	flags.BoolVar(&a.prune, "prune", false, "remove what is in the catalogue and not in the file")
	flags.BoolVar(&a.yes, "yes", false, "do not ask before --prune removes something")
	outputFlag(cmd, &a.output)
	return cmd
}

func (a *catalogApply) run(cmd *cobra.Command, name string) error {
	form, err := formOf(cmd.OutOrStdout(), a.output, false)
	if err != nil {
		return &usageError{err, cmd.CommandPath()}
	}
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	file, err := readInput(cmd, name)
	if err != nil {
		return err
	}
	query := url.Values{}
	if a.dryRun {
		query.Set("dry_run", "true")
	}
	if a.prune {
		query.Set("prune", "true")
	}
	if a.prune && !a.dryRun && !a.yes {
		agreed, err := a.ask(cmd, c, name, file)
		if err != nil {
			return err
		}
		// What was agreed to is what the file meant then.
		query.Set("revision", strconv.FormatInt(agreed, 10))
	}
	plan, err := sendCatalog(cmd, c, query, file)
	if err != nil {
		return err
	}
	return printPlan(cmd, form, plan)
}

func sendCatalog(cmd *cobra.Command, c *client, query url.Values, file []byte) (*admin.Plan, error) {
	last, err := c.steps(cmd.Context(), cmd.ErrOrStderr(), "applied", http.MethodPost, "/catalog?"+query.Encode(), file)
	if err != nil {
		return nil, err
	}
	return last.Plan, nil
}

// ask makes a dry run and, if something would be removed, asks whether it may be.
// It returns the revision of the catalogue that the answer is about.
func (a *catalogApply) ask(cmd *cobra.Command, c *client, name string, file []byte) (int64, error) {
	plan, err := sendCatalog(cmd, c, url.Values{"dry_run": {"true"}, "prune": {"true"}}, file)
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, t := range plan.Totals {
		removed += t.Remove
	}
	switch {
	case removed == 0:
		return plan.Revision, nil
	case name == standard || !isTerminalIn(cmd.InOrStdin()):
		return 0, &usageError{fmt.Errorf("this would remove %s: look with --dry-run, and repeat it with --yes", entriesText(removed)), cmd.CommandPath()}
	}
	if err := planText(cmd.ErrOrStderr(), plan); err != nil {
		return 0, err
	}
	agreed, err := agree(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), "Remove "+entriesText(removed)+"?")
	if err == nil && !agreed {
		err = fmt.Errorf("nothing was changed")
	}
	return plan.Revision, err
}

func entriesText(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return strconv.Itoa(n) + " entries"
}

func isTerminalIn(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && isTerminal(f)
}

// agree asks a question; only yes is a yes.
func agree(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprintf(out, "%s [y/N] ", question)
	answered := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		answered <- line
	}()
	select {
	case line := <-answered:
		line = strings.ToLower(strings.TrimSpace(line))
		return line == "y" || line == "yes", nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func newCatalogExport() *cobra.Command {
	return &cobra.Command{
		Use: "export [FILE]", Short: "Write the catalogue as a file that applies to the same state", Args: atMost("FILE"),
		Long: `Write the catalogue as a file that applies to the same state. Secrets are not in
it, and need not be where the keys are known; nor are registration tokens.`,
		Example:           "  meterd catalog export\n  meterd catalog export catalog.yaml",
		ValidArgsFunction: fileArgument("yaml", "yml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			name := standard
			if len(args) > 0 {
				name = args[0]
			}
			return writeOut(name, cmd.OutOrStdout(), func(w io.Writer) error {
				res, err := c.open(cmd.Context(), http.MethodGet, "/catalog", "application/yaml", nil)
				if err != nil {
					return err
				}
				defer res.Body.Close()
				shown := newByteProgress(cmd.ErrOrStderr(), "read", res.ContentLength)
				defer shown.done()
				_, err = io.Copy(io.MultiWriter(w, shown), res.Body)
				return err
			})
		},
	}
}

func newCatalogSchema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of catalogue files, for editors", Args: exactly(),
		Long: `Print the JSON schema of catalogue files. An editor with a YAML language server
takes it from a first line such as

  # yaml-language-server: $schema=catalog.schema.json`,
		Example: "  meterd catalog schema > catalog.schema.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := admin.CatalogSchema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}
