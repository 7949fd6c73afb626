package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/meterd/meterd/internal/awsapi"
)

// tracing sends a span for each call of the API to an OpenTelemetry collector. A
// span has what awsapi.Observed has: no header, no body, no path.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	context  propagation.TraceContext // W3C traceparent
}

// OpenTelemetry's own variables. The others are read by its library: headers,
// certificates, timeouts, sampling, attributes of the resource.
const (
	endpointVariable      = "OTEL_EXPORTER_OTLP_ENDPOINT"
	traceEndpointVariable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	protocolVariable      = "OTEL_EXPORTER_OTLP_PROTOCOL"
	traceProtocolVariable = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
)

// flushTimeout bounds the wait for the collector at the end.
const flushTimeout = 5 * time.Second

// newTracing is nil, and nothing was built, unless a variable names a collector.
func newTracing(ctx context.Context, log *slog.Logger) (*tracing, error) {
	if !tracingWanted() {
		return nil, nil
	}
	for _, name := range []string{endpointVariable, traceEndpointVariable} {
		if err := collector(os.Getenv(name)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, name := range []string{protocolVariable, traceProtocolVariable} {
		if os.Getenv(name) == "grpc" {
			return nil, fmt.Errorf("%s: grpc is not spoken here; set it to http/protobuf, and the endpoint to the collector's HTTP port, which is often 4318", name)
		}
	}
	// OpenTelemetry has one place for errors that have no caller, and prints them
	// on standard error unless it is told.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("a trace was not sent", "error", err) }))
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "meterd"), attribute.String("service.version", version())),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv()) // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", endpointVariable, err)
	}
	t := &tracing{provider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))}
	t.tracer = t.provider.Tracer("github.com/meterd/meterd")
	return t, nil
}

func tracingWanted() bool {
	off := strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none"
	return !off && cmp.Or(os.Getenv(traceEndpointVariable), os.Getenv(endpointVariable)) != ""
}

// collector checks an endpoint; none is well.
func collector(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is not a URL such as http://127.0.0.1:4318", endpoint)
	}
	return nil
}

// spanned begins and ends a span around each request.
func (t *tracing) spanned(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := t.context.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, unknownOperation, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// observe tells the request's span what became of it.
func (t *tracing) observe(ctx context.Context, o awsapi.Observed) {
	span := trace.SpanFromContext(ctx)
	if o.Operation != "" {
		span.SetName(string(o.Operation))
	}
	span.SetAttributes(
		attribute.String("aws.request_id", o.RequestID),
		attribute.String("rpc.method", cmp.Or(string(o.Operation), unknownOperation)),
		attribute.Int("http.response.status_code", o.Status),
		attribute.String("meterd.outcome", o.Outcome),
		attribute.String("meterd.account", string(o.Account)),
		attribute.String("meterd.region", o.Region),
		attribute.Int("meterd.records", len(o.Records)),
	)
	if o.Status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, o.Outcome)
	}
}

// flush sends what has not been sent, within flushTimeout.
func (t *tracing) flush(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		log.Warn("the last traces were not sent", "error", err)
	}
}
