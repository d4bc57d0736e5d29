// Package telemetry provides an edge's log, traces and metrics: OTLP where an endpoint is configured, Prometheus always.
// It refuses to trace where nobody collects, and never sees a prompt or a completion.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	service = "tollgate-edge"
	scope   = "tollgate.dev/dataplane"
	// Of requests whose caller does not say whether it samples, one in so many is traced.
	sampleOneIn = 100
)

// Telemetry is where spans and measurements go.
type Telemetry struct {
	registry *prometheus.Registry
	traces   *sdktrace.TracerProvider // nil: nobody collects
	metrics  *sdkmetric.MeterProvider // nil: only scraped
}

// NewLogger returns a logger of JSON lines.
func NewLogger(out io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}))
}

// New returns the telemetry of one edge. Endpoint is the OTLP/HTTP base address; empty: no traces, and metrics are only scraped.
// Nothing is dialled before the first export.
func New(ctx context.Context, version, name, endpoint string) (*Telemetry, error) {
	t := &Telemetry{registry: prometheus.NewRegistry()}
	t.registry.MustRegister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsScheduler)), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if endpoint == "" {
		return t, nil
	}
	identity := resource.NewSchemaless(
		attribute.String("service.name", service), attribute.String("service.version", version), attribute.String("service.instance.id", name))
	base := strings.TrimRight(endpoint, "/")
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(base+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("make the trace exporter: %w", err)
	}
	points, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(base+"/v1/metrics"))
	if err != nil {
		return nil, fmt.Errorf("make the metric exporter: %w", err)
	}
	t.traces = sdktrace.NewTracerProvider(
		sdktrace.WithResource(identity), sdktrace.WithBatcher(spans),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(1.0/sampleOneIn))))
	t.metrics = sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(identity),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points, sdkmetric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(t.registry))))))
	return t, nil
}

// Registry is where rooms register what they count.
func (t *Telemetry) Registry() prometheus.Registerer { return t.registry }

// Handler answers a scrape.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{})
}

// Shutdown exports what is left.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var err error
	if t.traces != nil {
		err = t.traces.Shutdown(ctx)
	}
	if t.metrics != nil {
		err = errors.Join(err, t.metrics.Shutdown(ctx))
	}
	return err
}
