package postgres_test

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// TestRules: what the store sends, and what makes its tables, keeps to what
// distributed databases know. What is for Citus alone is sent to nobody else.
func TestRules(t *testing.T) {
	names, err := fs.Glob(postgres.Migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	migrations := map[string]string{}
	var ddl []string
	for _, name := range names {
		if strings.Contains(path.Base(name), "citus") {
			continue
		}
		text, err := postgres.Migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		migrations[name] = string(text)
		ddl = append(ddl, string(text))
	}
	tables := pgtest.ReadTables(ddl...)
	if !tables["record"].Tenant {
		t.Fatal("no table of records was found in the migrations")
	}
	for name, sql := range migrations {
		if err := tables.Portable(sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range postgres.Statements() {
		if err := tables.Portable(s.SQL); err != nil {
			t.Errorf("%s: %v\n%s", s.Name, err, s.SQL)
		}
	}
}
