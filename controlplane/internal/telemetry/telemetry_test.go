package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/telemetry"
)

func TestRequestsAreMeasuredByPatternAndKnownMethod(t *testing.T) {
	t.Parallel()
	observed, err := telemetry.New(t.Context(), "test", "1", "")
	if err != nil {
		t.Fatal(err)
	}
	requests, err := telemetry.NewHTTP(observed, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, "INVENTED"} {
		_, end := requests.Begin(httptest.NewRequestWithContext(t.Context(), method, "/agents/4711", nil))
		end("/agents/:id", http.StatusOK)
		_, end = requests.Begin(httptest.NewRequestWithContext(t.Context(), method, "/4711", nil))
		end("", http.StatusNotFound)
	}
	recorder := httptest.NewRecorder()
	observed.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	scraped := recorder.Body.String()
	for _, want := range []string{`http_route="/agents/:id"`, `http_route="unmatched"`, `http_request_method="_OTHER"`, "http_server_request_duration_seconds_count", "go_goroutines"} {
		if !strings.Contains(scraped, want) {
			t.Errorf("no %s in the scrape", want)
		}
	}
	for _, never := range []string{"4711", "INVENTED"} {
		if strings.Contains(scraped, never) {
			t.Errorf("%s became a label", never)
		}
	}
	if err := observed.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTracesAndMetricsGoToTheConfiguredEndpoint(t *testing.T) {
	t.Parallel()
	var traces, metrics atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/traces":
			traces.Add(1)
		case "/v1/metrics":
			metrics.Add(1)
		}
	}))
	t.Cleanup(collector.Close)
	observed, err := telemetry.New(t.Context(), "test", "1", collector.URL+"/")
	if err != nil {
		t.Fatal(err)
	}
	requests, err := telemetry.NewHTTP(observed, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	request.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	var log bytes.Buffer
	begun, end := requests.Begin(request)
	telemetry.NewLogger(&log, slog.LevelInfo).InfoContext(begun.Context(), "inside")
	end("/", http.StatusInternalServerError)
	if err := observed.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if traces.Load() == 0 || metrics.Load() == 0 {
		t.Errorf("%d exports of traces, %d of metrics", traces.Load(), metrics.Load())
	}
	if !strings.Contains(log.String(), `"trace_id":"0af7651916cd43dd8448eb211c80319c"`) {
		t.Errorf("the caller's trace is not in the log: %s", log.String())
	}
}

func TestLoggerKeepsToItsLevel(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := telemetry.NewLogger(&log, slog.LevelWarn).With("room", "test").WithGroup("g")
	logger.InfoContext(t.Context(), "quiet")
	logger.WarnContext(t.Context(), "loud", "n", 1)
	if strings.Contains(log.String(), "quiet") || !strings.Contains(log.String(), `"room":"test","g":{"n":1}`) {
		t.Errorf("%s", log.String())
	}
}

func TestReadingsAreShownByKind(t *testing.T) {
	t.Parallel()
	observed, err := telemetry.New(t.Context(), "test", "1", "")
	if err != nil {
		t.Fatal(err)
	}
	value := uint64(3)
	err = errors.Join(
		observed.Counter("test.pushes", "pushes", func() []telemetry.Reading {
			return []telemetry.Reading{{Kind: "full", Value: value}, {Kind: "delta", Value: 7}}
		}),
		observed.Gauge("test.connected", "edges", func() []telemetry.Reading { return []telemetry.Reading{{Value: value}} }),
	)
	record, failed := observed.Durations("test.lag", "lag")
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	record(30 * time.Millisecond)
	value = 4
	recorder := httptest.NewRecorder()
	observed.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	lines := strings.Split(recorder.Body.String(), "\n")
	for _, want := range [][]string{
		{"test_pushes_total{", `kind="full"`, " 4"},
		{"test_pushes_total{", `kind="delta"`, " 7"},
		{"test_connected{", " 4"},
		{"test_lag_seconds_bucket{", `le="0.025"`, " 0"},
		{"test_lag_seconds_bucket{", `le="0.05"`, " 1"},
	} {
		if !slices.ContainsFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, want[0]) && strings.Contains(line, want[1]) && strings.HasSuffix(line, want[len(want)-1])
		}) {
			t.Errorf("no line %q in the scrape", want)
		}
	}
}
