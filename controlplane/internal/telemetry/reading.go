package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// attributeKind tells the readings of one metric apart.
const attributeKind = "kind"

// Reading is one value of a metric. Kind is one of a few words that the program knows, never a name or an id; empty: there is one reading.
type Reading struct {
	Kind  string
	Value uint64
}

func (r Reading) options() []metric.ObserveOption {
	if r.Kind == "" {
		return nil
	}
	return []metric.ObserveOption{metric.WithAttributes(attribute.String(attributeKind, r.Kind))}
}

// Counter shows what only grows; read is called at every collection.
func (t *Telemetry) Counter(name, help string, read func() []Reading) error {
	_, err := t.Meter().Int64ObservableCounter(name, metric.WithDescription(help), metric.WithInt64Callback(observe(read)))
	return err
}

// Gauge shows what goes up and down; read is called at every collection.
func (t *Telemetry) Gauge(name, help string, read func() []Reading) error {
	_, err := t.Meter().Int64ObservableGauge(name, metric.WithDescription(help), metric.WithInt64Callback(observe(read)))
	return err
}

func observe(read func() []Reading) metric.Int64Callback {
	return func(_ context.Context, to metric.Int64Observer) error {
		for _, each := range read() {
			to.Observe(int64(min(each.Value, 1<<63-1)), each.options()...)
		}
		return nil
	}
}

// Durations returns what records into a histogram of durations, in seconds from a millisecond to half a minute.
func (t *Telemetry) Durations(name, help string) (record func(time.Duration), err error) {
	histogram, err := t.Meter().Float64Histogram(name, metric.WithDescription(help), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30))
	if err != nil {
		return nil, err
	}
	return func(took time.Duration) { histogram.Record(context.Background(), took.Seconds()) }, nil
}
