package pipeline

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/wire"
)

// metrics are bound before the first request: counting is an atomic addition.
type metrics struct {
	inFlight atomic.Int64
	total    atomic.Int64
	requests [dialectCount][classCount]prometheus.Counter
	events   [outcomeCount]prometheus.Counter
	tokens   [2]prometheus.Counter // input, output
	seconds  prometheus.Histogram
	refusals prometheus.Histogram
}

const (
	dialectCount = dialect.Count
	classCount   = 6 // of HTTP statuses
	outcomeCount = int(wire.Outcome_OUTCOME_INDETERMINATE) + 1
)

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tollgate_requests_total", Help: "Requests by dialect and class of HTTP status."}, []string{"dialect", "status"})
	events := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tollgate_usage_events_total", Help: "Usage events by outcome."}, []string{"outcome"})
	tokens := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tollgate_tokens_total", Help: "Tokens by direction."}, []string{"direction"})
	m.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tollgate_request_duration_seconds", Help: "From the first byte of a request to the last of its answer.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 9)})
	m.refusals = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "tollgate_refusal_duration_seconds", Help: "From the head of a request that the edge itself refuses to the refusal.", Buckets: []float64{0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5}})
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tollgate_requests_in_flight", Help: "Requests being carried."}, func() float64 { return float64(m.inFlight.Load()) })
	for d := range dialectCount {
		name := dialect.Dialect(d).String()
		for class := range classCount {
			m.requests[d][class] = requests.WithLabelValues(name, [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}[class])
		}
	}
	for o := range outcomeCount {
		m.events[o] = events.WithLabelValues(wire.Outcome(o).String())
	}
	m.tokens[0], m.tokens[1] = tokens.WithLabelValues("input"), tokens.WithLabelValues("output")
	if registry != nil {
		registry.MustRegister(requests, events, tokens, m.seconds, m.refusals, inFlight)
	}
	return m
}

func (m *metrics) begin() {
	m.inFlight.Add(1)
	m.total.Add(1)
}

func (m *metrics) end(c *call) {
	m.inFlight.Add(-1)
	class := c.status / 100
	if class < 0 || class >= classCount {
		class = 0
	}
	m.requests[c.dialect][class].Inc()
}

func (m *metrics) settled(_ *call, event *wire.UsageEvent) {
	m.events[event.GetOutcome()].Inc()
	m.tokens[0].Add(float64(event.GetInputTokens() + event.GetCachedInputTokens() + event.GetCacheWriteTokens()))
	m.tokens[1].Add(float64(event.GetOutputTokens()))
	m.seconds.Observe(float64(event.GetDurationUs()) / 1e6)
}
