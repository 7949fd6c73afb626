package awsapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/clock"
	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/embedded"
)

// The fixture's secret: every key of testdata/catalog.yaml has it.
const secret = "example-secret"

// The service's clock of the conformance vectors, and a true time that is not
// it, so that nothing can take one for the other unseen.
var (
	vectorsNow = time.Date(2026, 9, 15, 10, 30, 0, 0, time.UTC)
	trueNow    = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
)

// world is a service over a store of its own, behind real HTTP. Its clocks stand
// and its ids count, so that every answer is known beforehand.
type world struct {
	store *embedded.Store
	admin *admin.Service
	clock *clock.Clock // the service's
	truth *clock.Clock // what signatures and throttles go by
	api   *Service
	addr  string
	ids   atomic.Uint64
	calls sync.WaitGroup // that are being served
	close func()
}

// worldOptions are what a test wants otherwise.
type worldOptions struct {
	dir    string // of the store; "" is memory
	compat string // YAML of the catalogue's compat block
	now    time.Time
	limits caller.Limits
}

func newWorld(t testing.TB, o worldOptions) *world {
	t.Helper()
	db, err := embedded.Open(embedded.Options{Dir: o.dir})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{store: db, clock: clock.New(time.Now), truth: clock.New(time.Now)}
	if o.now.IsZero() {
		o.now = vectorsNow
	}
	w.clock.Set(o.now)
	w.truth.Set(trueNow)
	silent := slog.New(slog.DiscardHandler)
	w.admin = &admin.Service{Store: db, Clock: w.clock, Regions: metering.AWSRegions(), Log: silent, NewID: id.Source{Now: time.Now}.New}
	w.giveKeys(t, "sidecar", "freebox")
	if _, err := w.admin.Apply(context.Background(), fixture(), admin.Applying{}); err != nil {
		t.Fatal(err)
	}
	w.apply(t, []byte("compat: {"+strings.ReplaceAll(strings.TrimSpace(o.compat), "\n", ", ")+"}"))
	w.api = &Service{
		Store:    db,
		Callers:  caller.NewAuthenticator(db.Catalog(), w.truth.Now),
		Throttle: caller.NewThrottle(o.limits, w.truth.Now),
		Faults:   new(Faults),
		Regions:  metering.AWSRegions(),
		Now:      w.clock.Now, NewID: w.newID, Log: silent,
		ServesHost: func(host string) bool { return host != "elsewhere.example" },
	}
	handler := w.api.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		defer w.calls.Done()
		handler.ServeHTTP(rw, r)
	}))
	w.addr = server.Listener.Addr().String()
	w.close = sync.OnceFunc(func() {
		server.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.close)
	return w
}

// fixture is testdata/catalog.yaml, parsed.
var fixture = sync.OnceValue(func() *admin.Catalog {
	source, err := os.ReadFile("testdata/catalog.yaml")
	if err != nil {
		panic(err)
	}
	c, err := admin.ParseCatalog(source)
	if err != nil {
		panic(err)
	}
	return c
})

// newID counts.
func (w *world) newID() (id metering.ID) {
	binary.BigEndian.PutUint64(id[8:], w.ids.Add(1))
	return id
}

// apply applies a catalogue, or a part of one.
func (w *world) apply(t testing.TB, source []byte) {
	t.Helper()
	c, err := admin.ParseCatalog(source)
	if err == nil {
		_, err = w.admin.Apply(context.Background(), c, admin.Applying{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// firstKey is version 1 of every container product's key: making one takes long.
var firstKey = sync.OnceValue(func() []byte {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return der
})

func (w *world) giveKeys(t testing.TB, products ...metering.ProductCode) {
	t.Helper()
	var c store.Change
	for _, p := range products {
		c.Entries = append(c.Entries, &store.SigningKey{Product: p, Version: 1, Private: firstKey(), Created: w.clock.Now()})
	}
	if _, err := w.store.Put(context.Background(), c); err != nil {
		t.Fatal(err)
	}
}

// products lists the codes of all products.
func (w *world) products() (codes []metering.ProductCode) {
	for e := range w.store.Catalog().All(store.KindProduct) {
		codes = append(codes, metering.ProductCode(e.Ref().Name))
	}
	return codes
}

// records are all records there are, by id. The books must balance.
func (w *world) records(t testing.TB) (all []metering.Record) {
	t.Helper()
	var books metering.Books
	for _, code := range w.products() {
		q := store.RecordQuery{Product: code, From: -1 << 31, To: 1<<31 - 1}
		for {
			page, err := w.store.Records(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			for i := range page.Items {
				if err := books.Add(&page.Items[i]); err != nil {
					t.Error(err)
				}
			}
			all = append(all, page.Items...)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	slices.SortFunc(all, func(a, b metering.Record) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return all
}

// registrations are all registrations there are, by id.
func (w *world) registrations(t testing.TB) (all []metering.Registration) {
	t.Helper()
	for _, code := range w.products() {
		page, err := w.store.Registrations(context.Background(), store.RegistrationQuery{Product: code})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Items...)
	}
	slices.SortFunc(all, func(a, b metering.Registration) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return all
}

// do sends a call over a connection of its own and reads the answer.
func (w *world) do(t testing.TB, c *call) (*http.Response, []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	response, body, err := c.send(conn, w.truth.Now())
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.uri, err)
	}
	return response, body
}

// handle gives a signed call to the handler without a network between.
func (w *world) handle(t testing.TB, c *call) (int, []byte) {
	t.Helper()
	if err := c.sign(w.truth.Now()); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(c.method, c.uri, bytes.NewReader(c.body))
	r.Host, r.Header = c.host, c.header
	answer := httptest.NewRecorder()
	w.api.Handler().ServeHTTP(answer, r)
	return answer.Code, answer.Body.Bytes()
}

// post sends a signed call of an operation in us-east-1.
func (w *world) post(t testing.TB, operation, key, body string) (status int, answer string) {
	t.Helper()
	c := newCall("POST", operation, key, "us-east-1")
	c.body = []byte(body)
	response, b := w.do(t, c)
	return response.StatusCode, string(b)
}

// batchOf is the body of a batch of records, each of buyer A for the product
// scanner, by its license.
func batchOf(records ...string) string {
	return `{"UsageRecords":[` + strings.Join(records, ",") + `]}`
}

func recordOf(at time.Time, dimension string, quantity int) string {
	return fmt.Sprintf(`{"Timestamp":%d,"CustomerAWSAccountId":"111122223333","LicenseArn":"arn:aws:license-manager::294406891311:license:l-0a01","Dimension":%q,"Quantity":%d}`,
		at.Unix(), dimension, quantity)
}
