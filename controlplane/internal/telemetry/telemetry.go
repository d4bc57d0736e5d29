// Package telemetry provides the control plane's log, traces and metrics: OTLP where an endpoint is configured, Prometheus always.
// It refuses to know what is observed, and labels without bounds.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of all spans and metrics.
const scope = "tollgate.dev/controlplane"

// Telemetry is where spans and measurements go.
type Telemetry struct {
	registry *prometheus.Registry
	traces   *sdktrace.TracerProvider
	metrics  *sdkmetric.MeterProvider
}

// New returns a Telemetry of a service. Endpoint is the OTLP/HTTP base address; empty: traces are dropped and metrics are only
// scraped. Nothing is dialled before the first export.
func New(ctx context.Context, service, version, endpoint string) (*Telemetry, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	scraped, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return nil, fmt.Errorf("make the Prometheus exporter: %w", err)
	}
	identity := resource.NewSchemaless(attribute.String("service.name", service), attribute.String("service.version", version))
	traceOptions := []sdktrace.TracerProviderOption{sdktrace.WithResource(identity)}
	metricOptions := []sdkmetric.Option{sdkmetric.WithResource(identity), sdkmetric.WithReader(scraped)}
	if endpoint != "" {
		base := strings.TrimRight(endpoint, "/")
		spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(base+"/v1/traces"))
		if err != nil {
			return nil, fmt.Errorf("make the OTLP trace exporter: %w", err)
		}
		points, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(base+"/v1/metrics"))
		if err != nil {
			return nil, fmt.Errorf("make the OTLP metric exporter: %w", err)
		}
		traceOptions = append(traceOptions, sdktrace.WithBatcher(spans))
		metricOptions = append(metricOptions, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points)))
	} else {
		traceOptions = append(traceOptions, sdktrace.WithSampler(sdktrace.NeverSample()))
	}
	return &Telemetry{
		registry: registry, traces: sdktrace.NewTracerProvider(traceOptions...), metrics: sdkmetric.NewMeterProvider(metricOptions...),
	}, nil
}

// Tracer returns the control plane's tracer.
func (t *Telemetry) Tracer() trace.Tracer { return t.traces.Tracer(scope) }

// Meter returns the control plane's meter.
func (t *Telemetry) Meter() metric.Meter { return t.metrics.Meter(scope) }

// Handler answers Prometheus' scrapes.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Shutdown sends what is left.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	return errors.Join(t.traces.Shutdown(ctx), t.metrics.Shutdown(ctx))
}
