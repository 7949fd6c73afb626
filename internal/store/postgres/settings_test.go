package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// TestWeakDatabase is reliability.md's P3, P5 and P9: a database that is set to
// keep less than it acknowledges, or that is no primary, is refused with the
// reason, at the start and by every new connection.
func TestWeakDatabase(t *testing.T) {
	for _, test := range []struct {
		setting, value string
		standbys       int
		says           string
	}{
		{"synchronous_commit", "off", 0, "synchronous_commit is off"},
		{"synchronous_commit", "local", 1, "synchronous_commit is local"},
		{"synchronous_commit", "remote_write", 1, "synchronous_commit is remote_write"},
		{"default_transaction_read_only", "on", 0, "read only"},
	} {
		t.Run(test.setting+"="+test.value, func(t *testing.T) {
			pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
				refuses(t, with(t, migrated(t, c), test.setting, test.value), test.standbys, test.says)
			})
		})
	}
}

// TestWeakServer is the same for what holds for a whole server, one after the
// other on one of the test's own.
func TestWeakServer(t *testing.T) {
	t.Parallel()
	own(t, nil, func(t *testing.T, c *pgtest.Cluster, url string) {
		s := open(t, url)
		for _, test := range []struct {
			setting, value, sound string
			standbys              int
			says                  string
		}{
			{"fsync", "off", "on", 0, "fsync is off"},
			{"full_page_writes", "off", "on", 0, "full_page_writes is off"},
			{standbyNames, "", "", 1, "waits for 0 standbys; 1 are asked for"},
			{standbyNames, "ANY 1 (a, b, c)", "", 2, "waits for 1 standbys; 2 are asked for"},
		} {
			c.Set(t, test.setting, test.value)
			refuses(t, url, test.standbys, test.says)
			c.Set(t, test.setting, test.sound)
		}
		open(t, url).Close()

		// A node that serves finds out with its next connection.
		c.Set(t, "fsync", "off")
		c.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'meterd'`)
		eventually(t, "the node stops", func() bool { return s.Err() != nil })
		if _, err := s.Append(t.Context(), call(record(1, 0, 1))); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("on a server that has become weak: got %v, want %v", err, store.ErrUnavailable)
		}
		c.Set(t, "fsync", "on")
		eventually(t, "the node serves again", func() bool { return s.Err() == nil })
		if _, err := s.Append(t.Context(), call(record(1, 0, 1))); err != nil {
			t.Errorf("on a server that is sound again: %v", err)
		}
	})
}

// TestRetriedSync is P9: a server that tries a failed sync again may take for
// written what is not.
func TestRetriedSync(t *testing.T) {
	own(t, map[string]string{"data_sync_retry": "on"}, func(t *testing.T, _ *pgtest.Cluster, url string) {
		refuses(t, url, 0, "data_sync_retry is on")
	})
}

// TestStandbyDecidesNothing is P5: a standby is refused, and passed over where the
// primary is listed, too.
func TestStandbyDecidesNothing(t *testing.T) {
	own(t, nil, func(t *testing.T, c *pgtest.Cluster, u string) {
		standby := c.Standby(t, "s1")
		there := onCluster(t, u, standby)
		if _, err := postgres.Open(t.Context(), postgres.Options{URL: there}); err == nil || !strings.Contains(err.Error(), "read only") {
			t.Errorf("a standby: got %v", err)
		}
		primary, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		other, err := url.Parse(there)
		if err != nil {
			t.Fatal(err)
		}
		primary.Host = other.Host + "," + primary.Host
		s := open(t, primary.String())
		first := record(1, 0, 1)
		// What the standby is given from now on, it does not show.
		standby.Exec(t, "SELECT pg_wal_replay_pause()")
		if _, err := s.Append(t.Context(), call(first)); err != nil {
			t.Fatalf("with the standby listed first: %v", err)
		}
		if out, err := s.Append(t.Context(), call(record(2, 0, 1))); err != nil || out.Holders[0].ID != first.ID {
			t.Errorf("a repeat: holders %v, error %v; want record %v", out.Holders, err, first.ID)
		}
		page, err := s.Records(t.Context(), store.RecordQuery{Account: seller, From: first.Key.Hour, To: first.Key.Hour + 1})
		if err != nil || len(page.Items) != 1 {
			t.Errorf("%d records are shown (error %v), want the one that was acknowledged", len(page.Items), err)
		}
	})
}

// refuses checks that a database is refused, and why.
func refuses(t *testing.T, url string, standbys int, says string) {
	t.Helper()
	s, err := postgres.Open(context.Background(), postgres.Options{URL: url, Standbys: standbys})
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want %q", err, says)
	}
}

// with adds a setting to a URL, for the sessions of whoever uses it.
func with(t *testing.T, to, setting, value string) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set(setting, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// TestUnprepared: a pool before the database that keeps no prepared statements is
// served by a setting of the connection string (operations.md), whatever is written
// and read.
func TestUnprepared(t *testing.T) {
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		url := migrated(t, c)
		for i, mode := range []string{"exec", "simple_protocol", "cache_describe"} {
			url := url + "&default_query_exec_mode=" + mode
			if _, err := postgres.Migrate(t.Context(), url, nil); err != nil {
				t.Fatalf("%s: %v", mode, err)
			}
			s := open(t, url)
			must := func(what string, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %s: %v", mode, what, err)
				}
			}
			r, plus := record(i+1, i, 1), call()
			plus.Records = append(plus.Records, r)
			plus.Token = &store.Token{Value: mode}
			plus.Admission = &store.Admission{Account: seller, Workload: mode, Product: "prod"}
			plus.Redemption = &store.Redemption{Token: [32]byte{byte(i)}, KeyID: "key"}
			plus.Registration = &store.RegistrationChange{Begin: &metering.Registration{
				ID: r.ID, Account: seller, Product: "prod", Workload: mode, Heartbeat: time.Hour, Started: noon(), LastSeen: noon(),
			}}
			plus.After = func(store.Outcome) (store.Rest, error) {
				return store.Rest{
					Bind:     &r.ID,
					Event:    &store.Event{ID: r.ID, Account: seller, Time: plus.At, Operation: "op", Records: []store.EventRecord{{ID: r.ID}}},
					Refusals: []store.Refusal{{ID: r.ID, Account: seller, Seller: seller, Time: noon()}},
				}, nil
			}
			for again := range 3 {
				plus.At = noon().Add(time.Duration(again) * time.Minute)
				out, err := s.Append(t.Context(), plus)
				must("Append", err)
				if again > 0 && (out.Answer == nil || *out.Answer != r.ID) {
					t.Errorf("%s: a repeat is answered with %v", mode, out.Answer)
				}
				plus.Registration.Begin.ID[0]++
			}
			_, err := s.Append(t.Context(), store.Call{Account: seller, At: noon(), Registration: &store.RegistrationChange{Stop: &r.ID}})
			must("Append of a stop", err)
			_, err = s.Put(t.Context(), store.Change{At: noon(), Entries: []store.Entry{&store.Account{ID: seller, Name: mode}}})
			must("Put", err)
			for cursor, n := "", 0; ; n++ {
				page, err := s.Export(t.Context(), cursor)
				must("Export", err)
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			for _, q := range []store.RecordQuery{{}, {Account: seller}, {Product: "prod"}, {Account: seller, Product: "prod", Party: r.Key.Party}} {
				q.To, q.Limit = r.Key.Hour+1, 1
				page, err := s.Records(t.Context(), q)
				must("Records", err)
				if page.Next != "" {
					q.Cursor = page.Next
					_, err = s.Records(t.Context(), q)
					must("Records", err)
				}
			}
			must("Expire", s.Expire(t.Context(), store.Expiry{Refusals: noon().Add(1), Tokens: noon().AddDate(0, 0, 1)}))
			must("Close", s.Close())
		}
	})
}
