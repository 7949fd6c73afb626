package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

// node is a server of the demo's catalogue over PostgreSQL, behind a proxy that can
// hold COMMIT up.
func node(t *testing.T, c *pgtest.Cluster) (*server, *pgtest.Proxy) {
	t.Helper()
	url := c.Schema(t)
	if _, err := postgres.Migrate(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
	p := pgtest.NewProxy(t, c)
	db, err := postgres.Open(t.Context(), postgres.Options{URL: p.URL(t, url)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := newServer(db, slog.New(slog.DiscardHandler), "", nil)
	s.drainTimeout = 10 * time.Second
	catalog, err := admin.ParseCatalog(demoCatalog)
	if err == nil {
		_, err = s.admin.Apply(t.Context(), catalog, admin.Applying{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

// ask sends a batch over a connection of its own, and returns it.
func ask(t *testing.T, address, body string) net.Conn {
	t.Helper()
	req, err := signedRequest("http://"+address, "AKIAMETERDSELLER0001", demoSecret, "BatchMeterUsage", body)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answered reads the answer to a batch.
func answered(t *testing.T, conn net.Conn) (status int, body string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// demoRecords are all records of the demo's first product.
func demoRecords(t *testing.T, s *server) []metering.Record {
	t.Helper()
	page, err := s.store.Records(t.Context(), store.RecordQuery{Product: "demo-saas", To: metering.HourOf(time.Now()) + 1})
	if err != nil {
		t.Fatal(err)
	}
	return page.Items
}

// TestAnswerIsDurable is reliability.md's H1: not a byte of the answer is sent
// before the record is committed.
func TestAnswerIsDurable(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		s, p := node(t, c)
		address := startServer(t, s)
		release := p.HoldCommits()
		conn := ask(t, address, demoBatch(5))
		p.AwaitHeld(1)
		_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Fatalf("%d bytes of the answer came before COMMIT (error %v)", n, err)
		}
		release()
		if status, body := answered(t, conn); status != http.StatusOK || !strings.Contains(body, `"Status":"Success"`) {
			t.Errorf("after COMMIT: %d %s", status, body)
		}
	})
}

// TestClientThatHangsUp is H2: a client that goes away while its record is being
// committed stops nothing; whoever asks again finds it.
func TestClientThatHangsUp(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		s, p := node(t, c)
		address := startServer(t, s)
		release := p.HoldCommits()
		body := demoBatch(5)
		conn := ask(t, address, body)
		p.AwaitHeld(1)
		_ = conn.Close()
		time.Sleep(100 * time.Millisecond) // for the server to notice
		release()
		var found []metering.Record
		for deadline := time.Now().Add(10 * time.Second); len(found) == 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			found = demoRecords(t, s)
		}
		if len(found) != 1 {
			t.Fatalf("%d records, want the one whose client hung up", len(found))
		}
		if status, answer := answered(t, ask(t, address, body)); status != http.StatusOK || !strings.Contains(answer, found[0].ID.String()) {
			t.Errorf("asked again: %d %s, want id %s", status, answer, found[0].ID)
		}
	})
}

// TestStopFinishesWhatHasBegun is H3: a node that is told to stop takes no new
// connection, answers what it has begun, and ends.
func TestStopFinishesWhatHasBegun(t *testing.T) {
	if idle := 60 * time.Second; idleTimeout <= idle {
		t.Errorf("idle connections are closed after %v, before a load balancer that waits %v would", idleTimeout, idle)
	}
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		s, p := node(t, c)
		listener := loopback(t)
		ctx, stop := context.WithCancel(t.Context())
		ended, started := make(chan error, 1), make(chan struct{})
		go func() { ended <- s.serve(ctx, listener, func() { close(started) }) }()
		<-started
		release := p.HoldCommits()
		conn := ask(t, listener.Addr().String(), demoBatch(5))
		p.AwaitHeld(1)
		stop()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			other, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				break
			}
			_ = other.Close()
			if time.Now().After(deadline) {
				t.Fatal("new connections are taken while it stops")
			}
		}
		release()
		if status, body := answered(t, conn); status != http.StatusOK || !strings.Contains(body, `"Status":"Success"`) {
			t.Errorf("what had begun: %d %s", status, body)
		}
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
}

// TestUnavailableIs503: a node that cannot reach its database says so in a way that
// SDKs try again, to every operation, ends no process, and is not ready.
func TestUnavailableIs503(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		s, p := node(t, c)
		s.ready.Store(true)
		h := s.handler()
		if status := post(t, h, "BatchMeterUsage", demoBatch(5)); status != http.StatusOK {
			t.Fatalf("while the database is there: %d", status)
		}
		p.Refuse(true)
		p.Cut()
		for _, operation := range []string{"BatchMeterUsage", "MeterUsage", "RegisterUsage", "ResolveCustomer"} {
			if status := post(t, h, operation, demoBatch(5)); status != http.StatusServiceUnavailable {
				t.Errorf("%s: %d, want 503", operation, status)
			}
		}
		if err := s.failed(); err != nil {
			t.Errorf("the process would end: %v", err)
		}
		if text, ok := s.verbose(); ok || !strings.Contains(text, "[-] store: the database is out of reach; the log says why") {
			t.Errorf("/readyz says\n%s", text)
		}
		p.Refuse(false)
		for deadline := time.Now().Add(10 * time.Second); post(t, h, "BatchMeterUsage", demoBatch(5)) != http.StatusOK; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it does not serve again")
			}
		}
	})
}

// TestTextsThatSQLCannotKeep is P8: U+0000 is legal in JSON and not in SQL. A call
// with it is the caller's mistake, and no other is harmed.
func TestTextsThatSQLCannotKeep(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		s, _ := node(t, c)
		h := s.handler()
		for what, body := range map[string]string{
			"a dimension": strings.Replace(demoBatch(5), "scans", `sca\u0000ns`, 1),
			"a license":   strings.Replace(demoBatch(5), "l-0d3e", `l-\u00000d3e`, 1),
			"a tag":       strings.Replace(demoBatch(5), `"Quantity":5`, `"Quantity":5,"UsageAllocations":[{"AllocatedUsageQuantity":5,"Tags":[{"Key":"a\u0000","Value":"b"}]}]`, 1),
		} {
			if status := post(t, h, "BatchMeterUsage", body); status != http.StatusBadRequest {
				t.Errorf("%s with U+0000: %d, want 400", what, status)
			}
		}
		if status := post(t, h, "BatchMeterUsage", demoBatch(5)); status != http.StatusOK {
			t.Errorf("after them: %d", status)
		}
		if n := len(demoRecords(t, s)); n != 1 {
			t.Errorf("%d records, want 1", n)
		}
	})
}

// TestDatabaseURL: a password is shown nowhere.
func TestDatabaseURL(t *testing.T) {
	for url, want := range map[databaseURL]string{
		"": "", "postgres://h/d": "postgres://h/d", "postgres://u@h:5432/d": "postgres://u@h:5432/d",
		"postgres://u:s3cret@h/d":                        "postgres://u:xxx@h/d",
		"postgresql://u:s3cret@h1:1,h2:2/d?sslmode=off":  "postgresql://u:xxx@h1:1,h2:2/d?sslmode=off",
		"postgres://h/d?user=u&password=s3cret&x=y":      "postgres://h/d?user=u&password=xxx&x=y",
		"postgres://h/d?sslpassword=s3cret":              "postgres://h/d?sslpassword=xxx",
		"postgres://u:s3cret@h/d?password=s3cret":        "postgres://u:xxx@h/d?password=xxx",
		"postgres://u:s3cret%40x@h/d?application_name=a": "postgres://u:xxx@h/d?application_name=a",
		"postgres://u:x@s3cret@h/d":                      "postgres://u:xxx@h/d",
		"postgres://u@server:s3cret@h/d":                 "postgres://u@server:xxx@h/d",
		"postgres://u@h1:1,h2:2/d":                       "postgres://u@h1:1,h2:2/d",
		"postgres://u:s3cret@h?application_name=a@b":     "postgres://u:xxx@h?application_name=a@b",
	} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("ready", "data", url)
		for _, got := range []string{url.String(), fmt.Sprint(url), fmt.Sprintf("%s %v", url, url)} {
			if strings.Contains(got, "s3cret") || !strings.Contains(got, want) {
				t.Errorf("shown as %q, want %q", got, want)
			}
		}
		if strings.Contains(log.String(), "s3cret") {
			t.Errorf("logged as %s", &log)
		}
	}
}
