package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

const standbyNames = "synchronous_standby_names"

// waiting opens a store that gives up the wait for a standby soon.
func waiting(t *testing.T, url string) *postgres.Store {
	s := open(t, url)
	s.SetWait(time.Second)
	return s
}

// TestHeldAlreadyWaitsForTheStandby is reliability.md's P1: a record whose writer
// gave up the wait is on the primary after a restart, and on no standby. Whoever
// is told that it holds its key must wait, too, or a failover takes back what was
// acknowledged.
func TestHeldAlreadyWaitsForTheStandby(t *testing.T) {
	t.Parallel()
	own(t, nil, func(t *testing.T, c *pgtest.Cluster, url string) {
		c.Set(t, standbyNames, "ANY 1 (s1)")
		s := waiting(t, url)
		first := record(1, 0, 5)
		_, err := s.Append(t.Context(), call(first))
		isUnknown(t, "a record that no standby has", err)
		s.Close()

		c.Restart(t)
		if n := query[int64](t, url, `SELECT count(*) FROM record`); n != 1 {
			t.Fatalf("after the restart the primary has %d records, want the 1 that was given up: the test shows nothing", n)
		}
		s = waiting(t, url)
		repeat := call(record(2, 0, 5))
		_, err = s.Append(t.Context(), repeat) // writes nothing: it only finds the first
		isUnknown(t, "a repeat of it", err)
		if err := s.Err(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("while no standby is there: Err is %v, want %v", err, store.ErrUnavailable)
		}
		s.Close()
		s = waiting(t, url)
		refused := call(record(3, 0, 6))
		refused.After = func(out store.Outcome) (store.Rest, error) { return store.Rest{}, metering.ErrDuplicateRequest }
		_, err = s.Append(t.Context(), refused)
		isUnknown(t, "a duplicate of it", err)

		s.Close()
		s = waiting(t, url)
		admitted := call(record(4, 0, 5))
		admitted.Admission = &store.Admission{Account: seller, Workload: "i-1", Product: "prod"}
		_, err = s.Append(t.Context(), admitted)
		isUnknown(t, "a repeat with an admission", err)
		s.Close()
		c.Restart(t)
		s = waiting(t, url)
		_, err = s.Append(t.Context(), admitted) // the admission is there, too
		isUnknown(t, "a repeat with an admission that is there", err)

		standby := c.Standby(t, "s1")
		eventually(t, "the store serves again", func() bool { return s.Err() == nil })
		out, err := s.Append(t.Context(), repeat)
		if err != nil || out.Holders[0].ID != first.ID {
			t.Fatalf("a repeat, with the standby: holders %v, error %v", out.Holders, err)
		}
		s.Close()
		c.Kill(t)
		standby.Promote(t)
		s = open(t, onCluster(t, url, standby))
		out, err = s.Append(t.Context(), repeat)
		if err != nil || out.Holders[0].ID != first.ID {
			t.Fatalf("after the failover: holders %v, error %v; want record %v", out.Holders, err, first.ID)
		}
	})
}

// TestCancelledWaitIsUnknown is P2: a wait for the standby that someone cancels on
// the server is answered with success, and a warning.
func TestCancelledWaitIsUnknown(t *testing.T) {
	t.Parallel()
	own(t, nil, func(t *testing.T, c *pgtest.Cluster, url string) {
		c.Set(t, standbyNames, "ANY 1 (s1)")
		s := open(t, url)
		told := make(chan error, 1)
		go func() {
			_, err := s.Append(context.Background(), call(record(1, 0, 5)))
			told <- err
		}()
		eventually(t, "COMMIT waits for the standby", func() bool {
			return query[int64](t, url, `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`) == 1
		})
		if !query[bool](t, url, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`) {
			t.Fatal("nothing was cancelled")
		}
		isUnknown(t, "a cancelled wait", <-told)
		if n := query[int64](t, url, `SELECT count(*) FROM record`); n != 1 {
			t.Errorf("the primary has %d records, want 1: the test shows nothing", n)
		}
	})
}

// onCluster is a database's URL on another cluster that has it.
func onCluster(t *testing.T, url string, c *pgtest.Cluster) string {
	p := pgtest.NewProxy(t, c)
	return p.URL(t, url)
}
