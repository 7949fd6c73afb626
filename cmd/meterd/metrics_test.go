package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/admin"
)

// newDemoServer is a server over the demo catalogue.
func newDemoServer(t *testing.T) *server {
	t.Helper()
	s := newTestServer(t)
	catalog, err := admin.ParseCatalog(demoCatalog)
	if err == nil {
		_, err = s.admin.Apply(t.Context(), catalog, admin.Applying{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// post sends a signed call to a handler.
func post(t *testing.T, h http.Handler, operation, body string, headers ...string) int {
	t.Helper()
	r, err := signedRequest("http://localhost", "AKIAMETERDSELLER0001", demoSecret, operation, body)
	if err != nil {
		t.Fatal(err)
	}
	r.RequestURI = "/"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// demoBatch is a batch of one record of this hour.
func demoBatch(quantity int) string {
	return fmt.Sprintf(`{"UsageRecords":[{"Timestamp":%d,"CustomerAWSAccountId":"111122223333","LicenseArn":"arn:aws:license-manager::294406891311:license:l-0d3e0a5aa5","Dimension":"scans","Quantity":%d}]}`,
		time.Now().Unix(), quantity)
}

// TestMetrics: what was done is counted, under labels of which there are only so
// many, whatever is sent.
func TestMetrics(t *testing.T) {
	s := newDemoServer(t)
	m := newMetrics()
	m.follow(s)
	s.watch(m, nil)
	s.ready.Store(true)
	h := s.handler()
	post(t, h, "BatchMeterUsage", demoBatch(5))
	post(t, h, "BatchMeterUsage", demoBatch(5))
	post(t, h, "BatchMeterUsage", demoBatch(6))
	post(t, h, "BatchMeterUsage", "{")
	for i := range 50 {
		post(t, h, fmt.Sprintf("Invented%d", i), "{}")
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/favicon.ico", nil))

	scrape := func() string {
		w := httptest.NewRecorder()
		m.handler(s).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return w.Body.String()
	}
	text := scrape()
	for _, want := range []string{
		`meterd_calls_total{operation="BatchMeterUsage",outcome="Success"} 3`,
		`meterd_calls_total{operation="BatchMeterUsage",outcome="SerializationException"} 1`,
		`meterd_calls_total{operation="unknown",outcome="UnknownOperationException"} 51`,
		`meterd_call_duration_seconds_count{operation="BatchMeterUsage"} 4`,
		`meterd_call_duration_seconds_count{operation="unknown"} 51`,
		`meterd_records_total{status="Success"} 2`,
		`meterd_records_total{status="DuplicateRecord"} 1`,
		`meterd_records_total{status="CustomerNotSubscribed"} 0`,
		`meterd_ready 1`,
		`meterd_connections_refused_total 0`,
		`meterd_trail_seal_failures_total 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(text, "Invented") || strings.Contains(text, "favicon") {
		t.Error("a label has what a caller sent")
	}
	if strings.Contains(text, "certificate") {
		t.Error("a certificate's end is told where there is no TLS")
	}
	s.ready.Store(false)
	m.refused.Inc()
	if text := scrape(); !strings.Contains(text, "meterd_ready 0\n") || !strings.Contains(text, "meterd_connections_refused_total 1\n") {
		t.Error("what the server knows is not followed")
	}
	w := httptest.NewRecorder()
	m.handler(s).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/admin/v1/records", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("the metrics' port answers %d for the operator's door", w.Code)
	}
}
