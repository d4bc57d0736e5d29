package reprice_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/reprice"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/controlplane/internal/work"
	"tollgate.dev/dataplane/wire"
)

// start is when the usage of these tests begins.
var start = time.Now().UTC().Truncate(time.Hour).Add(-5 * time.Hour)

// kept keeps jobs until the test does them.
type kept struct{ args []work.Args }

func (k *kept) Insert(_ context.Context, _ pgx.Tx, args work.Args) error {
	k.args = append(k.args, args)
	return nil
}

type fixture struct {
	db       *pgtest.DB
	actor    authz.Actor
	intake   *ingest.Service
	prices   *price.Service
	jobs     *kept
	service  *reprice.Service
	edge     ident.Edge
	provider ident.Provider
	budget   ident.Budget
	seq      uint64
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{db: pgtest.New(t), jobs: &kept{}, edge: ident.New[ident.Edge](), budget: ident.New[ident.Budget]()}
	f.actor = f.db.Org(t, "a")
	f.intake = ingest.New(f.db.Pool, time.Now, slog.New(slog.DiscardHandler))
	f.prices = price.New(f.db.Pool, time.Now)
	f.service = reprice.New(f.db.Tenant, f.intake, f.jobs, time.Now, slog.New(slog.DiscardHandler))
	if _, err := f.db.Pool.Exec(t.Context(), "INSERT INTO edge (edge_id, name, region, version, epoch, first_seen_at, last_seen_at) VALUES ($1, 'e', '', '', 1, now(), now())", f.edge); err != nil {
		t.Fatal(err)
	}
	box, err := seal.New([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	made, err := provider.New(f.db.Tenant, box).Create(t.Context(), f.actor, provider.Input{Name: "lab", Kind: provider.OpenAI, BaseURL: "https://api.example.com", Catalog: "lab", Credential: seal.NewSecret("sk")})
	if err != nil {
		t.Fatal(err)
	}
	f.provider = made.ID
	err = f.db.Tenant.Write(t.Context(), f.actor.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO budget (org_id, budget_id, name, scope, limit_pico, period, time_zone) VALUES ($1, $2, 'b', 'org', 1000000000, 'total', 'UTC')", f.actor.Org, f.budget)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// override adds a price of model m from a time on.
func (f *fixture) override(t *testing.T, from time.Time, input, output string) price.Own {
	t.Helper()
	made, err := f.prices.Add(t.Context(), f.actor, price.Input{Catalog: "lab", Model: "m", EffectiveAt: from, Amounts: price.Amounts{Input: input, Output: output, CachedInput: "0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// calls takes in so many calls of 10 tokens in, 4 read from a cache and 5 out, a minute apart, charged as an edge does at a price.
func (f *fixture) calls(t *testing.T, count int, from time.Time, at price.Own, change ...func(*wire.UsageEvent)) {
	t.Helper()
	fresh := func() []byte { id := wire.NewID(time.Now()); return id[:] }
	tariff, err := wire.NewTariff(at.Wire())
	if err != nil {
		t.Fatal(err)
	}
	used := &wire.Tokens{Input: 10, CachedInput: 4, Output: 5, Reported: true}
	batch := &wire.UsageBatch{EdgeId: f.edge.Bytes(), Epoch: 1}
	for i := range count {
		cost := tariff.Cost(used)
		e := &wire.UsageEvent{
			EventId: fresh(), OrgId: f.actor.Org.Bytes(), RequestId: fresh(), RunId: "run", WorkspaceId: fresh(), VirtualKeyId: fresh(), ProviderId: f.provider.Bytes(),
			Dialect: "openai_chat", Model: "fast", ProviderModel: "m", Attempt: 1, Outcome: wire.Outcome_OUTCOME_OK, EndUser: "ada", Labels: map[string]string{"team": "blue"},
			StartedUnixUs: from.Add(time.Duration(i) * time.Second).UnixMicro(), InputTokens: 10, CachedInputTokens: 4, OutputTokens: 5, Reported: true,
			CostPico: cost, BoundPico: 2 * cost, SavedPico: tariff.Saved(used), PriceId: at.ID.Bytes(),
			Charges: []*wire.Charge{{BudgetId: f.budget.Bytes(), SpentPico: cost}},
		}
		for _, each := range change {
			each(e)
		}
		raw, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		f.seq++
		batch.Records = append(batch.Records, &wire.UsageRecord{Seq: f.seq, Event: raw})
	}
	if _, err := f.intake.Take(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// cost is what everything says that was spent.
type cost struct{ events, hours, days, tags, runs, spent, saved string }

func (f *fixture) cost(t *testing.T) (c cost) {
	t.Helper()
	err := f.db.Tenant.Read(t.Context(), f.actor.Org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT
			(SELECT sum(coalesce((SELECT c.after_pico FROM usage_correction c WHERE c.event_id = e.event_id ORDER BY c.corrected_at DESC LIMIT 1), e.cost_pico))::text FROM usage_event e),
			(SELECT sum(cost_pico)::text FROM usage_sum WHERE source = 'hour'), (SELECT sum(cost_pico)::text FROM usage_sum WHERE source = 'day'), (SELECT sum(cost_pico)::text FROM usage_sum WHERE source = 'tag_day' AND name = 'team'),
			(SELECT sum(cost_pico)::text FROM usage_run_sum), (SELECT sum(spent)::text FROM budget_period), (SELECT sum(saved_pico)::text FROM usage_sum WHERE source = 'day')`).
			Scan(&c.events, &c.hours, &c.days, &c.tags, &c.runs, &c.spent, &c.saved)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fixture) expect(t *testing.T, when, pico, saved string) {
	t.Helper()
	if got := f.cost(t); got != (cost{pico, pico, pico, pico, pico, pico, saved}) {
		t.Errorf("%s: %+v, want %s and saved %s", when, got, pico, saved)
	}
}

func (f *fixture) run(t *testing.T, in reprice.Input) reprice.Reprice {
	t.Helper()
	started, err := f.service.Start(t.Context(), f.actor, in)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.service.Do(t.Context(), reprice.Job{Org: f.actor.Org, Reprice: started.ID}); err != nil {
		t.Fatal(err)
	}
	all, err := f.service.List(t.Context(), f.actor)
	if err != nil || all[0].ID != started.ID || all[0].DoneAt == nil {
		t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

func TestHistoryIsCorrectedExactlyAndTheOriginalStaysReadable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.override(t, start.Add(-time.Hour), "1", "2")
	f.calls(t, 1500, start, a) // 10·1000000 + 4·100000 + 5·2000000 = 20400000 each
	f.calls(t, 10, start.Add(3*time.Hour), a)
	f.expect(t, "as charged", "30804000000", "5436000000")
	f.override(t, start, "2", "3") // 10·2000000 + 4·100000 + 5·3000000 = 35400000
	in := reprice.Input{Catalog: "lab", From: start, Until: start.Add(time.Hour), Reason: "the contract says so"}
	preview, err := f.service.Preview(t.Context(), f.actor, in)
	if err != nil || !preview.Whole || preview.Changed != 1500 || preview.Seen != 1500 || preview.LeftOut != 0 || preview.Before.String() != "30600000000" || preview.After.String() != "53100000000" {
		t.Fatalf("%+v, %v", preview, err)
	}
	f.expect(t, "after the preview", "30804000000", "5436000000")
	done := f.run(t, in)
	if done.Totals != preview.Totals && (done.Changed != 1500 || done.After.Cmp(preview.After) != 0 || done.Before.Cmp(preview.Before) != 0) {
		t.Errorf("%+v, previewed %+v", done, preview)
	}
	f.expect(t, "corrected", "53304000000", "11436000000")
	if again := f.run(t, in); again.Changed != 0 || again.Seen != 1500 {
		t.Errorf("a second run: %+v", again)
	}
	f.expect(t, "corrected twice", "53304000000", "11436000000")

	page, err := usage.New(f.db.Tenant, usage.NewFeed(), time.Now).Events(t.Context(), f.actor, usage.Filter{Limit: 1, To: start.Add(time.Hour)})
	if err != nil || len(page.Items) != 1 {
		t.Fatal(err)
	}
	detail, err := usage.New(f.db.Tenant, usage.NewFeed(), time.Now).Event(t.Context(), f.actor, page.Items[0].ID)
	if err != nil || detail.Cost.String() != "35400000" || detail.Correction == nil || detail.Correction.Charged.String() != "20400000" || detail.Correction.Reason != in.Reason || detail.Price.InputPico != 2_000_000 {
		t.Errorf("%+v, %v", detail.Event, err)
	}
	sum := detail.Cost.Sub(detail.Cost)
	for _, line := range detail.Bill() {
		sum = sum.Add(line.Cost)
	}
	if sum.Cmp(detail.Cost) != 0 {
		t.Errorf("the bill adds up to %s", sum)
	}
	entries := 0
	err = f.db.Tenant.Read(t.Context(), f.actor.Org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM audit_entry WHERE action = 'reprice.finish' AND after->>'reason' = $1 AND after->>'changed' = '1500'", in.Reason).Scan(&entries)
	})
	if err != nil || entries != 1 {
		t.Errorf("%d audit entries with the totals, %v", entries, err)
	}
}

// failing fails the corrections from the second chunk on until it is mended.
type failing struct {
	*ingest.Service
	calls  int
	mended bool
}

var errKilled = errors.New("killed")

func (s *failing) Correct(ctx context.Context, tx pgx.Tx, org ident.Org, all []ledger.Correction) ([]ledger.Adjustment, error) {
	unknown, err := s.Service.Correct(ctx, tx, org, all)
	if s.calls++; s.calls > 1 && !s.mended {
		return nil, errKilled
	}
	return unknown, err
}

func TestARunThatDiesGoesOnWithoutCorrectingTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	broken := &failing{Service: f.intake}
	f.service = reprice.New(f.db.Tenant, broken, f.jobs, time.Now, slog.New(slog.DiscardHandler))
	f.calls(t, 2500, start, f.override(t, start.Add(-time.Hour), "1", "2"))
	f.override(t, start, "2", "3")
	started, err := f.service.Start(t.Context(), f.actor, reprice.Input{From: start, Reason: "r"})
	if err != nil || len(f.jobs.args) != 1 {
		t.Fatal(err)
	}
	job := reprice.Job{Org: f.actor.Org, Reprice: started.ID}
	for range 3 {
		if err := f.service.Do(t.Context(), job); !errors.Is(err, errKilled) {
			t.Fatalf("the second chunk: %v", err)
		}
	}
	f.expect(t, "after one chunk", "66000000000", "13000000000") // 1000·35400000 + 1500·20400000
	if _, err := f.service.Start(t.Context(), f.actor, reprice.Input{From: start, Reason: "r"}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second run at the same time: %v", err)
	}
	broken.mended = true
	for range 2 {
		if err := f.service.Do(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	f.expect(t, "done", "88500000000", "19000000000")
}

func TestWhatCannotBeToldAgainIsLeftOutAndCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.override(t, start.Add(-time.Hour), "1", "2")
	f.calls(t, 1, start, a, func(e *wire.UsageEvent) { e.CostPico++ })                                      // its cost does not follow from its tokens
	f.calls(t, 1, start, a, func(e *wire.UsageEvent) { e.ProviderModel = "without a price" })               // no price today
	f.calls(t, 1, start, a, func(e *wire.UsageEvent) { e.PriceId = fixedID() })                             // a price that nobody knows
	f.calls(t, 1, start, a, func(e *wire.UsageEvent) { e.Charges[0].BudgetId = fixedID() })                 // corrected, though its budget is none
	f.calls(t, 1, start, a, func(e *wire.UsageEvent) { e.Outcome, e.Waste = 3, true })                      // waste is corrected too
	f.calls(t, 1, start, a, func(e *wire.UsageEvent) { e.ProviderId, e.CostPico, e.Charges = nil, 0, nil }) // reached no provider
	f.override(t, start, "2", "3")
	done := f.run(t, reprice.Input{From: start, Reason: "r"})
	if done.Seen != 5 || done.LeftOut != 3 || done.Changed != 2 || done.After.String() != "70800000" {
		t.Errorf("%+v", done)
	}
	_, err := f.service.Preview(t.Context(), f.actor, reprice.Input{})
	_, missing := f.service.Start(t.Context(), f.actor, reprice.Input{From: start})
	if fault.Of(err).Fields[0].Name != "from" || fault.Of(missing).Fields[0].Name != "reason" {
		t.Errorf("%v, %v", err, missing)
	}
}

func TestAnotherOrganizationsUsageIsNotPricedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.calls(t, 5, start, f.override(t, start.Add(-time.Hour), "1", "2"))
	f.override(t, start, "2", "3")
	b := f.db.Org(t, "b")
	found, err := f.service.Preview(t.Context(), b, reprice.Input{From: start})
	if err != nil || found.Seen != 0 {
		t.Errorf("b sees %+v, %v", found, err)
	}
	mine := f.run(t, reprice.Input{From: start, Reason: "r"})
	if all, err := f.service.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("b sees %+v, %v", all, err)
	}
	if err := f.service.Do(t.Context(), reprice.Job{Org: b.Org, Reprice: mine.ID}); err == nil {
		t.Error("b carries on a's run")
	}
	viewer := b
	viewer.Role = authz.Viewer
	if _, err := f.service.Start(t.Context(), viewer, reprice.Input{From: start, Reason: "r"}); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("a viewer: %v", err)
	}
}

func fixedID() []byte { return append(make([]byte, 15), 9) }
