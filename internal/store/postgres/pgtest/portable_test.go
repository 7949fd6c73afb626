package pgtest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tables are what the statements of these tests write to.
const tables = `
CREATE TABLE usage (account text, hour bigint, id text UNIQUE NULLS DISTINCT, n bigint, PRIMARY KEY (account, hour));
CREATE TABLE IF NOT EXISTS catalogue (name text PRIMARY KEY, n bigint);`

// TestPortable has for each rule what it refuses and what it lets pass.
func TestPortable(t *testing.T) {
	ts := ReadTables(tables)
	for _, tt := range []struct{ rule, refused, passes string }{
		{"serial", "CREATE TABLE t (n bigserial PRIMARY KEY)", "CREATE TABLE t (serials bigint PRIMARY KEY)"},
		{"sequence", "CREATE SEQUENCE s", "SELECT 'CREATE SEQUENCE s'"},
		{"nextval", "SELECT nextval('s')", "SELECT $1::text -- nextval"},
		{"identity", "CREATE TABLE t (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)", "CREATE TABLE t (n bigint PRIMARY KEY, m bigint GENERATED ALWAYS AS (n + 1) STORED)"},
		{"trigger", "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON usage EXECUTE PROCEDURE f()", `SELECT "trigger" FROM usage`},
		{"plpgsql", "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN; RETURN ''; END $f$", "SELECT $f$ LANGUAGE plpgsql; $f$"},
		{"do", "DO $$ BEGIN NULL; END $$", "INSERT INTO usage VALUES ($1) ON CONFLICT DO NOTHING RETURNING n"},
		{"listen", "LISTEN changes", "SELECT listen FROM usage"},
		{"notify", "SELECT pg_notify('changes', '')", "SELECT pg_logical_emit_message(true, 'ack', '')"},
		{"advisory locks", "SELECT pg_try_advisory_xact_lock(1)", "SELECT 1 /* pg_advisory_lock(1) /* */"},
		{"deferrable", "ALTER TABLE usage ADD CONSTRAINT c CHECK (n > 0) DEFERRABLE", "ALTER TABLE usage ADD CONSTRAINT c CHECK (n > 0)"},
		{"exclusion", "CREATE TABLE t (n bigint, EXCLUDE USING gist (n WITH &&))", "INSERT INTO catalogue VALUES ($1) ON CONFLICT (name) DO UPDATE SET n = excluded.n"},
		{"partitions", "CREATE TABLE t (n bigint PRIMARY KEY) PARTITION BY RANGE (n)", "SELECT row_number() OVER (PARTITION BY account) FROM usage"},
		{"merge", "MERGE INTO usage USING t ON true WHEN MATCHED THEN DO NOTHING", "SELECT merge FROM usage"},
		{"rollup", "SELECT sum(n) FROM usage GROUP BY ROLLUP (account, hour)", "SELECT sum(n) AS rollup FROM usage GROUP BY account, hour"},
		{"grouping sets", "SELECT sum(n) FROM usage GROUP BY GROUPING SETS ((account), ())", "SELECT sum(n) FROM usage GROUP BY account"},
		{"temporary", "CREATE TEMP TABLE t (n bigint)", "SELECT n AS temp FROM usage"},
		{"truncate", "TRUNCATE usage", "SELECT truncate FROM usage"},
		{"savepoint", "SAVEPOINT s", "ROLLBACK"},
		{"rollback to", "ROLLBACK TO s", "COMMIT"},
		{"domain", "CREATE DOMAIN d AS text", "SELECT domain FROM usage"},
		{"extension", "CREATE EXTENSION IF NOT EXISTS citus", "SELECT count(*) FROM pg_extension"},
		{"brin", "CREATE INDEX i ON usage USING brin (hour)", "CREATE INDEX CONCURRENTLY i ON usage USING btree (hour)"},
		{"nulls not distinct", "CREATE UNIQUE INDEX i ON usage (account, n) NULLS NOT DISTINCT", "CREATE UNIQUE INDEX i ON usage (account, n)"},
		{"lock table", "LOCK TABLE usage IN SHARE MODE", "SELECT lock FROM usage"},
		{"collate", `SELECT account FROM usage ORDER BY account COLLATE "C"`, "SELECT account FROM usage ORDER BY account"},
		{"skip locked", "SELECT n FROM usage WHERE account = $1 FOR UPDATE SKIP LOCKED", "SELECT n FROM usage WHERE account = $1 FOR UPDATE"},
		{"integers", "CREATE TABLE t (n integer PRIMARY KEY)", "CREATE TABLE t (n bigint PRIMARY KEY, i interval, p point)"},
		{"a cast to an integer", "SELECT n::int FROM usage", "SELECT n::bigint FROM usage"},

		{"a primary key", "CREATE TABLE t (account text)", "CREATE TABLE t (name text)"},
		{"the tenant leads it", "CREATE TABLE t (account text, n bigint, CONSTRAINT p PRIMARY KEY (n, account))", "CREATE TABLE t (account text, n bigint, CONSTRAINT p PRIMARY KEY (account, n))"},
		{"in the column", "CREATE TABLE t (account text, n bigint PRIMARY KEY)", "CREATE TABLE t (account text PRIMARY KEY, n bigint CHECK (n > 0))"},
		{"unique", "CREATE TABLE t (account text PRIMARY KEY, n bigint, UNIQUE (n))", "CREATE TABLE t (account text PRIMARY KEY, n bigint, UNIQUE (n, account))"},
		{"unique in the column", "CREATE TABLE t (account text PRIMARY KEY, n bigint UNIQUE)", "CREATE TABLE t (n bigint UNIQUE, m bigint PRIMARY KEY)"},
		{"unique index", "CREATE UNIQUE INDEX i ON usage (n) WHERE account = ''", "CREATE UNIQUE INDEX i ON usage (account, (n + 1)) WHERE n > 0"},
		{"unique, added", "ALTER TABLE usage ADD CONSTRAINT u UNIQUE (n)", "ALTER TABLE catalogue ADD CONSTRAINT u UNIQUE (n)"},

		{"update", "UPDATE usage SET n = 1 WHERE hour = $1", "UPDATE usage SET n = 1 WHERE hour = $1 AND account = $2"},
		{"update without a condition", "UPDATE usage SET n = 1", "UPDATE catalogue SET n = 1"},
		{"update of what is not known", "UPDATE ghost SET n = 1", "SELECT n FROM ghost"},
		{"its own column", "UPDATE usage u SET n = 1 FROM k WHERE k.account = $1", "UPDATE usage AS u SET n = 1 FROM k WHERE k.account = u.account"},
		{"equal only", "UPDATE usage SET n = 1 WHERE account > $1", "UPDATE usage SET n = 1 WHERE account = ANY ($1)"},
		{"in any case", "UPDATE usage SET n = 1 WHERE account = $1 OR n = 2", "UPDATE usage SET n = 1 WHERE account = $1 AND (n = 2 OR n = 3)"},
		{"what is set is no condition", "UPDATE usage SET n = account WHERE hour = 1", "UPDATE usage SET n = hour WHERE (account, hour) IN (SELECT account, hour FROM k)"},
		{"deeper", "WITH u AS (UPDATE usage SET n = 1 RETURNING n) SELECT n FROM u WHERE account = $1", "WITH u AS (UPDATE usage SET n = 1 WHERE account = $1 RETURNING n) SELECT n FROM u"},
		{"the tenant is set", "UPDATE usage SET n = 1, account = $2 WHERE account = $1", "UPDATE usage SET n = 1 WHERE account = $1"},
		{"in a row", "UPDATE usage SET (n, account) = ($1, $2) WHERE account = $1", "UPDATE usage SET (n, hour) = ($1, $2) WHERE account = $1"},
		{"on conflict", "INSERT INTO usage VALUES ($1) ON CONFLICT (account, hour) DO UPDATE SET account = $1", "INSERT INTO usage VALUES ($1) ON CONFLICT (account, hour) DO UPDATE SET n = $2"},

		{"delete", "DELETE FROM usage WHERE hour = $1", "DELETE FROM usage WHERE hour = $1 AND account = $2"},
		{"delete by key", "DELETE FROM usage WHERE account = $1 AND hour < $2", "DELETE FROM usage u USING k WHERE (u.account, u.hour) = (k.account, k.hour) AND n < 3"},
		{"delete no more than", "DELETE FROM catalogue WHERE n < $1", "DELETE FROM catalogue WHERE n < $1 AND name IN (SELECT name FROM catalogue WHERE n < $1 LIMIT 1000)"},

		{"lock", "SELECT n FROM usage WHERE hour = $1 FOR UPDATE", "SELECT n FROM catalogue WHERE n = $1 FOR UPDATE"},
		{"lock of a join", "SELECT 1 FROM catalogue c JOIN usage u ON u.n = c.n FOR NO KEY UPDATE", "SELECT 1 FROM unnest($1::text[]) AS k (account) JOIN usage u ON u.account = k.account FOR UPDATE OF u"},
		{"the second of two", "SELECT 1; UPDATE usage SET n = 1;", "SELECT 1; SELECT 2;"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if err := ts.Portable(tt.refused); err == nil {
				t.Errorf("passes: %s", tt.refused)
			}
			if err := ts.Portable(tt.passes); err != nil {
				t.Errorf("%s: %v", tt.passes, err)
			}
		})
	}
}

// TestRefusals: every refused word is refused.
func TestRefusals(t *testing.T) {
	for _, r := range refusals {
		sql := strings.ToUpper(strings.NewReplacer("^", "", "*", "x").Replace(r.words))
		if err := (Tables{}).Portable(sql); err == nil {
			t.Errorf("%s passes", sql)
		}
	}
}

func TestReadTables(t *testing.T) {
	got := ReadTables(tables, `
-- +goose Up
CREATE TABLE IF NOT EXISTS public."Event" (
	account text NOT NULL, -- who called
	price   numeric(10, 2) CHECK (price IN (1, 2)),
	PRIMARY KEY (account)
);
ALTER TABLE "Event" ADD COLUMN id text, ADD UNIQUE (account, id);
CREATE UNIQUE INDEX IF NOT EXISTS i ON "Event" (account, lower(id));`)
	want := Tables{
		"usage":     {Tenant: true, Primary: []string{"account", "hour"}, Unique: [][]string{{"id"}}},
		"catalogue": {Primary: []string{"name"}},
		"Event":     {Tenant: true, Primary: []string{"account"}, Unique: [][]string{{"account", "id"}, {"account", "lower"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tables (-want +got):\n%s", diff)
	}
}

// FuzzPortable: whatever it is given, it returns.
func FuzzPortable(f *testing.F) {
	for _, sql := range []string{tables, "UPDATE usage SET (", "'", `"`, "$a$", "CREATE TABLE t (", "CREATE UNIQUE INDEX ON", "DELETE FROM", "FOR UPDATE", "ALTER TABLE usage ADD", ")(", "SET ,", ",SET ,"} {
		f.Add(sql)
	}
	f.Fuzz(func(_ *testing.T, sql string) {
		_ = ReadTables(sql).Portable(sql)
	})
}
