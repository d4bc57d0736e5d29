package ingest_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// The mix of BenchmarkIngest: what a platform with some customers looks like.
const (
	benchOrgs    = 20
	benchKeys    = 100 // of each organization
	benchAgents  = 20
	benchModels  = 6
	benchUsers   = 500
	benchStreams = 4    // edges
	benchBatch   = 2000 // records, as an edge sends them that has more than it can send at once
	benchWarm    = 100  // batches before the clock starts, so that sums are there to be added to
)

// crowd makes events of many organizations.
type crowd struct {
	actors  []authz.Actor
	budgets [][]ident.Budget // three of each organization
}

func newCrowd(t testing.TB, f *fixture, orgs int) *crowd {
	c := &crowd{}
	for i := range orgs {
		actor := f.db.Org(t, "bench-"+strconv.Itoa(i))
		c.actors = append(c.actors, actor)
		c.budgets = append(c.budgets, []ident.Budget{f.budget(t, actor, "a"), f.budget(t, actor, "b"), f.budget(t, actor, "c")})
	}
	return c
}

func (c *crowd) event(random *rand.Rand) *wire.UsageEvent {
	n := random.IntN(len(c.actors))
	id := func(kind, n int) []byte { return append(make([]byte, 13), byte(kind), byte(n>>8), byte(n)) }
	key := random.IntN(benchKeys)
	return event(c.actors[n].Org, func(e *wire.UsageEvent) {
		e.StartedUnixUs = time.Now().UnixMicro()
		e.VirtualKeyId, e.AgentId, e.WorkspaceId = id(1, key), id(2, key%benchAgents), id(3, key%4)
		model := random.IntN(benchModels)
		e.Model, e.RouteId, e.ProviderId = "model-"+strconv.Itoa(model), id(4, model), id(5, model%3)
		e.CostPico, e.SavedPico, e.Labels = random.Int64N(1e9), random.Int64N(1e6), nil
		switch random.IntN(20) {
		case 0:
			e.Outcome, e.Code, e.ProviderId, e.CostPico, e.SavedPico = wire.Outcome_OUTCOME_REFUSED, "budget_exhausted", nil, 0, 0
			return
		case 1:
			e.Outcome, e.Code, e.Waste = wire.Outcome_OUTCOME_UPSTREAM_FAILED, "upstream_failed", true
		}
		if random.IntN(10) < 3 {
			e.Labels = map[string]string{"team": "team-" + strconv.Itoa(random.IntN(10)), "feature": "feature-" + strconv.Itoa(random.IntN(50))}
		}
		if random.IntN(10) < 4 {
			e.EndUser = "user-" + strconv.Itoa(random.IntN(benchUsers))
		}
		if random.IntN(10) < 3 {
			e.RunId = fmt.Sprintf("run-%d-%d", time.Now().Unix(), random.IntN(100))
		}
		for _, budget := range c.budgets[n] {
			charged(budget, e.GetCostPico())(e)
		}
	})
}

// BenchmarkIngest takes in what several edges send at once for as long as -benchtime says: 20 organizations with 2,000 keys, labels on 30 % of
// events, end users on 40 %, runs on 30 %, three budgets charged by each. One operation is one batch. Making the events is part of it. The CPU
// time of this process and of Postgres is the figure that another load on the machine changes least: 2 cores have 2,000,000 µs a second.
func BenchmarkIngest(b *testing.B) {
	f := newFixture(b)
	f.keep(b, 0)
	c := newCrowd(b, f, benchOrgs)
	acked, stop := make(chan time.Duration), make(chan struct{})
	var running sync.WaitGroup
	for stream := range benchStreams {
		edge := ident.New[ident.Edge]()
		f.addEdge(b, edge)
		running.Go(func() {
			random := rand.New(rand.NewPCG(uint64(stream), 1))
			for seq := uint64(1); ; seq += benchBatch {
				events := make([]*wire.UsageEvent, benchBatch)
				for i := range events {
					events[i] = c.event(random)
				}
				batch := f.batch(b, 9, seq, events...)
				batch.EdgeId = edge.Bytes()
				began := time.Now()
				if _, err := f.service.Take(b.Context(), batch); err != nil {
					b.Error(err)
				}
				select {
				case acked <- time.Since(began):
				case <-stop:
					return
				}
			}
		})
	}
	for range benchWarm {
		<-acked
	}
	var took []time.Duration
	began, used := time.Now(), f.cpu(b)
	for b.Loop() {
		took = append(took, <-acked)
	}
	elapsed, used := b.Elapsed(), f.cpu(b).less(used)
	close(stop)
	running.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(len(took)*benchBatch)/elapsed.Seconds(), "events/s")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "ms-p99-commit")
	b.ReportMetric(float64(f.deadlocks(b)), "deadlocks")
	b.ReportMetric(float64(used.postgres.Microseconds())/float64(len(took)*benchBatch), "µs-Postgres/event")
	b.ReportMetric(float64(used.process.Microseconds())/float64(len(took)*benchBatch), "µs-Go/event")
	f.settled(b, c)
	fmt.Fprintf(os.Stderr, "%d batches of %d events in %s; rows: %s\n", len(took), benchBatch, time.Since(began).Round(time.Second), f.rows(b))
}

// settled checks that every sum and budget is what the events say.
func (f *fixture) settled(t testing.TB, c *crowd) (events int64) {
	t.Helper()
	for i, actor := range c.actors {
		err := f.db.Tenant.Read(t.Context(), actor.Org, func(tx pgx.Tx) error {
			var count, hours, days, differ int64
			err := tx.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM usage_event), (SELECT sum(events)::bigint FROM usage_hour), (SELECT sum(events)::bigint FROM usage_sum WHERE source = 'day'),
				(SELECT count(*) FROM budget_period WHERE spent <> (SELECT sum(cost_pico) FROM usage_event))`).Scan(&count, &hours, &days, &differ)
			if count != hours || count != days || differ > 0 {
				t.Errorf("organization %d: %d events, %d in hours, %d in days, %d accounts differ", i, count, hours, days, differ)
			}
			events += count
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return events
}

// deadlocks counts those of the test's database.
func (f *fixture) deadlocks(t testing.TB) (n int64) {
	t.Helper()
	if err := f.db.Owner(t).QueryRow(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// rows says how large the tables are.
func (f *fixture) rows(t testing.TB) (text string) {
	t.Helper()
	owner := f.db.Owner(t)
	for _, table := range []string{"usage_hour", "usage_day", "usage_tag_hour", "usage_tag_day", "usage_run"} {
		var rows int64
		if err := owner.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%s %d ", table, rows)
	}
	return text
}
