package ingest_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// BenchmarkTake takes in what several edges send at once: organizations, agents and models mixed in every batch, each event charged to a
// budget. One operation is one event; the batches are made before the clock starts. Postgres decides: say with which settings it ran.
func BenchmarkTake(b *testing.B) {
	const size, streams, orgs, agents, models = 1000, 4, 3, 20, 5
	f := newFixture(b)
	f.keep(b, 0)
	actors, budgets := make([]authz.Actor, orgs), make([]ident.Budget, orgs)
	for i := range orgs {
		actors[i] = f.db.Org(b, "bench-"+strconv.Itoa(i))
		budgets[i] = f.budget(b, actors[i])
	}
	edges := make([]ident.Edge, streams)
	for i := range edges {
		edges[i] = ident.New[ident.Edge]()
		f.addEdge(b, edges[i])
	}
	began := time.Now()
	queues := make([][]*wire.UsageBatch, streams)
	for n := range (b.N + size - 1) / size {
		events := make([]*wire.UsageEvent, min(size, b.N-n*size))
		for i := range events {
			events[i] = event(actors[i%orgs].Org, charged(budgets[i%orgs], 100), func(e *wire.UsageEvent) {
				e.AgentId, e.Model = fixed(byte(i%agents)), "model-"+strconv.Itoa(i%models)
				e.StartedUnixUs = began.Add(time.Duration(i) * time.Microsecond).UnixMicro()
			})
		}
		batch := f.batch(b, 9, uint64(1+n*size), events...)
		batch.EdgeId = edges[n%streams].Bytes()
		queues[n%streams] = append(queues[n%streams], batch)
	}
	b.ResetTimer()
	var running sync.WaitGroup
	for _, queue := range queues {
		running.Go(func() {
			for _, batch := range queue {
				if _, err := f.service.Take(b.Context(), batch); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.StopTimer()
	taken := int64(0)
	for _, actor := range actors {
		events, _, _, _, hourEvents := f.books(b, actor.Org)
		if taken += events; events != hourEvents {
			b.Errorf("%d events, %d in hours", events, hourEvents)
		}
	}
	if taken != int64(b.N) {
		b.Errorf("%d events of %d were taken in", taken, b.N)
	}
}
