package main

import (
	"cmp"
	"context"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/meterd/meterd/internal/awsapi"
	"github.com/meterd/meterd/internal/metering"
)

// metrics are what Prometheus reads. Every label has a bounded number of values:
// none is taken from what a caller sent.
type metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	records  *prometheus.CounterVec
	refused  prometheus.Counter

	trailEvents, trailFailures prometheus.Counter
	trailUpTo                  prometheus.Gauge
}

// unknownOperation is the label of requests that named none of ours.
const unknownOperation = "unknown"

// buckets are of seconds: from a refusal, which takes no disk, to the write
// timeout.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "meterd_calls_total", Help: "Calls of the API, by operation and by outcome: Success, or the exception's name.",
		}, []string{"operation", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "meterd_call_duration_seconds", Help: "How long calls took, from their headers to their answer, by operation.", Buckets: buckets,
		}, []string{"operation"}),
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "meterd_records_total", Help: "Usage records that were answered, by status; a repeat counts again.",
		}, []string{"status"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "meterd_connections_refused_total", Help: "Connections closed at once, because their address had as many as it may.",
		}),
	}
	m.trailEvents = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "meterd_trail_files_events_total", Help: "Events that were written into files, by this node or found written by another.",
	})
	m.trailFailures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "meterd_trail_files_failures_total", Help: "How often the trail could not be written into files; it is tried again.",
	})
	m.trailUpTo = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "meterd_trail_files_timestamp_seconds", Help: "Up to when all events are in files, in Unix time; 0 before the first, and without trail_files.",
	})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "meterd_build_info", Help: "1, with the version of meterd and of the Go it was built with.",
		ConstLabels: prometheus.Labels{"version": version(), "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.calls, m.seconds, m.records, m.refused, m.trailEvents, m.trailFailures, m.trailUpTo, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// What has not happened yet is zero, and not absent: alerts compare.
	for _, status := range []metering.Status{metering.Success, metering.DuplicateRecord, metering.CustomerNotSubscribed} {
		m.records.WithLabelValues(string(status))
	}
	return m
}

// follow adds what the server itself knows.
func (m *metrics) follow(s *server) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "meterd_ready", Help: "1 while /readyz says yes, 0 while it does not.",
	}, func() float64 {
		if s.unready() != nil {
			return 0
		}
		return 1
	}))
	m.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "meterd_trail_seal_failures_total", Help: "Digests of the trail that could not be made.",
		}, func() float64 { return float64(s.sealing.failures.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "meterd_trail_sealed_timestamp_seconds", Help: "When all events were last known to be in a digest of the trail, in Unix time; 0: not yet.",
		}, func() float64 { return float64(s.sealing.last.Load()) }))
	if s.certificate == nil {
		return
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "meterd_certificate_expiry_timestamp_seconds", Help: "When the certificate that is served expires, in Unix time; absent without TLS.",
	}, func() float64 { return float64(s.certificate.expires().Unix()) }))
}

// beganKey is where a request's context has the time it began.
type beganKey struct{}

// timed notes when each request began.
func (m *metrics) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), beganKey{}, time.Now())))
	})
}

// observe counts a call.
func (m *metrics) observe(ctx context.Context, o awsapi.Observed) {
	operation := cmp.Or(string(o.Operation), unknownOperation)
	m.calls.WithLabelValues(operation, o.Outcome).Inc()
	if began, ok := ctx.Value(beganKey{}).(time.Time); ok {
		m.seconds.WithLabelValues(operation).Observe(time.Since(began).Seconds())
	}
	for _, status := range o.Records {
		m.records.WithLabelValues(string(status)).Inc()
	}
}

// handler serves what Prometheus reads, and the probes beside it.
func (m *metrics) handler(s *server) http.Handler {
	text := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.health(w, r), profiled(w, r):
		case r.URL.Path == "/metrics":
			text.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}
