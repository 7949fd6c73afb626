package sqlcheck

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/meterd/meterd/internal/store/postgres"
)

// TestStatements: CockroachDB's grammar accepts every statement that the store
// sends. Those for Citus are sent to nobody else.
func TestStatements(t *testing.T) {
	all := postgres.Statements()
	if len(all) == 0 {
		t.Fatal("the registry is empty")
	}
	for _, s := range all {
		if forCitus(s.Name) {
			continue
		}
		if err := accepts(s.SQL); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// TestMigrations: and every step that makes the tables.
func TestMigrations(t *testing.T) {
	names, err := fs.Glob(postgres.Migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	parsed := 0
	for _, name := range names {
		if forCitus(path.Base(name)) {
			continue
		}
		text, err := postgres.Migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range statements(string(text)) {
			parsed++
			if err := accepts(sql); err != nil {
				t.Errorf("%s: %s: %v", name, sql, err)
			}
		}
	}
	if parsed == 0 {
		t.Fatal("no migration was found")
	}
}

func forCitus(name string) bool { return strings.Contains(strings.ToLower(name), "citus") }

// statements cuts a migration at the lines that end in a semicolon, as goose
// does. Goose's own remarks are comments.
func statements(text string) []string {
	var all []string
	var now strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "--") {
			continue
		}
		now.WriteString(line)
		if strings.HasSuffix(strings.TrimSpace(line), ";") {
			all = append(all, strings.TrimSpace(now.String()))
			now.Reset()
		}
	}
	if rest := strings.TrimSpace(now.String()); rest != "" {
		all = append(all, rest)
	}
	return all
}

func TestCutting(t *testing.T) {
	const text = "-- +goose Up\nCREATE TABLE t (\n\tn bigint -- a; b\n);\n\nCREATE INDEX i ON t (n);\n-- the end\n"
	got := statements(text)
	want := []string{"CREATE TABLE t (\n\tn bigint -- a; b\n);", "CREATE INDEX i ON t (n);"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("statements = %q, want %q", got, want)
	}
}
