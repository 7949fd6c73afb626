package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/store/postgres"
)

func newMigrate() *cobra.Command {
	var text string
	var citus bool
	cmd := &cobra.Command{
		Use: "migrate", Short: "Make the tables that 'meterd serve --store' needs", Args: exactly(),
		Long: `Make the tables that 'meterd serve --store' needs, or bring them up to this
meterd. It may run while nodes serve, and twice at once: steps only add, each is a
transaction of its own, and one migration at a time works.
--citus spreads the tables over the workers of a Citus cluster: records by the
account that has reported them, the catalogue whole on every worker.`,
		Example: `  meterd migrate --store postgres://meterd@db.example.com/meterd
  meterd migrate --store postgres://meterd@db.example.com/meterd --citus`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := storeOf(text)
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			m, err := postgres.Migrate(cmd.Context(), string(from), log)
			if err != nil {
				return fmt.Errorf("%s: %w", from, err)
			}
			out := cmd.OutOrStdout()
			if err := printMigrated(out, m); err != nil || !citus {
				return err
			}
			steps, err := postgres.Distribute(cmd.Context(), string(from))
			for _, table := range steps {
				fmt.Fprintf(out, "distributed %s\n", table)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", from, err)
			}
			if len(steps) == 0 {
				_, err = fmt.Fprintln(out, "every table was distributed before")
			}
			return err
		},
	}
	storeFlag(cmd, &text)
	cmd.Flags().BoolVar(&citus, "citus", false, "spread the tables over a Citus cluster, too")
	return cmd
}

func printMigrated(out io.Writer, m postgres.Migrated) error {
	for _, step := range m.Steps {
		fmt.Fprintf(out, "made %s\n", step)
	}
	says := fmt.Sprintf("the tables are at version %d", m.To)
	if m.From == m.To {
		says += ", as they were"
	}
	_, err := fmt.Fprintln(out, says)
	return err
}

// storeFlag is for commands that open a database themselves.
func storeFlag(cmd *cobra.Command, text *string) {
	cmd.Flags().StringVar(text, "store", "", "PostgreSQL database: "+databaseForm+" (default $METERD_STORE)")
}

// storeOf is the database that a command was given.
func storeOf(text string) (databaseURL, error) {
	text = cmp.Or(text, os.Getenv(settingNamed("store").variable()))
	if text == "" {
		return "", errors.New("--store is missing: give " + databaseForm + ", or METERD_STORE")
	}
	if err := checkDatabaseURL(text); err != nil {
		return "", fmt.Errorf("--store: %w", err)
	}
	return databaseURL(text), nil
}
