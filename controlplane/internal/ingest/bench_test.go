package ingest_test

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// The mix of BenchmarkIngest and of the soak: what a platform with some customers looks like. A key is one program's: it has its agent, workspace,
// team and a few features, and calls one model mostly. A user comes by few keys. A run has one key and user.
const (
	benchOrgs      = 20
	benchKeys      = 200 // these are of each organization
	benchAgents    = 40
	benchModels    = 6
	benchUsers     = 5_000 // on half of the calls, few of them on most (Zipf)
	benchTeams     = 20    // the values of three labels that each call has
	benchFeatures  = 200
	benchVersions  = 30
	benchRuns      = 40 // open at a time, on half of the calls
	benchRunLength = 12
	benchDrafts    = 1_000
	benchStreams   = 4    // edges
	benchBatch     = 4000 // records, as an edge sends them that has more than it can send at once
	benchWarm      = 100  // batches before the clock starts, so that sums are there to be added to and what is pending has found its level
	benchLooks     = 8    // at what is pending
	flushEvery     = 50 * time.Millisecond
	benchGrowth    = 1.25 // how many times more may be pending at most in the second half than in the first
)

// crowd makes events of many organizations.
type crowd struct {
	actors  []authz.Actor
	budgets [][]ident.Budget // three of each organization
}

func newCrowd(t testing.TB, f *fixture, orgs int) *crowd {
	c := &crowd{}
	for i := range orgs {
		actor := f.listed(t, "bench-"+strconv.Itoa(i))[0]
		c.actors = append(c.actors, actor)
		c.budgets = append(c.budgets, []ident.Budget{f.budget(t, actor, "a"), f.budget(t, actor, "b"), f.budget(t, actor, "c")})
	}
	return c
}

// source makes what one edge sends.
type source struct {
	*crowd
	random *rand.Rand
	users  *rand.Zipf
	drafts [][][]byte // events of each organization without what is each call's own
	runs   [][]*openRun
}

type openRun struct {
	id          string
	draft, left int
}

func (c *crowd) source(t testing.TB, seed uint64) *source {
	s := &source{crowd: c, random: rand.New(rand.NewPCG(seed, 1))}
	s.users = rand.NewZipf(s.random, 1.1, 10, benchUsers-1)
	for n := range c.actors {
		var drafts [][]byte
		for range benchDrafts {
			raw, err := proto.Marshal(s.event(n))
			if err != nil {
				t.Fatal(err)
			}
			drafts = append(drafts, raw)
		}
		s.drafts, s.runs = append(s.drafts, drafts), append(s.runs, make([]*openRun, benchRuns))
	}
	return s
}

// event makes a call of an organization.
func (s *source) event(n int) *wire.UsageEvent {
	random := s.random
	id := func(kind, n int) []byte { return append(make([]byte, 13), byte(kind), byte(n>>8), byte(n)) }
	return event(s.actors[n].Org, func(e *wire.UsageEvent) {
		key := random.IntN(benchKeys)
		if random.IntN(2) == 0 {
			user := int(s.users.Uint64())
			e.EndUser = "user-" + strconv.Itoa(user)
			key = (user*7 + random.IntN(2)) % benchKeys
		}
		model := key % benchModels
		if random.IntN(5) == 0 {
			model = random.IntN(benchModels)
		}
		e.VirtualKeyId, e.AgentId, e.WorkspaceId = id(1, key), id(2, key%benchAgents), id(3, key%4)
		e.Model, e.RouteId, e.ProviderId = "model-"+strconv.Itoa(model), id(4, model), id(5, model%3)
		e.CostPico, e.SavedPico = random.Int64N(1e9), random.Int64N(1e6)
		e.Labels = map[string]string{
			"team": "team-" + strconv.Itoa(key%benchTeams), "feature": "feature-" + strconv.Itoa((key*5+random.IntN(5))%benchFeatures),
			"version": "v" + strconv.Itoa((key+random.IntN(2))%benchVersions),
		}
		switch random.IntN(20) {
		case 0:
			e.Outcome, e.Code, e.ProviderId, e.CostPico, e.SavedPico = wire.Outcome_OUTCOME_REFUSED, "budget_exhausted", nil, 0, 0
			return
		case 1:
			e.Outcome, e.Code, e.Waste = wire.Outcome_OUTCOME_UPSTREAM_FAILED, "upstream_failed", true
		}
		for _, budget := range s.budgets[n] {
			charged(budget, e.GetCostPico())(e)
		}
	})
}

// records makes what a batch carries. In an encoded message the last value of a field counts: what is each call's own is put after a draft.
func (s *source) records(t testing.TB, first uint64, count int) []*wire.UsageRecord {
	all := make([]*wire.UsageRecord, count)
	for i := range all {
		n := s.random.IntN(len(s.actors))
		draft := s.random.IntN(benchDrafts)
		event, request := wire.NewID(time.Now()), wire.NewID(time.Now())
		own := &wire.UsageEvent{EventId: event[:], RequestId: request[:], StartedUnixUs: time.Now().UnixMicro()}
		if s.random.IntN(2) == 0 {
			slot := &s.runs[n][s.random.IntN(benchRuns)]
			if *slot == nil || (*slot).left == 0 {
				*slot = &openRun{id: "run-" + hex.EncodeToString(event[:]), draft: draft, left: benchRunLength}
			}
			(*slot).left--
			own.RunId, draft = (*slot).id, (*slot).draft
		}
		raw, err := proto.MarshalOptions{}.MarshalAppend(append(make([]byte, 0, len(s.drafts[n][draft])+128), s.drafts[n][draft]...), own)
		if err != nil {
			t.Error(err)
		}
		all[i] = &wire.UsageRecord{Seq: first + uint64(i), Event: raw}
	}
	return all
}

// BenchmarkIngest takes in what several edges send at once for as long as -benchtime says, in the mix above, while the folder folds. One operation
// is one batch, and what it waits for the folder is part of it. Making the events is part of it too. The CPU time of this process and of Postgres is
// the figure that another load on the machine changes least: 2 cores have 2,000,000 µs a second. Where the slowest commits last as long as the longest
// flush, the disk is what they wait for, while the system writes back what the tables have grown by. The rate is sustained when what is pending does not
// grow: a run of a minute in which it does fails, a shorter one says so.
func BenchmarkIngest(b *testing.B) { benchIngest(b, 0) }

// BenchmarkIngestAtPromise takes in as many events a second as are promised, and says for how long a batch waits that is due: what it waits for the one
// before is part of that. At full throttle a batch waits for those of the other edges, and there are always some.
func BenchmarkIngestAtPromise(b *testing.B) { benchIngest(b, 20_000) }

// benchIngest takes in so many events a second; 0: as many as there can be.
func benchIngest(b *testing.B, rate int) {
	debug.SetGCPercent(400) // as the control plane sets it
	f := newFixture(b)
	f.keep(b, 0)
	c := newCrowd(b, f, benchOrgs)
	ctx, end := context.WithCancel(b.Context())
	acked := make(chan time.Duration)
	var sending, folding sync.WaitGroup
	var warm atomic.Pointer[time.Time] // when the clock started: before, batches are sent at full throttle
	for stream := range benchStreams {
		edge := ident.New[ident.Edge]()
		f.addEdge(b, edge)
		from := c.source(b, uint64(stream))
		sending.Go(func() {
			paced := 0
			for seq := uint64(1); ; seq += benchBatch {
				batch := &wire.UsageBatch{EdgeId: edge.Bytes(), Epoch: 9, Records: from.records(b, seq, benchBatch)}
				began := time.Now()
				if start := warm.Load(); start != nil && rate > 0 {
					began = start.Add(time.Duration(paced*benchStreams+stream) * benchBatch * time.Second / time.Duration(rate))
					paced++
					rest(ctx, time.Until(began))
				}
				if _, err := f.service.Take(b.Context(), batch); err != nil {
					b.Error(err)
				}
				select {
				case acked <- time.Since(began):
				case <-ctx.Done():
					return
				}
			}
		})
	}
	folding.Go(func() {
		if err := f.service.Folder().Run(ctx); err != nil {
			b.Error(err)
		}
	})
	for range benchWarm {
		<-acked
	}
	length, err := time.ParseDuration(flag.Lookup("test.benchtime").Value.String())
	if err != nil {
		b.Skip("-benchtime is no duration")
	}
	var took []time.Duration
	var flushed time.Duration
	owner := f.db.Owner(b)
	folding.Go(func() { flushed = longestFlush(ctx, b, owner) })
	levels := []level{f.level(b, 0)}
	began, used := time.Now(), f.cpu(b)
	warm.Store(&began)
	for b.Loop() {
		took = append(took, <-acked)
		if time.Since(began) > time.Duration(len(levels))*length/benchLooks {
			levels = append(levels, f.level(b, len(took)))
		}
	}
	elapsed, burnt := b.Elapsed(), f.cpu(b).less(used)
	levels = append(levels, f.level(b, len(took)))
	end()
	sending.Wait()
	folding.Wait()
	slices.Sort(took)
	events := float64(len(took) * benchBatch)
	b.ReportMetric(events/elapsed.Seconds(), "events/s")
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-p50-commit")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "ms-p99-commit")
	b.ReportMetric(float64(flushed.Milliseconds()), "ms-max-flush")
	b.ReportMetric(float64(f.deadlocks(b)), "deadlocks")
	b.ReportMetric(float64(burnt.postgres.Microseconds())/events, "µs-Postgres/event")
	b.ReportMetric(float64(burnt.process.Microseconds())/events, "µs-Go/event")
	b.ReportMetric(100*folded(levels), "%-folded")
	half := len(levels) / 2
	growth := float64(peak(levels[half:])) / float64(max(peak(levels[:half+1]), 1))
	b.ReportMetric(growth, "×-pending-2nd-half")
	f.settled(b, c)
	waits := f.service.Waits()
	fmt.Fprintf(os.Stderr, "%d batches of %d events in %s, %d of all waited for the folder; events pending meanwhile:%s; rows: %s\n", len(took), benchBatch,
		time.Since(began).Round(time.Second), waits.Delayed, text(levels), f.rows(b))
	if growth > benchGrowth {
		say := b.Errorf
		if elapsed < time.Minute {
			say = b.Logf
		}
		say("NOT SUSTAINED: at most %d events were pending in the first half, and %d in the second", peak(levels[:half+1]), peak(levels[half:]))
	}
}

// rest waits, unless ctx ends first.
func rest(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// longestFlush commits next to nothing, over and over, until ctx ends, and returns the longest that it waited: that is the disk's part of what a batch waits.
func longestFlush(ctx context.Context, t testing.TB, owner *pgx.Conn) (longest time.Duration) {
	for ctx.Err() == nil {
		began := time.Now()
		if _, err := owner.Exec(t.Context(), "SELECT pg_logical_emit_message(true, '', '')"); err != nil {
			t.Error(err)
			return 0
		}
		longest = max(longest, time.Since(began))
		rest(ctx, flushEvery)
	}
	return longest
}

// level is how much was pending when so many batches were taken in.
type level struct {
	batches int
	pending int64
}

func (f *fixture) level(t testing.TB, batches int) level { return level{batches, f.pending(t)} }

// folded is the share of what came in from the first to the last level that what is pending did not grow by.
func folded(levels []level) float64 {
	first, last := levels[0], levels[len(levels)-1]
	if last.batches == first.batches {
		return 1
	}
	return 1 - float64(last.pending-first.pending)/float64((last.batches-first.batches)*benchBatch)
}

// peak is the most that was pending. Folds come in waves.
func peak(levels []level) (most int64) {
	for _, each := range levels {
		most = max(most, each.pending)
	}
	return most
}

func text(levels []level) (text string) {
	for _, each := range levels {
		text += " " + strconv.FormatInt(each.pending, 10)
	}
	return text
}

// pending counts the events that are not folded.
func (f *fixture) pending(t testing.TB) (events int64) {
	t.Helper()
	if err := f.db.Owner(t).QueryRow(t.Context(), "SELECT coalesce(sum(lines), 0) FROM usage_pending").Scan(&events); err != nil {
		t.Fatal(err)
	}
	return events
}

// settled checks that every sum and budget is what the events say.
func (f *fixture) settled(t testing.TB, c *crowd) (events int64) {
	t.Helper()
	for i, actor := range c.actors {
		err := f.db.Tenant.Read(t.Context(), actor.Org, func(tx pgx.Tx) error {
			var count, hours, days, differ int64
			err := tx.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM usage_event), (SELECT sum(events)::bigint FROM usage_sum WHERE source = 'hour'), (SELECT sum(events)::bigint FROM usage_sum WHERE source = 'day'),
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
