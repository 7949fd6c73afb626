package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ErrNoCitus says that a database has not the extension.
var ErrNoCitus = errors.New("postgres: the database has no Citus: CREATE EXTENSION citus, and add its workers")

// Statements for Citus alone.
const (
	hasCitus        = `SELECT count(*) FROM pg_extension WHERE extname = 'citus'`
	isDistributed   = `SELECT count(*) FROM citus_tables WHERE table_name = $1::regclass`
	distributeTable = `SELECT create_distributed_table($1::regclass, 'account', colocate_with => $2)`
	referenceTable  = `SELECT create_reference_table($1::regclass)`
)

// The tables that calls write, which are spread by the calling account and lie
// together, the first of them first; and those of the catalogue and of the trail, of
// which every worker has a copy.
var (
	distributed = []string{"record", "client_token", "admission", "registration", "running", "redemption", "event", "refusal"}
	referenced  = []string{"entry", "revision", "catalogue", "lease", "chain", "trail_digest"}
)

// Distribute spreads the tables of a migrated database over the workers of a
// Citus cluster, and returns which. One that was spread before is passed over, so
// that what was cut short goes on.
func Distribute(ctx context.Context, url string) (made []string, err error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("postgres: connecting: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var n int
	if err := conn.QueryRow(ctx, hasCitus).Scan(&n); err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, ErrNoCitus
	}
	spread := func(table, sql string, args ...any) error {
		if err := conn.QueryRow(ctx, isDistributed, table).Scan(&n); err != nil || n > 0 {
			return err
		}
		if _, err := conn.Exec(ctx, sql, append([]any{table}, args...)...); err != nil {
			return fmt.Errorf("postgres: spreading %s: %w", table, err)
		}
		made = append(made, table)
		return nil
	}
	for i, table := range distributed {
		with := distributed[0]
		if i == 0 {
			with = "none"
		}
		if err := spread(table, distributeTable, with); err != nil {
			return made, err
		}
	}
	for _, table := range referenced {
		if err := spread(table, referenceTable); err != nil {
			return made, err
		}
	}
	return made, nil
}
