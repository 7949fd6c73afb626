package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TestTracing sends calls through a server that traces, to a collector that is
// one: the span's name, parent and attributes, the service's name, and nothing
// of the headers or the body.
func TestTracing(t *testing.T) {
	var mu sync.Mutex
	var raw bytes.Buffer
	var spans []*tracepb.Span
	service := ""
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var batch collectorpb.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(b, &batch)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		mu.Lock()
		defer mu.Unlock()
		raw.Write(b)
		for _, of := range batch.GetResourceSpans() {
			for _, a := range of.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					service = a.GetValue().GetStringValue()
				}
			}
			for _, scope := range of.GetScopeSpans() {
				spans = append(spans, scope.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	clearTracing(t)
	t.Setenv(endpointVariable, collector.URL)
	log := slog.New(slog.DiscardHandler)
	traces, err := newTracing(t.Context(), log)
	if err != nil || traces == nil {
		t.Fatal(traces, err)
	}
	s := newDemoServer(t)
	s.watch(newMetrics(), traces)
	h := s.handler()
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	post(t, h, "BatchMeterUsage", demoBatch(71717171), "Traceparent", "00-"+trace+"-"+parent+"-01", "X-Canary", "canary-header")
	post(t, h, "BatchMeterUsage", `{"canary-body`)
	post(t, h, "CanaryTarget", "{}")
	traces.flush(t.Context(), log)

	mu.Lock()
	defer mu.Unlock()
	if len(spans) != 3 || service != "meterd" {
		t.Fatalf("%d spans of service %q", len(spans), service)
	}
	for i, want := range []struct{ name, outcome, account string }{
		{"BatchMeterUsage", "Success", "210987654321"},
		{"BatchMeterUsage", "SerializationException", "210987654321"},
		{"unknown", "UnknownOperationException", ""},
	} {
		got := make(map[string]string)
		for _, a := range spans[i].GetAttributes() {
			got[a.GetKey()] = a.GetValue().GetStringValue()
		}
		if spans[i].GetName() != want.name || got["meterd.outcome"] != want.outcome || got["meterd.account"] != want.account || len(got["aws.request_id"]) != 36 {
			t.Errorf("span %d: %s %v, want %v", i, spans[i].GetName(), got, want)
		}
		if spans[i].GetKind() != tracepb.Span_SPAN_KIND_SERVER {
			t.Errorf("span %d is %s", i, spans[i].GetKind())
		}
	}
	if id, from := fmt.Sprintf("%x", spans[0].GetTraceId()), fmt.Sprintf("%x", spans[0].GetParentSpanId()); id != trace || from != parent {
		t.Errorf("trace %s, parent %s", id, from)
	}
	for _, secret := range []string{"canary", "Canary", "AWS4-HMAC", "Signature", "71717171", "AKIAMETERD", demoSecret} {
		if bytes.Contains(raw.Bytes(), []byte(secret)) {
			t.Errorf("%q was sent to the collector", secret)
		}
	}
}

func clearTracing(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		endpointVariable, traceEndpointVariable, protocolVariable, traceProtocolVariable,
		"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER",
	} {
		t.Setenv(name, "")
	}
}

// TestTracingIsAskedFor: nothing is built unless a variable names a collector.
func TestTracingIsAskedFor(t *testing.T) {
	const url = "http://127.0.0.1:9"
	for _, test := range []struct {
		environ map[string]string
		built   bool
	}{
		{nil, false},
		{map[string]string{endpointVariable: url}, true},
		{map[string]string{traceEndpointVariable: url}, true},
		{map[string]string{endpointVariable: url, "OTEL_SDK_DISABLED": "TRUE"}, false},
		{map[string]string{endpointVariable: url, "OTEL_TRACES_EXPORTER": "none"}, false},
		{map[string]string{"OTEL_SERVICE_NAME": "x"}, false},
	} {
		clearTracing(t)
		for name, value := range test.environ {
			t.Setenv(name, value)
		}
		traces, err := newTracing(t.Context(), slog.New(slog.DiscardHandler))
		if err != nil || (traces != nil) != test.built {
			t.Errorf("%v: built %v, %v", test.environ, traces != nil, err)
		}
		if traces != nil {
			traces.flush(t.Context(), slog.New(slog.DiscardHandler))
		}
	}
}
