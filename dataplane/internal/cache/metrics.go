package cache

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counted is what became of questions and of answers.
type counted struct {
	hits, misses, away   atomic.Int64
	kept, dropped, unfit atomic.Int64
}

// Register makes the cache tell what it does.
func (c *Cache) Register(registry prometheus.Registerer) {
	for _, each := range []struct {
		metric, label, value, help string
		count                      *atomic.Int64
	}{
		{"tollgate_cache_finds_total", "result", "hit", findsHelp, &c.counted.hits},
		{"tollgate_cache_finds_total", "result", "miss", findsHelp, &c.counted.misses},
		{"tollgate_cache_finds_total", "result", "away", findsHelp, &c.counted.away},
		{"tollgate_cache_answers_total", "result", "kept", answersHelp, &c.counted.kept},
		{"tollgate_cache_answers_total", "result", "dropped", answersHelp, &c.counted.dropped},
		{"tollgate_cache_answers_total", "result", "unfit", answersHelp, &c.counted.unfit},
	} {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: each.metric, Help: each.help, ConstLabels: prometheus.Labels{each.label: each.value},
		}, func() float64 { return float64(each.count.Load()) }))
	}
}

const (
	findsHelp   = "Looks into the cache of answers; away: its store did not answer within 10 ms, or is left alone for a second."
	answersHelp = "Answers that were to be kept; dropped: too many waited, or the store did not take them; unfit: cut short, filtered or calling tools."
)
