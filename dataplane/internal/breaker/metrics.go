package breaker

import "github.com/prometheus/client_golang/prometheus"

// metrics name only targets that were ever held back. Organizations may name their providers alike: then they are counted together.
type metrics struct {
	open  *prometheus.GaugeVec
	trips *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	labels := []string{"provider", "model", "route"} // empty: of all routes without a breaker of their own
	m := &metrics{
		open:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tollgate_breaker_open", Help: "Targets that are held back because they keep failing or have asked for it; 0 once they answer again."}, labels),
		trips: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tollgate_breaker_opened_total", Help: "How often a target was given up for a while."}, labels),
	}
	if registry != nil {
		registry.MustRegister(m.open, m.trips)
	}
	return m
}

func (m *metrics) closed(h *hold, model string) {
	m.open.WithLabelValues(h.provider, model, h.route).Dec()
}
