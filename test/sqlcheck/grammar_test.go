// Package sqlcheck parses the SQL that the PostgreSQL store sends with
// CockroachDB's own grammar. It is a module of its own, because that grammar
// brings six hundred packages along. It says what CockroachDB can read, and
// nothing of what it would do: neither names nor types are looked up.
package sqlcheck

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser"
)

// accepts says why the grammar does not accept SQL. On some of what it does not
// know it panics rather than refuses.
func accepts(sql string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the grammar panics: %v", p)
		}
	}()
	_, err = parser.Parse(sql)
	return err
}

func TestAccepts(t *testing.T) {
	for sql, want := range map[string]bool{
		"INSERT INTO t (account, n) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING n":   true,
		"SELECT t.n FROM unnest($1::text[]) AS k (a) JOIN t ON t.a = k.a FOR UPDATE OF t": true,
		"DELETE FROM t USING unnest($1::text[]) AS k (a) WHERE t.a = k.a":                 true,
		"LISTEN changes": false,
		"CREATE TABLE t (n bigint PRIMARY KEY) PARTITION BY RANGE (n)":               false,
		"ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (n) REFERENCES u (n) DEFERRABLE": false,
		`CREATE TABLE t (a text COLLATE "C" PRIMARY KEY)`:                            false,
		"MERGE INTO t USING u ON t.n = u.n WHEN MATCHED THEN DELETE":                 false,
		"DO $$ BEGIN NULL; END $$":                                                   false,
	} {
		if err := accepts(sql); (err == nil) != want {
			t.Errorf("%s: %v, want accepted: %v", sql, err, want)
		}
	}
}
