package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// TestLostAnswerIsUnknown is reliability.md's P4: what was committed and not
// answered is unknown, and a repeat finds it, under the id that it has.
func TestLostAnswerIsUnknown(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		d := newDatabase(t, c, migrated(t, c))
		s := d.mustOpen(t)
		first := record(1, 0, 5)
		d.proxy.LoseAnswers(1)
		_, err := s.Append(t.Context(), call(first))
		isUnknown(t, "an answer that was lost", err)
		eventually(t, "the store serves again", func() bool { return s.Err() == nil })
		out, err := s.Append(t.Context(), call(record(2, 0, 5)))
		if err != nil || out.Holders[0].ID != first.ID {
			t.Fatalf("a repeat: holders %v, error %v; want record %v", out.Holders, err, first.ID)
		}
		if n := query[int64](t, d.url, `SELECT count(*) FROM record`); n != 1 {
			t.Errorf("%d records, want 1", n)
		}

		// A change of the catalogue is no different, and is seen once it is known.
		d.proxy.LoseAnswers(1)
		_, err = s.Put(t.Context(), store.Change{By: "anna", At: noon(), Entries: []store.Entry{&store.Account{ID: seller}}})
		isUnknown(t, "a change whose answer was lost", err)
		eventually(t, "the change is seen", func() bool { return s.Catalog().Account(seller) != nil && s.Catalog().Revision() == 1 })
	})
}

// TestBrokenConnectionsAreMet: before COMMIT a connection that breaks is replaced.
// A call may be told to try again meanwhile, and never that something may be there.
func TestBrokenConnectionsAreMet(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		d := newDatabase(t, c, migrated(t, c))
		s := d.mustOpen(t)
		for n := range 5 {
			d.proxy.Cut()
			// The store may have noticed, and asked for patience; it has it soon.
			eventually(t, "a call after its connections were cut", func() bool {
				_, err := s.Append(t.Context(), call(record(n, n, 1)))
				if err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Fatalf("after its connections were cut: %v", err)
				}
				return err == nil
			})
		}
		if n := query[int64](t, d.url, `SELECT count(*) FROM record`); n != 5 {
			t.Errorf("%d records, want 5", n)
		}
	})
}

// TestRolledBackCommit: a COMMIT that is answered with ROLLBACK has committed
// nothing, and says so.
func TestRolledBackCommit(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		s := open(t, migrated(t, c))
		if err := s.CommitFailed(t.Context()); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("got %v, want %v", err, store.ErrUnavailable)
		}
	})
}

// TestEngineAsksForAnotherTry: what an engine gives up for reasons of its own is
// tried again within the call, at COMMIT too; an outcome that it does not know is
// unknown.
func TestEngineAsksForAnotherTry(t *testing.T) {
	for _, test := range []struct {
		code   string
		times  int
		commit bool
		check  func(t *testing.T, err error)
	}{
		{"40001", 3, false, succeeds},
		{"40P01", 3, false, succeeds},
		{"55P03", 3, false, succeeds},
		{"40001", 3, true, succeeds},
		{"40P01", 3, true, succeeds},
		{"40003", 1, true, func(t *testing.T, err error) { isUnknown(t, "statement completion unknown, at COMMIT", err) }},
		{"53300", 1, false, isUnavailable},
		{"53100", 1, false, isUnavailable},
		{"57014", 1, false, isUnavailable},
	} {
		name := test.code
		if test.commit {
			name += " at COMMIT"
		}
		t.Run(name, func(t *testing.T) {
			pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
				url := migrated(t, c)
				s := open(t, url)
				refuse(t, url, test.code, test.times, test.commit)
				_, err := s.Append(t.Context(), call(record(1, 0, 1)))
				test.check(t, err)
			})
		})
	}
}

func succeeds(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("got %v, want success", err)
	}
}

func isUnavailable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
		t.Errorf("got %v, want %v", err, store.ErrUnavailable)
	}
}

// refuse lets the database refuse records some times with an SQLSTATE, as they are
// written or at COMMIT.
func refuse(t *testing.T, url, code string, times int, commit bool) {
	t.Helper()
	kind, when := "TRIGGER", "FOR EACH ROW"
	if commit {
		kind, when = "CONSTRAINT TRIGGER", "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
	}
	for _, sql := range []string{
		`CREATE SEQUENCE refusals`,
		fmt.Sprintf(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('refusals') <= %d THEN RAISE EXCEPTION 'on purpose' USING ERRCODE = '%s'; END IF;
			RETURN NULL; END $$`, times, code),
		`CREATE ` + kind + ` refuse AFTER INSERT ON record ` + when + ` EXECUTE FUNCTION refuse()`,
	} {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		conn.Close(t.Context())
	}
}

// TestSessionEndedAtCommit: a session that the server ends while COMMIT is on its
// way leaves the outcome unknown.
func TestSessionEndedAtCommit(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		d := newDatabase(t, c, migrated(t, c))
		s := d.mustOpen(t)
		release := d.proxy.HoldCommits()
		told := make(chan error, 1)
		go func() {
			_, err := s.Append(context.Background(), call(record(1, 0, 1)))
			told <- err
		}()
		d.proxy.AwaitHeld(1)
		// The session is told to end while COMMIT is on its way.
		c.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'`)
		time.Sleep(50 * time.Millisecond)
		release()
		isUnknown(t, "a session that ended at COMMIT", <-told)
		eventually(t, "the store serves again", func() bool { return s.Err() == nil })
		if n := query[int64](t, d.url, `SELECT count(*) FROM record`); n != 0 {
			t.Errorf("%d records, want none", n)
		}
	})
}

// TestGoneCallerIsCommitted is H2: a caller that goes away after COMMIT was sent
// stops nothing, and one that goes away in time leaves nothing.
func TestGoneCallerIsCommitted(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		d := newDatabase(t, c, migrated(t, c))
		s := d.mustOpen(t)
		release := d.proxy.HoldCommits()
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan error, 1)
		go func() {
			_, err := s.Append(ctx, call(record(1, 0, 1)))
			told <- err
		}()
		d.proxy.AwaitHeld(1)
		cancel()
		release()
		if err := <-told; err != nil {
			t.Errorf("a caller that went away while COMMIT was on its way: %v", err)
		}
		if n := query[int64](t, d.url, `SELECT count(*) FROM record`); n != 1 {
			t.Errorf("%d records, want 1", n)
		}
	})
}

// TestExhaustedConnections: a server that has no connection left is unavailable,
// which is definite, and worth another try.
func TestExhaustedConnections(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		d := newDatabase(t, c, migrated(t, c))
		s := d.mustOpen(t)
		d.proxy.Refuse(true)
		d.proxy.Cut()
		if _, err := s.Append(t.Context(), call(record(1, 0, 1))); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnknown) {
			t.Errorf("Append: got %v, want %v", err, store.ErrUnavailable)
		}
		if _, err := s.Records(t.Context(), store.RecordQuery{To: 1}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Records: got %v, want %v", err, store.ErrUnavailable)
		}
		if _, err := s.Put(t.Context(), store.Change{At: noon(), Entries: []store.Entry{&store.Account{ID: seller}}}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Put: got %v, want %v", err, store.ErrUnavailable)
		}
		if err := s.Expire(t.Context(), store.Expiry{Tokens: noon()}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Expire: got %v, want %v", err, store.ErrUnavailable)
		}
		d.proxy.Refuse(false)
		eventually(t, "the store serves again", func() bool {
			_, err := s.Append(t.Context(), call(record(1, 0, 1)))
			return err == nil
		})
	})
}

// TestDamagedRow: a row that was changed behind the store's back is never served
// as a record.
func TestDamagedRow(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		s := open(t, url)
		for i, damage := range []string{
			`quantity = quantity + 1`, `party = '444444444444'`, `hour = hour + 1`, `claimed = claimed + 1`, `workload = 'i-1'`,
			`allocations = '[{"Quantity":1}]'`, `id = '00000000-0000-0000-0000-0000000000ff'`, `quantity = 4294967297`, `sum = sum + 1`,
		} {
			r := record(i+1, i, 1)
			if _, err := s.Append(t.Context(), call(r)); err != nil {
				t.Fatal(err)
			}
			at := query[string](t, url, `UPDATE record SET `+damage+` WHERE id = $1 RETURNING account`, [16]byte(r.ID))
			_, err := s.Records(t.Context(), store.RecordQuery{Account: metering.AccountID(at), From: r.Key.Hour - 1, To: r.Key.Hour + 2})
			if err == nil {
				t.Errorf("%s: the row was served", damage)
			}
			query[int64](t, url, `WITH gone AS (DELETE FROM record RETURNING 1) SELECT count(*) FROM gone`)
		}
	})
}

// TestOneCallsFailureIsItsOwn: a call that cannot be decided, or not be written, does
// no harm to those that share its group.
func TestOneCallsFailureIsItsOwn(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		const calls, damaged, long = 30, 7, 8
		d := newDatabase(t, c, migrated(t, c))
		s := d.mustOpen(t)
		if _, err := s.Append(t.Context(), call(record(damaged, damaged, 1))); err != nil {
			t.Fatal(err)
		}
		query[int64](t, d.url, `UPDATE record SET sum = sum + 1 RETURNING sum`)
		release := d.proxy.HoldCommits()
		var wg sync.WaitGroup
		send := func(n int) {
			wg.Go(func() {
				r := record(n, n, 1)
				if n == long {
					for range 400 { // more than an index takes, and not to be compressed
						r.Key.Party += rand.Text()
					}
				}
				_, err := s.Append(t.Context(), call(r))
				if refused := n == damaged || n == long; refused != (err != nil) || errors.Is(err, store.ErrUnknown) {
					t.Errorf("call %d: got %v", n, err)
				}
			})
		}
		for n := range 2 { // a committer is busy with each
			send(n)
			d.proxy.AwaitHeld(n + 1)
		}
		for n := 2; n < calls; n++ {
			send(n)
		}
		time.Sleep(100 * time.Millisecond) // they wait for a committer
		release()
		wg.Wait()
		if n := query[int64](t, d.url, `SELECT count(*) FROM record`); n != calls-1 {
			t.Errorf("%d records, want %d", n, calls-1)
		}
	})
}
