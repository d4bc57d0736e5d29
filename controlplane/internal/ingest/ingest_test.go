package ingest_test

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/dataplane/wire"
)

type fixture struct {
	db      *pgtest.DB
	service *ingest.Service
	usage   *usage.Service
	feed    *usage.Feed
	edge    ident.Edge
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{db: pgtest.New(t), feed: usage.NewFeed(), edge: ident.New[ident.Edge]()}
	f.service = ingest.New(f.db.Pool, time.Now, slog.New(slog.DiscardHandler))
	f.usage = usage.New(f.db.Tenant, f.feed, time.Now)
	f.addEdge(t, f.edge)
	return f
}

func (f *fixture) addEdge(t testing.TB, edge ident.Edge) {
	t.Helper()
	_, err := f.db.Pool.Exec(t.Context(), "INSERT INTO edge (edge_id, name, region, version, epoch, first_seen_at, last_seen_at) VALUES ($1, 'e', '', '', 1, now(), now())", edge)
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) budget(t testing.TB, actor authz.Actor, name string) ident.Budget {
	t.Helper()
	id := ident.New[ident.Budget]()
	err := f.db.Tenant.Write(t.Context(), actor.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO budget (org_id, budget_id, name, scope, limit_pico, period, time_zone) VALUES ($1, $2, $3, 'org', 1000000, 'total', 'UTC')", actor.Org, id, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// event makes a plain event of an organization.
func event(org ident.Org, change ...func(*wire.UsageEvent)) *wire.UsageEvent {
	fresh := func() []byte { id := wire.NewID(time.Now()); return id[:] }
	e := &wire.UsageEvent{
		EventId: fresh(), OrgId: org.Bytes(), RequestId: fresh(), WorkspaceId: fixed(1), VirtualKeyId: fixed(2), AgentId: fixed(3), ProviderId: fixed(4),
		Dialect: "openai_chat", Model: "fast", ProviderModel: "gpt", Attempt: 1, Outcome: wire.Outcome_OUTCOME_OK, HttpStatus: 200,
		StartedUnixUs: time.Date(2026, 11, 21, 10, 30, 0, 0, time.UTC).UnixMicro(), DurationUs: 900, InputTokens: 10, OutputTokens: 5, CostPico: 100, BoundPico: 200,
		Labels: map[string]string{"team": "blue"},
	}
	for _, each := range change {
		each(e)
	}
	return e
}

func fixed(n byte) []byte { return append(make([]byte, 15), n) }

func charged(budget ident.Budget, spentPico int64) func(*wire.UsageEvent) {
	return func(e *wire.UsageEvent) {
		e.Charges = append(e.Charges, &wire.Charge{BudgetId: budget.Bytes(), SpentPico: spentPico})
	}
}

func (f *fixture) batch(t testing.TB, epoch, first uint64, events ...*wire.UsageEvent) *wire.UsageBatch {
	t.Helper()
	batch := &wire.UsageBatch{EdgeId: f.edge.Bytes(), Epoch: epoch}
	for i, each := range events {
		raw, err := proto.Marshal(each)
		if err != nil {
			t.Fatal(err)
		}
		batch.Records = append(batch.Records, &wire.UsageRecord{Seq: first + uint64(i), Event: raw})
	}
	return batch
}

func (f *fixture) take(t testing.TB, batch *wire.UsageBatch) {
	t.Helper()
	ack, err := f.service.Take(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	if want := batch.GetRecords()[len(batch.GetRecords())-1].GetSeq(); ack.GetSeq() != want || ack.GetEpoch() != batch.GetEpoch() {
		t.Fatalf("ack %v, want %d", ack, want)
	}
}

// books reads what an organization's events, hours and accounts say.
func (f *fixture) books(t testing.TB, org ident.Org) (events int64, eventCost, hourCost, spent money.Amount, hourEvents int64) {
	t.Helper()
	err := f.db.Tenant.Read(t.Context(), org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM usage_event), (SELECT coalesce(sum(cost_pico), 0) FROM usage_event),
			(SELECT coalesce(sum(cost_pico), 0) FROM usage_sum WHERE source = 'hour'), (SELECT coalesce(sum(spent), 0) FROM budget_period), (SELECT coalesce(sum(events), 0)::bigint FROM usage_sum WHERE source = 'hour')`).
			Scan(&events, &eventCost, &hourCost, &spent, &hourEvents)
	})
	if err != nil {
		t.Fatal(err)
	}
	return events, eventCost, hourCost, spent, hourEvents
}

func (f *fixture) rejects(t testing.TB) (reasons []string) {
	t.Helper()
	rows, err := f.db.Owner(t).Query(t.Context(), "SELECT reason FROM usage_reject ORDER BY seq")
	if err != nil {
		t.Fatal(err)
	}
	reasons, err = pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return reasons
}

func (f *fixture) seq(t testing.TB, epoch uint64) (seq int64) {
	t.Helper()
	if err := f.db.Pool.QueryRow(t.Context(), "SELECT seq FROM edge_epoch WHERE edge_id = $1 AND epoch = $2", f.edge, epoch).Scan(&seq); err != nil {
		t.Fatal(err)
	}
	return seq
}

func TestARepeatedBatchCountsOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	budget := f.budget(t, actor, "b")
	one, two := event(actor.Org, charged(budget, 100)), event(actor.Org, charged(budget, 100))
	batch := f.batch(t, 9, 1, one, two, one) // and a duplicate inside
	for range 3 {
		f.take(t, batch)
	}
	f.take(t, f.batch(t, math.MaxUint64, 1, two)) // and one under another epoch
	events, eventCost, hourCost, spent, hourEvents := f.books(t, actor.Org)
	if events != 2 || hourEvents != 2 || eventCost.Pico() != 200 || hourCost.Pico() != 200 || spent.Pico() != 200 {
		t.Errorf("events %d in hours %d, cost %s in hours %s, spent %s", events, hourEvents, eventCost, hourCost, spent)
	}
	if f.seq(t, 9) != 3 || f.seq(t, math.MaxUint64) != 1 {
		t.Errorf("positions %d and %d", f.seq(t, 9), f.seq(t, math.MaxUint64))
	}
}

func TestSeveralOrganizationsInOneBatchStayApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	f.take(t, f.batch(t, 9, 1, event(b.Org), event(a.Org), event(b.Org), event(a.Org), event(b.Org)))
	for actor, want := range map[authz.Actor]int64{a: 2, b: 3} {
		if events, _, hourCost, _, hourEvents := f.books(t, actor.Org); events != want || hourEvents != want || hourCost.Pico() != 100*want {
			t.Errorf("%s: %d events, %d in hours, cost %s, want %d", actor.Name, events, hourEvents, hourCost, want)
		}
	}
}

func TestARecordThatCannotBeReadIsKeptAndStopsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	batch := f.batch(t, 9, 1,
		event(actor.Org),
		event(ident.New[ident.Org]()),
		event(actor.Org, func(e *wire.UsageEvent) { e.CostPico = -1 }),
		event(actor.Org, func(e *wire.UsageEvent) { e.OrgId = []byte{1} }),
		event(actor.Org, func(e *wire.UsageEvent) { e.StartedUnixUs = math.MaxInt64 }),
		event(actor.Org, func(e *wire.UsageEvent) { e.EventId = nil }),
		event(actor.Org, charged(ident.Budget{}, 1)),
		event(actor.Org, charged(ident.New[ident.Budget](), -1)),
		event(actor.Org),
	)
	batch.Records = append(batch.Records, &wire.UsageRecord{Seq: 99, Event: []byte("\xff\xff")})
	f.take(t, batch)
	f.take(t, batch)
	if events, _, _, _, _ := f.books(t, actor.Org); events != 2 {
		t.Errorf("%d good events", events)
	}
	reasons := f.rejects(t)
	if len(reasons) != 8 {
		t.Errorf("%d records kept: %q", len(reasons), reasons)
	}
	if f.seq(t, 9) != 99 {
		t.Errorf("position %d", f.seq(t, 9))
	}
}

func TestAnOddityIsNoReasonToLoseWhatACallCost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	budget := f.budget(t, actor, "b")
	long := strings.Repeat("é", wire.TextBytesMax)
	many := map[string]string{"": "no name", "odd\x00name": "odd\x00value", long: long}
	for i := range 200 {
		many[fmt.Sprintf("label-%d", i)] = "x"
	}
	odd := []*wire.UsageEvent{
		event(actor.Org, func(e *wire.UsageEvent) { e.DurationUs, e.FirstByteUs = -5, -4 }), // the edge's clock was set back
		event(actor.Org, func(e *wire.UsageEvent) { e.Outcome = 99 }),
		event(actor.Org, func(e *wire.UsageEvent) { e.Outcome, e.HttpStatus = wire.Outcome_OUTCOME_UNSPECIFIED, 502 }),
		event(actor.Org, func(e *wire.UsageEvent) { e.RunSource = 99 }),
		event(actor.Org, func(e *wire.UsageEvent) { e.Model, e.EndUser, e.RunId, e.Code = "a\x00b", long, "\x00", long+"x" }),
		event(actor.Org, func(e *wire.UsageEvent) { e.Labels = many }),
		event(actor.Org, func(e *wire.UsageEvent) {
			e.AgentId, e.RouteId, e.ProviderId, e.PriceId, e.DiscountId = []byte{1}, []byte{1}, []byte{1}, []byte{1}, []byte{1}
		}),
		event(actor.Org, func(e *wire.UsageEvent) {
			e.InputTokens, e.OutputTokens, e.AudioMs, e.SavedPico = -1, math.MaxInt64, math.MaxInt64, -1
		}),
		event(actor.Org, func(e *wire.UsageEvent) { e.OutputTokens = math.MaxInt64 }), // two of them have a sum still
		event(actor.Org, func(e *wire.UsageEvent) {
			e.Attempt, e.RouteVersion, e.HttpStatus = math.MaxUint32, math.MaxUint32, math.MaxUint32
		}),
		event(actor.Org, func(e *wire.UsageEvent) { e.Generation, e.SimilarityPpm = math.MaxUint64, math.MaxUint32 }),
		event(actor.Org, func(e *wire.UsageEvent) { e.Kept = "no sealed id/" }),
	}
	for range 200 {
		odd[0].Charges = append(odd[0].Charges, &wire.Charge{BudgetId: ident.New[ident.Budget]().Bytes()})
	}
	for _, each := range odd {
		charged(budget, 100)(each)
	}
	f.take(t, f.batch(t, 9, 1, odd...))
	if reasons := f.rejects(t); len(reasons) > 0 {
		t.Fatalf("rejected: %q", reasons)
	}
	want := int64(len(odd))
	events, eventCost, hourCost, spent, _ := f.books(t, actor.Org)
	if events != want || eventCost.Pico() != 100*want || hourCost.Pico() != 100*want || spent.Pico() != 100*want {
		t.Errorf("%d events, cost %s in hours %s, spent %s; want %d", events, eventCost, hourCost, spent, want)
	}
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	if totals, err := f.usage.Totals(t.Context(), actor, day, day.Add(24*time.Hour)); err != nil || totals.Failed != 1 || totals.EstimatedEvents != 2 {
		t.Errorf("%+v, %v", totals, err)
	}
	page, err := f.usage.Events(t.Context(), actor, usage.Filter{Model: "ab"})
	if err != nil || len(page.Items) != 1 || len(page.Items[0].EndUser) != wire.TextBytesMax || page.Items[0].RunID != "" {
		t.Errorf("%+v, %v", page, err)
	}
	if counts := f.service.Counts(); counts.Events != uint64(want) || counts.Mended != uint64(want)-2 || counts.Rejected != 0 { // a clock and a run's source are nothing odd
		t.Errorf("%+v", counts)
	}
}

func TestAValueThatTheDatabaseRefusesCostsOneRecordOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	if _, err := f.db.Owner(t).Exec(t.Context(), "ALTER TABLE usage_event ADD CONSTRAINT refused CHECK (model <> 'refused')"); err != nil {
		t.Fatal(err)
	}
	var events []*wire.UsageEvent
	for i := range 9 {
		events = append(events, event(actor.Org, func(e *wire.UsageEvent) {
			if i == 4 {
				e.Model = "refused"
			}
		}))
	}
	f.take(t, f.batch(t, 9, 1, events...))
	if events, _, _, _, hourEvents := f.books(t, actor.Org); events != 8 || hourEvents != 8 {
		t.Errorf("%d events, %d in hours", events, hourEvents)
	}
	if reasons := f.rejects(t); len(reasons) != 1 || !strings.Contains(reasons[0], "refused") {
		t.Errorf("kept %q", reasons)
	}
}

func TestABatchThatBreaksTheContractIsRefusedWhole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	falling := f.batch(t, 9, 5, event(actor.Org), event(actor.Org))
	falling.Records[1].Seq = 4
	stranger := f.batch(t, 9, 1, event(actor.Org))
	stranger.EdgeId = ident.New[ident.Edge]().Bytes()
	for name, batch := range map[string]*wire.UsageBatch{"falling": falling, "stranger": stranger, "empty": f.batch(t, 9, 1), "no epoch": f.batch(t, 0, 1, event(actor.Org))} {
		if _, err := f.service.Take(t.Context(), batch); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if events, _, _, _, _ := f.books(t, actor.Org); events != 0 {
		t.Errorf("%d events", events)
	}
}

func TestConcurrentReplaysOfInterleavedEpochsAddUp(t *testing.T) {
	t.Parallel()
	const workers, rounds, size = 6, 5, 20
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	budgets := map[ident.Org]ident.Budget{a.Org: f.budget(t, a, "b"), b.Org: f.budget(t, b, "b")}
	batches := make([]*wire.UsageBatch, rounds)
	for i := range batches {
		var events []*wire.UsageEvent
		for j := range size {
			org := a.Org
			if j%2 == 1 {
				org = b.Org
			}
			events = append(events, event(org, charged(budgets[org], 100)))
		}
		batches[i] = f.batch(t, uint64(1+i%2), uint64(1+i*size), events...)
	}
	var running sync.WaitGroup
	for n := range workers {
		running.Go(func() {
			for i := range batches {
				if _, err := f.service.Take(t.Context(), batches[(i+n)%rounds]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	for _, org := range []ident.Org{a.Org, b.Org} {
		events, eventCost, hourCost, spent, hourEvents := f.books(t, org)
		if want := int64(rounds * size / 2); events != want || hourEvents != want || eventCost.Pico() != 100*want || hourCost.Pico() != 100*want || spent.Pico() != 100*want {
			t.Errorf("events %d in hours %d, cost %s in hours %s, spent %s; want %d", events, hourEvents, eventCost, hourCost, spent, want)
		}
	}
}
