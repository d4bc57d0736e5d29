package telemetry

import (
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Names of OpenTelemetry's semantic conventions for HTTP servers.
const (
	metricDuration   = "http.server.request.duration"
	attributeMethod  = "http.request.method"
	attributeRoute   = "http.route"
	attributeStatus  = "http.response.status_code"
	otherMethod      = "_OTHER"
	unmatchedRoute   = "unmatched"
	firstServerError = 500
)

// HTTP observes requests of one listener.
type HTTP struct {
	tracer   trace.Tracer
	duration metric.Float64Histogram
	now      func() time.Time
}

// NewHTTP returns an HTTP that measures with the clock now.
func NewHTTP(t *Telemetry, now func() time.Time) (*HTTP, error) {
	duration, err := t.Meter().Float64Histogram(metricDuration, metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	if err != nil {
		return nil, err
	}
	return &HTTP{tracer: t.Tracer(), duration: duration, now: now}, nil
}

// Begin starts the observation of a request and returns it with the span in its context. End must be told the route's pattern (empty
// when no route matched) and the answer's status.
func (h *HTTP) Begin(r *http.Request) (observed *http.Request, end func(route string, status int)) {
	begun, method := h.now(), methodOf(r)
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := h.tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer)) //nolint:spancheck // end ends it
	return r.WithContext(ctx), func(route string, status int) {                        //nolint:spancheck // end ends it
		if route == "" {
			route = unmatchedRoute
		}
		attributes := []attribute.KeyValue{
			attribute.String(attributeMethod, method), attribute.String(attributeRoute, route), attribute.Int(attributeStatus, status),
		}
		span.SetName(method + " " + route)
		span.SetAttributes(attributes...)
		if status >= firstServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
		h.duration.Record(ctx, h.now().Sub(begun).Seconds(), metric.WithAttributes(attributes...))
	}
}

// methodOf keeps strangers from inventing label values.
func methodOf(r *http.Request) string {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if slices.Contains(known, r.Method) {
		return r.Method
	}
	return otherMethod
}
