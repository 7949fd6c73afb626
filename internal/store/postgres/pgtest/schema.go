package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Schema makes a schema and returns the URL whose search_path is that schema. It
// is dropped with the test.
func (c *Cluster) Schema(tb testing.TB) (url string) {
	tb.Helper()
	name := schemaName()
	c.Exec(tb, "CREATE SCHEMA "+name)
	return c.withSchema(tb, name)
}

// CopySchema makes a schema with the same tables, keys and indexes as the one of
// fromURL, filled with what was committed there at one moment, while writers go
// on. Foreign keys do not come with it. It returns the URL of the new one, which
// is dropped with the test.
func (c *Cluster) CopySchema(tb testing.TB, fromURL string) (url string) {
	tb.Helper()
	from, err := searchPath(fromURL)
	if err != nil {
		tb.Fatal(err)
	}
	to := schemaName()
	ctx, cancel := context.WithTimeout(context.Background(), controlTime)
	defer cancel()
	conn, err := c.connect(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	// One transaction at this level sees one moment: its first statement's.
	if err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		return copyTables(ctx, tx, from, to)
	}); err != nil {
		tb.Fatal(err)
	}
	return c.withSchema(tb, to)
}

// copyTables makes the new tables in one exchange with the server. A generated
// column fills itself; one that counts goes on counting after what is there.
func copyTables(ctx context.Context, tx pgx.Tx, from, to string) error {
	const tables = `
SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.attgenerated = ''),
       coalesce(array_agg(a.attname) FILTER (WHERE a.attidentity <> ''), '{}')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = $1 AND c.relkind = 'r'
GROUP BY c.relname ORDER BY c.relname`
	type table struct {
		Name     string
		Columns  string
		Counting []string
	}
	rows, err := tx.Query(ctx, tables, from)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		return err
	}
	var sql strings.Builder
	fmt.Fprintf(&sql, "CREATE SCHEMA %s;\n", to)
	for _, t := range found {
		source, target := pgx.Identifier{from, t.Name}.Sanitize(), pgx.Identifier{to, t.Name}.Sanitize()
		fmt.Fprintf(&sql, "CREATE TABLE %s (LIKE %s INCLUDING ALL);\n", target, source)
		fmt.Fprintf(&sql, "INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s;\n", target, t.Columns, t.Columns, source)
		for _, column := range t.Counting {
			fmt.Fprintf(&sql, "SELECT setval(pg_get_serial_sequence(%s, %s), max(%s)) FROM %s;\n",
				literal(target), literal(column), pgx.Identifier{column}.Sanitize(), target)
		}
	}
	_, err = tx.Exec(ctx, sql.String())
	return err
}

// withSchema returns a URL for a schema and has it dropped. The schemas of a
// cluster of the test's own go with the cluster, which may be down by then.
func (c *Cluster) withSchema(tb testing.TB, name string) string {
	tb.Helper()
	u, err := url.Parse(c.URL())
	if err != nil {
		tb.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	if c.shared || c.given != "" {
		tb.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), controlTime)
			defer cancel()
			// A session that a test has left behind may hold a lock.
			if err := c.exec(ctx, "SET lock_timeout = '10s'; DROP SCHEMA "+name+" CASCADE"); err != nil {
				tb.Errorf("drop a test's schema: %v", err)
			}
		})
	}
	return u.String()
}

// schemaName is one that no other process has either.
func schemaName() string { return "test_" + strings.ToLower(rand.Text()) }

// searchPath reads the schema from a URL of Schema's.
func searchPath(of string) (string, error) {
	u, err := url.Parse(of)
	if err != nil {
		return "", err
	}
	if name := u.Query().Get("search_path"); name != "" {
		return name, nil
	}
	return "", errors.New("the URL names no schema in its search_path")
}
