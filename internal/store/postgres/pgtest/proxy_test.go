package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestHoldCommits: a held COMMIT's row is not there for others, and is when it is
// released, however the COMMIT was sent.
func TestHoldCommits(t *testing.T) {
	Each(t, func(t *testing.T, c *Cluster) {
		direct, through, p := proxied(t, c)
		batch := func(n int) error {
			b := &pgx.Batch{}
			b.Queue("BEGIN")
			b.Queue("INSERT INTO t VALUES ('a', $1)", n)
			b.Queue("COMMIT")
			return through.SendBatch(context.Background(), b).Close()
		}
		for n, write := range []func(n int) error{
			func(n int) error { return insert(through, n) },
			batch, // prepares, and runs what it has prepared
			batch, // runs only
			func(int) error {
				_, err := through.PgConn().Exec(context.Background(), "BEGIN; INSERT INTO t VALUES ('a', 3); COMMIT").ReadAll()
				return err
			},
		} {
			release := p.HoldCommits()
			done := make(chan error, 1)
			go func() { done <- write(n) }()
			p.AwaitHeld(1)
			if got := count(t, direct); got != n {
				t.Errorf("write %d: %d rows while it is held, want %d", n, got, n)
			}
			release()
			if err := <-done; err != nil {
				t.Fatalf("write %d: %v", n, err)
			}
			if got := count(t, direct); got != n+1 {
				t.Errorf("write %d: %d rows when it is released, want %d", n, got, n+1)
			}
		}
	})
}

// TestFailCommits: from then on nothing is committed, not even what was held.
func TestFailCommits(t *testing.T) {
	Each(t, func(t *testing.T, c *Cluster) {
		direct, through, p := proxied(t, c)
		url := p.URL(t, direct.Config().ConnString())
		idle := open(t, url)
		release := p.HoldCommits()
		done := make(chan error, 1)
		go func() { done <- insert(through, 1) }()
		p.AwaitHeld(1)
		p.FailCommits()
		if err := <-done; err == nil {
			t.Error("a COMMIT that was held has succeeded")
		}
		release()
		if _, err := idle.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Error("an idle connection was not cut")
		}
		if _, err := pgx.Connect(t.Context(), url); err == nil {
			t.Error("a new connection was not refused")
		}
		p.Heal()
		if err := insert(open(t, url), 2); err != nil {
			t.Error(err)
		}
		if got := count(t, direct); got != 1 {
			t.Errorf("%d rows, want the one from after", got)
		}
	})
}

// TestLoseAnswers: the client reads an error and the row is there.
func TestLoseAnswers(t *testing.T) {
	Each(t, func(t *testing.T, c *Cluster) {
		direct, through, p := proxied(t, c)
		p.LoseAnswers(1)
		if err := insert(through, 1); err == nil {
			t.Error("the client has read an answer")
		}
		p.AwaitLost(1)
		if got := count(t, direct); got != 1 {
			t.Errorf("%d rows, want 1", got)
		}
		if err := insert(open(t, p.URL(t, direct.Config().ConnString())), 2); err != nil {
			t.Errorf("the next COMMIT: %v", err)
		}
	})
}

// TestCutAfter: a connection ends within the answer, with all that came before.
func TestCutAfter(t *testing.T) {
	direct, through, p := proxied(t, Shared(t, Versions[0]))
	if got := one[string](t, through, "SELECT repeat('x', 1000)"); len(got) != 1000 {
		t.Fatalf("%d bytes before the cut", len(got))
	}
	p.CutAfter(func() int { return 700 })
	var got string
	if err := through.QueryRow(t.Context(), "SELECT repeat('x', 1000)").Scan(&got); err == nil {
		t.Error("an answer of more bytes was passed on whole")
	}
	p.CutAfter(func() int { return 10 })
	if _, err := pgx.Connect(t.Context(), p.URL(t, direct.Config().ConnString())); err == nil {
		t.Error("a new connection was not cut")
	}
	p.CutAfter(nil)
	open(t, p.URL(t, direct.Config().ConnString()))
}

// TestRefuseAndCut: an open connection outlives the refusal of new ones, until it
// is cut.
func TestRefuseAndCut(t *testing.T) {
	direct, through, p := proxied(t, Shared(t, Versions[0]))
	p.Refuse(true)
	if _, err := pgx.Connect(t.Context(), p.URL(t, direct.Config().ConnString())); err == nil {
		t.Error("a new connection was taken")
	}
	if err := insert(through, 1); err != nil {
		t.Error(err)
	}
	p.Refuse(false)
	open(t, p.URL(t, direct.Config().ConnString()))
	p.Cut()
	if err := insert(through, 2); err == nil {
		t.Error("a connection that was cut goes on")
	}
}

// TestFreeze: nothing passes while it lasts; then what was sent arrives.
func TestFreeze(t *testing.T) {
	direct, through, p := proxied(t, Shared(t, Versions[0]))
	p.Freeze(true)
	done := make(chan error, 1)
	go func() { done <- insert(through, 1) }()
	select {
	case err := <-done:
		t.Fatalf("something has passed: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	p.Freeze(false)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := count(t, direct); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
}

// TestProxyCancel: a client's request to cancel a query goes through.
func TestProxyCancel(t *testing.T) {
	_, through, _ := proxied(t, Shared(t, Versions[0]))
	done := make(chan error, 1)
	go func() {
		_, err := through.Exec(context.Background(), "SELECT pg_sleep(60)")
		done <- err
	}()
	for {
		if err := through.PgConn().CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			if err == nil {
				t.Error("the query was not cancelled")
			}
			return
		case <-time.After(10 * time.Millisecond): // it may not have begun
		}
	}
}

// TestPoint: new connections reach the other cluster.
func TestPoint(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	p := NewProxy(t, Shared(t, 15))
	for _, version := range []int{15, 18} {
		c := Shared(t, version)
		p.Point(t, c)
		conn := open(t, p.URL(t, c.URL()))
		if got := one[int](t, conn, "SELECT current_setting('server_version_num')::bigint / 10000"); got != version {
			t.Errorf("this is PostgreSQL %d, want %d", got, version)
		}
	}
}

func TestIsCommit(t *testing.T) {
	for sql, want := range map[string]bool{
		"commit": true, " COMMIT ;": true, "END": true, "begin; insert into t values (1); commit": true,
		"SELECT 1": false, "commitment": false, "rollback": false, "": false, "SELECT 'commit'": false,
	} {
		if got := isCommit(sql); got != want {
			t.Errorf("isCommit(%q) = %v", sql, got)
		}
	}
}

// BenchmarkCommit is one row in a transaction of its own, with and without the
// proxy.
func BenchmarkCommit(b *testing.B) {
	for _, version := range Versions {
		c := Shared(b, version)
		direct, through, _ := proxied(b, c)
		n := 0
		for _, way := range []struct {
			name string
			conn *pgx.Conn
		}{{"direct", direct}, {"proxy", through}} {
			b.Run(c.name()+"/"+way.name, func(b *testing.B) {
				for b.Loop() {
					n++
					if err := insert(way.conn, n); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkSchema is what a test pays for a place of its own.
func BenchmarkSchema(b *testing.B) {
	for _, version := range Versions {
		c := Shared(b, version)
		b.Run(c.name()+"/new", func(b *testing.B) {
			for b.Loop() {
				c.Schema(b)
			}
		})
		url := c.Schema(b)
		conn := open(b, url)
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
			sql := "CREATE TABLE " + name + " (account text, n bigint, PRIMARY KEY (account, n)); INSERT INTO " + name +
				" SELECT 'a', generate_series(1, 1000)"
			if _, err := conn.PgConn().Exec(b.Context(), sql).ReadAll(); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(c.name()+"/copy-10-tables-1000-rows-each", func(b *testing.B) {
			for b.Loop() {
				c.CopySchema(b, url)
			}
		})
	}
}

// name tells clusters apart in a benchmark's output.
func (c *Cluster) name() string {
	if c.given != "" {
		return "DATABASE_URL"
	}
	return "postgres" + map[int]string{15: "15", 18: "18"}[c.bin.Version]
}

// proxied makes the table in a schema of its own, and connects to it directly and
// through a proxy.
func proxied(tb testing.TB, c *Cluster) (direct, through *pgx.Conn, p *Proxy) {
	tb.Helper()
	url := c.Schema(tb)
	direct = open(tb, url)
	table(tb, direct)
	p = NewProxy(tb, c)
	return direct, open(tb, p.URL(tb, url)), p
}
