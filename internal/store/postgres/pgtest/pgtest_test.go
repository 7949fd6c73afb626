package pgtest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// TestLeftOut prints what a run of all tests does without. "go test ./..." hides
// what a passing test prints, so make test runs this one from its own folder.
func TestLeftOut(t *testing.T) {
	if os.Getenv("METERD_TEST_POSTGRES") == "off" {
		fmt.Println("left out: the tests on PostgreSQL (METERD_TEST_POSTGRES is off)")
		return
	}
	for _, version := range Versions {
		if _, err := Find(version); err != nil {
			fmt.Printf("left out: the tests on %v\n", err)
		}
	}
}

func TestMajor(t *testing.T) {
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": 15,
		"postgres (PostgreSQL) 18.4\n":                           18,
		"postgres (PostgreSQL) 19devel\n":                        0,
		"another program 15.1":                                   0,
	} {
		if got := major(text); got != want {
			t.Errorf("major(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestFindUnknown(t *testing.T) {
	if bin, err := Find(9); err == nil {
		t.Errorf("Find(9) = %v, want an error", bin)
	}
}

// TestShared: the cluster is the version that was asked for, keeps the settings
// that the store insists on, and is one for all.
func TestShared(t *testing.T) {
	for _, version := range Versions {
		t.Run(strconv.Itoa(version), func(t *testing.T) {
			t.Setenv("DATABASE_URL", "")
			begun := time.Now()
			c := Shared(t, version)
			t.Logf("started in %v", time.Since(begun))
			if again := Shared(t, version); again != c {
				t.Error("a second call started a second cluster")
			}
			conn := open(t, c.URL())
			if got := one[int](t, conn, "SELECT current_setting('server_version_num')::bigint / 10000"); got != version {
				t.Errorf("this is PostgreSQL %d, want %d", got, version)
			}
			for setting, want := range map[string]string{
				"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on",
				"server_encoding": "UTF8", "lc_collate": "C", "max_connections": "200",
			} {
				const find = "SELECT CASE WHEN $1 = 'lc_collate' THEN (SELECT datcollate FROM pg_database WHERE datname = current_database()) ELSE current_setting($1, true) END"
				if got := one[string](t, conn, find, setting); got != want {
					t.Errorf("%s is %s, want %s", setting, got, want)
				}
			}
		})
	}
}

// TestGiven: DATABASE_URL stands in for the shared clusters and cannot be
// controlled.
func TestGiven(t *testing.T) {
	c := Shared(t, Versions[0])
	t.Setenv("DATABASE_URL", c.URL())
	t.Setenv("METERD_TEST_POSTGRES", "")
	ran := 0
	Each(t, func(t *testing.T, c *Cluster) {
		ran++
		table(t, open(t, c.Schema(t)))
	})
	if ran != 1 {
		t.Errorf("Each ran %d times, want once", ran)
	}
	t.Setenv("METERD_TEST_POSTGRES", "off")
	if given() != "" {
		t.Error("DATABASE_URL is used although PostgreSQL is off")
	}
}

// open connects for a test.
func open(tb testing.TB, url string) *pgx.Conn {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// table makes the table that the tests write to.
func table(tb testing.TB, conn *pgx.Conn) {
	tb.Helper()
	sql := "CREATE TABLE t (account text, n bigint, PRIMARY KEY (account, n))"
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		tb.Fatal(err)
	}
}

// insert commits a row in a transaction of its own.
func insert(conn *pgx.Conn, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), controlTime)
	defer cancel()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := tx.Exec(ctx, "INSERT INTO t VALUES ('a', $1)", n); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// count is how many rows are committed.
func count(tb testing.TB, conn *pgx.Conn) int {
	tb.Helper()
	return one[int](tb, conn, "SELECT count(*) FROM t")
}

func one[T any](tb testing.TB, conn *pgx.Conn, sql string, args ...any) (value T) {
	tb.Helper()
	if err := conn.QueryRow(context.Background(), sql, args...).Scan(&value); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return value
}
