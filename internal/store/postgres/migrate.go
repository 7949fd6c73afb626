package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrations are the steps that make the tables, in goose's form.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Names of goose's own tables: which steps were made, and who is making some. A
// row is the lock; engines that have no advisory locks have rows.
const (
	versionTable = "meterd_migration"
	lockTable    = "meterd_migration_lock"
)

// Who finds the lock taken looks again every second, for five minutes. One whose
// holder has died is free after half a minute, which is goose's own.
const (
	lockEvery = time.Second
	lockTries = 300
)

// Migrated is what a migration has done.
type Migrated struct {
	From, To int64
	Steps    []string
}

// Migrate makes the tables that this meterd needs. Any number of nodes may do so
// at once: one does, the others wait and find it done. Steps only go forward.
func Migrate(ctx context.Context, url string, log *slog.Logger) (m Migrated, err error) {
	config, err := parse(url)
	if err != nil {
		return m, err
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	defer func() { err = errors.Join(err, db.Close()) }()
	p, err := provider(db, log)
	if err != nil {
		return m, err
	}
	if m.From, err = p.GetDBVersion(ctx); err != nil {
		return m, fmt.Errorf("postgres: reading the version of the tables: %w", err)
	}
	steps, err := p.Up(ctx)
	for _, step := range steps {
		m.Steps = append(m.Steps, step.Source.Path)
	}
	if err != nil {
		return m, fmt.Errorf("postgres: migrating: %w", err)
	}
	m.To, err = p.GetDBVersion(ctx)
	return m, err
}

func provider(db *sql.DB, log *slog.Logger) (*goose.Provider, error) {
	files, err := fs.Sub(Migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresTableLocker(lock.WithTableName(lockTable), lock.WithTableLockTimeout(lockEvery, lockTries))
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithLocker(locker), goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithSlog(log))
}

// checkSchema refuses a database that was not migrated, or by a later meterd.
func checkSchema(ctx context.Context, pool *pgxpool.Pool) error {
	var have int64
	err := pool.QueryRow(ctx, findVersion).Scan(&have)
	if err != nil && code(err) != undefinedTable {
		return fmt.Errorf("postgres: reading the version of the tables: %w", err)
	}
	want, err := version()
	switch {
	case err != nil:
		return err
	case have < want:
		return fmt.Errorf("%w: its tables are at version %d and this meterd needs %d; run 'meterd migrate'", ErrSchema, have, want)
	case have > want:
		return fmt.Errorf("%w: its tables are at version %d, which a later meterd has made, and this one knows up to %d; upgrade meterd", ErrSchema, have, want)
	}
	return nil
}

const undefinedTable = "42P01"

// version is that of the last step there is.
func version() (int64, error) {
	files, err := fs.Glob(Migrations, "migrations/*.sql")
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("postgres: the migrations cannot be read: %w", cmp.Or(err, fs.ErrNotExist))
	}
	return goose.NumericComponent(files[len(files)-1])
}
