package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/internal/telemetry"
	"tollgate.dev/dataplane/wire"
)

// collector is an OTLP endpoint that keeps what it is sent.
type collector struct {
	mu      sync.Mutex
	spans   []*tracepb.Span
	metrics map[string]bool
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	raw, _ := io.ReadAll(body)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/traces":
		var request collectortrace.ExportTraceServiceRequest
		_ = proto.Unmarshal(raw, &request)
		for _, resource := range request.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	case "/v1/metrics":
		var request collectormetrics.ExportMetricsServiceRequest
		_ = proto.Unmarshal(raw, &request)
		for _, resource := range request.GetResourceMetrics() {
			for _, scope := range resource.GetScopeMetrics() {
				for _, metric := range scope.GetMetrics() {
					c.metrics[metric.GetName()] = true
				}
			}
		}
	}
}

func TestSampledRequestIsTracedWithItsAttempts(t *testing.T) {
	t.Parallel()
	sink := &collector{metrics: map[string]bool{}}
	server := httptest.NewServer(sink)
	t.Cleanup(server.Close)
	observed, err := telemetry.New(t.Context(), "v1", "edge-1", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	requests := prometheus.NewCounter(prometheus.CounterOpts{Name: "tollgate_requests_total"})
	observed.Registry().MustRegister(requests)
	started := time.Now().Add(-time.Second)
	handler := observed.Trace(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		observed.Attempt(r.Context(), &wire.UsageEvent{
			Dialect: "openai_chat", Model: "fast", ProviderModel: "gpt-4o-mini", ProviderId: []byte{1}, Outcome: wire.Outcome_OUTCOME_OK,
			InputTokens: 12, OutputTokens: 30, CostPico: 77, StartedUnixUs: started.UnixMicro(), DurationUs: 900_000,
		})
	}))
	const parent = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, flags := range []string{"01", "00"} {
		r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", nil)
		r.Header.Set("Traceparent", "00-"+parent+"-00f067aa0ba902b7-"+flags)
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	if err := observed.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if len(sink.spans) != 2 {
		t.Fatalf("%d spans, want the sampled request and its attempt", len(sink.spans))
	}
	attempt, request := sink.spans[0], sink.spans[1]
	if attempt.GetName() != "chat gpt-4o-mini" || !bytes.Equal(attempt.GetParentSpanId(), request.GetSpanId()) || request.GetKind() != tracepb.Span_SPAN_KIND_SERVER {
		t.Errorf("got %s in %s", attempt, request)
	}
	if got := time.Duration(attempt.GetEndTimeUnixNano() - attempt.GetStartTimeUnixNano()); got != 900*time.Millisecond {
		t.Errorf("the attempt took %s", got)
	}
	if !sink.metrics["tollgate_requests_total"] {
		t.Errorf("the collector knows the metrics %v", sink.metrics)
	}
}

func TestWithoutACollectorNothingIsTraced(t *testing.T) {
	t.Parallel()
	observed, err := telemetry.New(t.Context(), "v1", "edge-1", "")
	if err != nil {
		t.Fatal(err)
	}
	observed.Attempt(t.Context(), &wire.UsageEvent{})
	answer := httptest.NewRecorder()
	observed.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(answer.Body.String(), "process_resident_memory_bytes") {
		t.Errorf("a scrape says %.200q", answer.Body)
	}
}
