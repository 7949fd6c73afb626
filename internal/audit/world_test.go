package audit_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/audit"
	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
	"github.com/meterd/meterd/internal/store/postgres"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const (
	seller = metering.AccountID("210987654321")
	buyer  = metering.AccountID("111122223333")
	region = "us-east-1"
)

func noon() time.Time { return time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC) }

// engine is a kind of store.
type engine struct {
	// begin makes an empty one, which can be opened again.
	begin func(t *testing.T) (open func() store.Store)
	// rewrite makes one that holds these items: what an operator makes of it who knows
	// how rows are written, checksums and indexes too.
	rewrite func(t *testing.T, items []store.Item) store.Store
	some    int     // one in so many things is tried
	at      *string // is told where a database was written; nil: nobody asks
}

// inMemory is the embedded engine, over a disk in memory.
func inMemory() engine {
	e := engine{some: 1}
	e.begin = func(t *testing.T) func() store.Store {
		disk := vfs.NewMem()
		return func() store.Store {
			s, err := embedded.Open(embedded.Options{Dir: "data", FS: disk})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	e.rewrite = func(t *testing.T, items []store.Item) store.Store {
		t.Helper()
		open := e.begin(t)
		s := open()
		bring(t, s, items)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open()
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	return e
}

func bring(t *testing.T, s store.Store, items []store.Item) {
	t.Helper()
	err := s.Import(t.Context(), items, "all")
	if err == nil {
		err = s.Import(t.Context(), nil, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inDatabase is the engine over a cluster of PostgreSQL. One database is written
// anew as often as is asked for.
func inDatabase(c *pgtest.Cluster) engine {
	e := engine{some: 9}
	begin := func(t *testing.T) (url string, open func() store.Store) {
		url = c.Schema(t)
		if _, err := postgres.Migrate(t.Context(), url, nil); err != nil {
			t.Fatal(err)
		}
		return url, func() store.Store {
			s, err := postgres.Open(context.Background(), postgres.Options{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	}
	e.begin = func(t *testing.T) func() store.Store {
		_, open := begin(t)
		return open
	}
	var s store.Store
	var url string
	e.at = &url
	e.rewrite = func(t *testing.T, items []store.Item) store.Store {
		t.Helper()
		if s == nil {
			var open func() store.Store
			url, open = begin(t)
			s = open()
			t.Cleanup(func() { _ = s.Close() })
		}
		execute(t, url, "TRUNCATE event, record, chain, trail_digest")
		bring(t, s, items)
		return s
	}
	return e
}

// execute runs SQL as an operator of the database could.
func execute(t *testing.T, url, sql string, args ...any) int64 {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tag, err := conn.Exec(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return tag.RowsAffected()
}

// world is a store that calls were made to.
type world struct {
	t    *testing.T
	open func() store.Store
	s    store.Store
	now  time.Time
	ids  id.Source
	n    int
}

func newWorld(t *testing.T, e engine) *world {
	w := &world{t: t, open: e.begin(t), now: noon()}
	w.ids.Now = func() time.Time { return w.now }
	w.s = w.open()
	t.Cleanup(func() { w.close() })
	return w
}

func (w *world) close() {
	if err := w.s.Close(); err != nil {
		w.t.Error(err)
	}
}

// reopen ends a process and starts another.
func (w *world) reopen() {
	w.t.Helper()
	w.close()
	w.s = w.open()
}

// seal makes a digest, an hour later.
func (w *world) seal() store.TrailDigest {
	w.t.Helper()
	w.now = w.now.Add(time.Hour)
	d, ok, err := w.s.Seal(w.t.Context(), w.now)
	if err != nil || !ok {
		w.t.Fatalf("a digest: made %t, error %v", ok, err)
	}
	w.now = w.now.Add(time.Hour)
	return d
}

// calls makes n calls of all sorts, a second apart.
func (w *world) calls(n int) {
	w.t.Helper()
	for range n {
		w.now = w.now.Add(time.Second)
		w.n++
		if err := w.call(w.n); err != nil {
			w.t.Fatal(err)
		}
	}
}

// call is one of six sorts: two records of a batch, one by license, one of a
// workload, one of a runtime, a repeat, and a refusal.
func (w *world) call(n int) error {
	ev := &store.Event{ID: w.ids.New(), Time: w.now, Account: seller, Operation: metering.BatchMeterUsage, RequestID: w.ids.New(), Region: region, SourceIP: "192.0.2.1", Product: "p"}
	ev.Caller = store.EventCaller{ARN: "arn:aws:iam::210987654321:root", KeyID: "AKIAMETERDSELLER0001"}
	c := store.Call{Account: seller, Region: region, At: w.now}
	make1 := func(kind metering.KeyKind, dimension, license string) {
		r := store.EventRecord{Kind: kind, ID: w.ids.New(), Timestamp: w.now.Truncate(time.Hour), Dimension: dimension, Quantity: int32(n), Buyer: buyer, LicenseARN: license}
		var allocations []metering.Allocation
		if n%2 == 0 {
			allocations = []metering.Allocation{{Quantity: int32(n), Tags: []metering.Tag{{Key: "team", Value: "a"}}}}
		}
		r.Allocations, r.AllocationsSum = len(allocations), store.SumAllocations(allocations)
		ev.Records = append(ev.Records, r)
		made, _ := ev.Made(len(ev.Records) - 1)
		made.Allocations = allocations
		c.Records = append(c.Records, made)
	}
	dimension := fmt.Sprint("d", n)
	switch n % 6 {
	case 0:
		make1(metering.KindLegacy, dimension, "")
		make1(metering.KindLegacy, dimension+"b", "")
	case 1:
		make1(metering.KindLicense, dimension, "arn:aws:license-manager::294406891311:license:l-1")
	case 2, 3:
		ev.Operation, ev.Account, c.Account = metering.MeterUsage, buyer, buyer
		ev.Caller.Workload, ev.Caller.Platform = "i-0abc", metering.PlatformEC2
		make1([]metering.KeyKind{metering.KindResource, metering.KindRuntime}[n%2], dimension, "")
	case 4: // the key is held: nothing is made
		make1(metering.KindLegacy, "held", "")
	case 5:
		ev.Operation, ev.Error, ev.Message = metering.ResolveCustomer, "InvalidTokenException", "no"
	}
	c.After = func(out store.Outcome) (store.Rest, error) {
		for i, holder := range out.Holders {
			if r := &ev.Records[i]; holder.ID != r.ID {
				r.ID, r.Kind, r.AllocationsSum = holder.ID, 0, [32]byte{}
			}
			ev.Records[i].Status = metering.Success
		}
		return store.Rest{Event: ev}, nil
	}
	_, err := w.s.Append(w.t.Context(), c)
	return err
}

// items are all that a store holds.
func (w *world) items() []store.Item {
	w.t.Helper()
	var all []store.Item
	for cursor := ""; ; {
		page, err := w.s.Export(w.t.Context(), cursor)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

func verify(t *testing.T, s store.Store) *audit.Report {
	t.Helper()
	r, err := audit.Verify(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sound(t *testing.T, what string, s store.Store) *audit.Report {
	t.Helper()
	r := verify(t, s)
	for _, f := range r.Findings {
		t.Errorf("%s: %+v", what, f)
	}
	return r
}

// kinds are those of a report's findings.
func kinds(r *audit.Report) []audit.Kind {
	var all []audit.Kind
	for _, f := range r.Findings {
		if !slices.Contains(all, f.Kind) {
			all = append(all, f.Kind)
		}
	}
	return all
}

// hiding is a store whose one list has lost its first event: no index of a real one
// can be told to.
type hiding struct {
	store.Store
	list store.EventQuery
}

func (h hiding) Events(ctx context.Context, q store.EventQuery) (store.Page[store.Event], error) {
	page, err := h.Store.Events(ctx, q)
	if q.Cursor == "" && q.Account == h.list.Account && q.Operation == h.list.Operation {
		page.Items = page.Items[1:]
	}
	return page, err
}
