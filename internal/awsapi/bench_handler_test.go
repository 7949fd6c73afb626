//go:build unix

package awsapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/id"
	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/session"
	"github.com/meterd/meterd/internal/store"
)

// BenchmarkHandler is what the server does of a call in front of the store, and
// with it: the handler alone, without a network or a client's work. Requests are
// made and signed beforehand.
func BenchmarkHandler(b *testing.B) {
	for _, tt := range []struct {
		operation, key string
		body           func(n int) []byte
	}{
		{"BatchMeterUsage", "AKIASELLERACME001", batchBody},
		{"MeterUsage", "AKIARUNTIME000001", meterBody},
	} {
		b.Run(tt.operation+"/front", func(b *testing.B) {
			w := newBenchWorld(b)
			w.api.Store = agreeable{w.store}
			handler := w.api.Handler()
			r := newPrepared(b, w, tt.operation, tt.key, tt.body(0))
			b.SetBytes(int64(len(r.sent)))
			b.ReportAllocs()
			began := spent()
			for b.Loop() {
				r.serve(b, handler)
			}
			b.ReportMetric(float64(spent()-began)/float64(b.N), "cpu-ns/op")
		})
		b.Run(tt.operation+"/memory", func(b *testing.B) {
			w := newBenchWorld(b)
			handler := w.api.Handler()
			requests := make([]*prepared, b.N)
			for n := range requests {
				requests[n] = newPrepared(b, w, tt.operation, tt.key, tt.body(n))
			}
			var served atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(16)
			began := spent()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n := int(served.Add(1)) - 1
					if n%benchPerHour == 0 {
						w.clock.Set(vectorsNow.Add(time.Duration(n/benchPerHour+1) * time.Hour)) // ahead of those that will report the next hour
					}
					requests[n].serve(b, handler)
				}
			})
			b.ReportMetric(float64(spent()-began)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkGate is the same batch by callers of every kind: an account's own key,
// a key with a policy, one whose policy asks for the product, and a session with a
// session policy.
func BenchmarkGate(b *testing.B) {
	for _, kind := range []string{"root", "policy", "product", "session"} {
		b.Run(kind, func(b *testing.B) {
			w := newBenchWorld(b)
			w.api.Store = agreeable{w.store}
			w.giveSessionKey(b)
			condition := ""
			if kind == "product" {
				condition = `,"Condition":{"ForAllValues:StringEquals":{"meterd:ProductCode":"scanner"}}`
			}
			document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["aws-marketplace:ResolveCustomer","aws-marketplace:BatchMeterUsage"],"Resource":"*"` + condition + `}]}`
			role := &store.Role{Account: "210987654321", Name: "meter", ID: "AROA", Policies: []string{"p"}}
			w.put(b, &store.Policy{Name: "p", Document: document}, role)
			const key = "AKIASELLERACME001"
			sign := func(*call) {}
			switch kind {
			case "policy", "product":
				w.grant(b, key, "p", "web")
			case "session":
				made := w.issue(b, session.Claims{Account: role.Account, Role: roleOf(role), SessionName: "s", Source: session.AssumeRole, Policy: []byte(document)}, time.Hour)
				sign = func(c *call) { c.as(made) }
			}
			handler := w.api.Handler()
			r := newPreparedBy(b, w, "BatchMeterUsage", key, batchBody(0), sign)
			b.ReportAllocs()
			began := spent()
			for b.Loop() {
				r.serve(b, handler)
			}
			b.ReportMetric(float64(spent()-began)/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkShapes is a batch's way in and out: its body read, and its answer
// written.
func BenchmarkShapes(b *testing.B) {
	body := batchBody(0)
	b.Run("decode", func(b *testing.B) {
		had := new(scratch)
		b.ReportAllocs()
		began := spent()
		for b.Loop() {
			in := new(batchMeterUsageInput)
			in.use(had)
			if err := jsonWire.decode(body, in); err != nil {
				b.Fatal(err)
			}
			clear(had.records[:maxRecords])
		}
		b.ReportMetric(float64(spent()-began)/float64(b.N), "cpu-ns/op")
	})
	b.Run("encode", func(b *testing.B) {
		in, out := new(batchMeterUsageInput), new(batchMeterUsageOutput)
		if err := jsonWire.decode(body, in); err != nil {
			b.Fatal(err)
		}
		for i := range in.records {
			out.results = append(out.results, usageRecordResult{record: &in.records[i], status: metering.Success})
		}
		b.ReportAllocs()
		began := spent()
		var answer []byte
		for b.Loop() {
			var err error
			if answer, err = jsonWire.encode(out, answer); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(spent()-began)/float64(b.N), "cpu-ns/op")
	})
}

// spent is the time that the process has had on a processor, which says more than
// the clock on a machine that does other work.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// agreeable is a store that keeps nothing: every record of a call takes its key.
type agreeable struct{ store.Store }

func (agreeable) Append(_ context.Context, c store.Call) (store.Outcome, error) {
	out := store.Outcome{Holders: make([]*metering.Record, len(c.Records))}
	for i := range c.Records {
		out.Holders[i] = &c.Records[i]
	}
	_, err := c.After(out)
	return out, err
}

// newBenchWorld is a world with buyers enough, and ids as the server makes them.
func newBenchWorld(b *testing.B) *world {
	w := newWorld(b, worldOptions{})
	w.api.NewID = id.Source{Now: time.Now}.New
	giveAgreements(b, w)
	return w
}

// prepared is a request that can be served again and again, and its answer.
type prepared struct {
	http.Request
	sent   []byte
	reader bytes.Reader
	header http.Header
	status int
	answer []byte
}

func newPrepared(b *testing.B, w *world, operation, key string, body []byte) *prepared {
	return newPreparedBy(b, w, operation, key, body, func(*call) {})
}

func newPreparedBy(b *testing.B, w *world, operation, key string, body []byte, by func(*call)) *prepared {
	c := newCall("POST", operation, key, "us-east-1")
	c.body = body
	by(c)
	if err := c.sign(w.truth.Now()); err != nil {
		b.Fatal(err)
	}
	// What the SDKs send besides, none of it signed.
	c.header.Set("User-Agent", "aws-sdk-go-v2/1.42.0 ua/2.1 os/linux lang/go#1.26.8 md/GOOS#linux md/GOARCH#amd64 api/marketplacemetering#1.45.0")
	c.header.Set("Amz-Sdk-Invocation-Id", "1b7a9f0e-6a1c-4b37-9c2b-6f4a9e0d2c11")
	c.header.Set("Amz-Sdk-Request", "attempt=1; max=3")
	c.header.Set("Accept-Encoding", "identity")
	r := &prepared{sent: body}
	r.Request = http.Request{Method: "POST", ProtoMajor: 1, RequestURI: "/", Host: c.host, Header: c.header, ContentLength: int64(len(body)), Body: io.NopCloser(&r.reader)}
	return r
}

func (r *prepared) serve(b *testing.B, handler http.Handler) {
	r.reader.Reset(r.sent)
	r.status, r.answer, r.header = 0, r.answer[:0], make(http.Header) // as net/http makes one for each
	handler.ServeHTTP(r, &r.Request)
	if r.status != http.StatusOK || bytes.Contains(r.answer, []byte("Duplicate")) || bytes.Contains(r.answer, []byte("NotSubscribed")) {
		b.Errorf("%d %.300s", r.status, r.answer)
	}
}

func (r *prepared) Header() http.Header    { return r.header }
func (r *prepared) WriteHeader(status int) { r.status = status }
func (r *prepared) Write(p []byte) (int, error) {
	r.answer = append(r.answer, p...)
	return len(p), nil
}
