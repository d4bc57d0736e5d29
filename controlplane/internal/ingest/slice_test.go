package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/dataplane/wire"
)

// What nothing restricts is read from the sums by one dimension; what is restricted, be it to all there is, from those by all dimensions.
func TestSpendIsTheSameFromSumsByOneDimensionAsFromThoseByAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	workspace, _ := ident.FromBytes[ident.Workspace](fixed(1))
	random := rand.New(rand.NewPCG(3, 1))
	began := time.Date(2026, 9, 29, 0, 0, 0, 0, time.UTC)
	take := func(epoch uint64) {
		var events []*wire.UsageEvent
		for range 300 {
			events = append(events, event(actor.Org, anything(random, began), func(e *wire.UsageEvent) {
				e.WorkspaceId, e.StartedUnixUs = fixed(1), began.Add(time.Duration(random.Int64N(int64(58*24*time.Hour)))).UnixMicro()
			}))
		}
		f.take(t, f.batch(t, epoch, 1, events...))
	}
	same := func(when string) {
		t.Helper()
		for _, days := range [][2]int{{0, 60}, {2, 3}} {
			for _, step := range []usage.Step{usage.NoStep, usage.ByDay, usage.ByHour} {
				for _, query := range spendGroups(began.AddDate(0, 0, days[0]), began.AddDate(0, 0, days[1]), step) {
					if query.Limit, query.Cells = 2, 1; step != usage.ByDay {
						query.From = query.From.Add(5 * time.Hour)
					}
					if found, want := f.spend(t, actor, query, usage.Where{}), f.spend(t, actor, query, usage.Where{WorkspaceID: workspace}); found != want {
						t.Errorf("%s, %s by %q of %v:\n%s\n%s", when, query.GroupBy, step, days, found, want)
					}
				}
			}
		}
	}
	take(9)
	f.fold(t)
	take(10)
	same("with late usage")
	f.fold(t)
	same("folded again")
}

func (f *fixture) spend(t testing.TB, actor authz.Actor, query usage.SpendQuery, where usage.Where) string {
	t.Helper()
	query.Where = where
	found, err := f.usage.Spend(t.Context(), actor, query)
	if err != nil {
		t.Fatal(err)
	}
	if found.Cells == nil {
		found.Cells = []usage.Cell{}
	}
	text, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// statement is what went over a pool, and how it was to be planned.
type statement struct {
	pgx.TraceQueryStartData
	settings []string
}

// heard is the statements that went over a pool.
type heard struct {
	mu       sync.Mutex
	settings []string
	all      []statement
}

func (h *heard) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case strings.Contains(data.SQL, "'enable_seqscan'"):
		h.settings = []string{data.SQL}
	case strings.Contains(data.SQL, "'enable_"):
		h.settings = append(slices.Clone(h.settings), data.SQL)
	case strings.Contains(data.SQL, "usage_"):
		h.all = append(h.all, statement{data, h.settings})
	}
	return ctx
}

func (h *heard) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (h *heard) take() []statement {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.all
	h.all = nil
	return all
}

// plan is a part of what EXPLAIN says.
type plan struct {
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Rows     float64 `json:"Actual Rows"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Loops    float64 `json:"Actual Loops"`
	Plans    []plan
}

func (p *plan) read(into map[string]float64) {
	if p.Relation != "" {
		into[p.Relation] += (p.Rows + p.Removed) * p.Loops
	}
	if p.Index != "" {
		into[p.Index] += p.Rows * p.Loops
	}
	for i := range p.Plans {
		p.Plans[i].read(into)
	}
}

// rowsRead runs a query again as the service runs it, and adds how many rows it read of each table.
func rowsRead(t *testing.T, db *tenant.DB, org ident.Org, query statement, into map[string]float64) {
	t.Helper()
	var text string
	err := db.Read(t.Context(), org, func(tx pgx.Tx) error {
		for _, setting := range query.settings {
			if _, err := tx.Exec(t.Context(), setting); err != nil {
				return err
			}
		}
		return tx.QueryRow(t.Context(), "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "+query.SQL, query.Args...).Scan(&text)
	})
	var plans []struct{ Plan plan }
	if err == nil {
		err = json.Unmarshal([]byte(text), &plans)
	}
	if err != nil {
		t.Fatalf("%s: %v", query.SQL, err)
	}
	plans[0].Plan.read(into)
}

// overheard returns the service over a pool of its own, and what it says there.
func (f *fixture) overheard(t *testing.T) (*usage.Service, *heard) {
	t.Helper()
	if _, err := f.db.Owner(t).Exec(t.Context(), "ANALYZE"); err != nil { // plans follow from what is known of the tables
		t.Fatal(err)
	}
	config, err := pgxpool.ParseConfig(f.db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	spoken := &heard{}
	config.ConnConfig.Tracer = spoken
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return usage.New(tenant.New(pool), usage.NewFeed(), time.Now), spoken
}

func TestAPageOfSpendReadsAFewRowsForEachGroupAndDayAndNoEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	began := time.Now().UTC().AddDate(0, 0, -70).Truncate(24 * time.Hour)
	const days, users, calls = 40, 10, 10
	var events []*wire.UsageEvent
	for i := range days * users * calls {
		events = append(events, event(actor.Org, func(e *wire.UsageEvent) {
			e.StartedUnixUs = began.AddDate(0, 0, i/(users*calls)).UnixMicro()
			e.EndUser, e.Model, e.VirtualKeyId = fmt.Sprint("user-", i%users), fmt.Sprint("model-", i%7), fixed(byte(i%11))
		}))
	}
	f.take(t, f.batch(t, 9, 1, events...))
	f.fold(t)
	service, spoken := f.overheard(t)
	for _, group := range []usage.Group{usage.ByEndUser, usage.ByAgent, usage.ByVirtualKey, usage.ByOutcome} {
		query := usage.SpendQuery{From: began, To: began.AddDate(0, 0, days), GroupBy: group, Step: usage.ByDay, Cells: 5}
		if found, err := service.Spend(t.Context(), actor, query); err != nil || found.Total.Events == 0 {
			t.Fatalf("%s: %+v, %v", group, found.Total, err)
		}
		read := map[string]float64{}
		for _, one := range spoken.take() {
			rowsRead(t, f.db.Tenant, actor.Org, one, read)
		}
		// Each of four queries reads at most a row for each day and user.
		if read["usage_slice"] == 0 || read["usage_slice"] > 4*days*users*11/10 {
			t.Errorf("by %s: %v rows", group, read)
		}
		for table, rows := range read {
			if !strings.HasPrefix(table, "usage_slice") && !strings.HasPrefix(table, "usage_fold") && rows > 0 {
				t.Errorf("by %s: %v rows of %s, which holds more than what is asked for", group, rows, table)
			}
		}
	}
}

// One row of what is pending holds many calls, each with its labels. Postgres knows that of neither, and would go through all calls for each label.
func TestWhatIsPendingIsGoneThroughAFewTimesForAPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	const calls = 300
	now := time.Now().UTC()
	var events []*wire.UsageEvent
	for i := range calls {
		events = append(events, event(actor.Org, at(now), func(e *wire.UsageEvent) { e.EndUser = fmt.Sprint("user-", i%7) }))
	}
	f.take(t, f.batch(t, 9, 1, events...))
	service, spoken := f.overheard(t)
	from := now.Truncate(time.Hour).Add(-time.Hour)
	for name, ask := range map[string]func() (int64, error){
		"spend": func() (int64, error) {
			found, err := service.Spend(t.Context(), actor, usage.SpendQuery{From: from, To: from.Add(3 * time.Hour), GroupBy: usage.ByEndUser, Step: usage.ByHour})
			return found.Total.Events, err
		},
		"restricted": func() (int64, error) {
			found, err := service.Spend(t.Context(), actor, usage.SpendQuery{From: from, To: from.Add(3 * time.Hour), GroupBy: usage.ByModel, Where: usage.Where{LabelName: "team", LabelValue: "blue"}})
			return found.Total.Events, err
		},
		"costs": func() (int64, error) {
			place := scope.Place{Kind: scope.EndUser, Value: scope.Each}
			found, err := service.CostByPlace(t.Context(), actor.Org, []scope.Place{place}, from, from.Add(3*time.Hour))
			return found[place][now.Truncate(time.Hour)].Pico() / 100, err
		},
	} {
		if found, err := ask(); err != nil || found != calls {
			t.Fatalf("%s: %d calls, %v", name, found, err)
		}
		for _, one := range spoken.take() {
			read := map[string]float64{}
			rowsRead(t, f.db.Tenant, actor.Org, one, read)
			if rows := read["usage_pending"]; rows > 10 {
				t.Errorf("%s: what is pending is read %v times by %s", name, rows, one.SQL)
			}
		}
	}
}

// A few values are looked up by key, many are read with all that a range holds.
func TestSumsOfManyValuesAreThoseOfAFew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	workspace, _ := ident.FromBytes[ident.Workspace](fixed(1))
	began := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	var events []*wire.UsageEvent
	for i := range 900 {
		events = append(events, event(actor.Org, at(began.Add(time.Duration(i)*time.Hour)), func(e *wire.UsageEvent) { e.EndUser, e.CostPico = fmt.Sprint("user-", i%300), int64(i) }))
	}
	f.take(t, f.batch(t, 9, 1, events...))
	f.fold(t)
	for _, limit := range []int{150, 250, 1000} {
		query := usage.SpendQuery{From: began.Add(3 * time.Hour), To: began.Add(890 * time.Hour), GroupBy: usage.ByEndUser, Limit: limit}
		if found, want := f.spend(t, actor, query, usage.Where{}), f.spend(t, actor, query, usage.Where{WorkspaceID: workspace}); found != want {
			t.Errorf("%d groups:\n%s\n%s", limit, found, want)
		}
	}
}

// Calls that kept answers served are few among many, and counted without reading the many.
func TestKeptAnswersAreCountedWithoutReadingOtherSums(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.listed(t, "a")[0]
	began := time.Now().UTC().AddDate(0, 0, -70).Truncate(24 * time.Hour)
	const days, calls = 40, 50
	var events []*wire.UsageEvent
	for i := range days * calls {
		events = append(events, event(actor.Org, func(e *wire.UsageEvent) {
			e.StartedUnixUs, e.VirtualKeyId = began.AddDate(0, 0, i/calls).UnixMicro(), fixed(byte(i%calls+1))
			if i%calls == 0 {
				e.Code = wire.CodeCacheHit
			}
		}))
	}
	f.take(t, f.batch(t, 9, 1, events...))
	f.fold(t)
	service, spoken := f.overheard(t)
	for table, from := range map[string]time.Time{"usage_day": began, "usage_hour": began.Add(-time.Hour)} {
		query := usage.SpendQuery{From: from, To: began.AddDate(0, 0, days), GroupBy: usage.ByOutcome, Where: usage.Where{Code: wire.CodeCacheHit}, Limit: 1}
		if found, err := service.Spend(t.Context(), actor, query); err != nil || found.Total.Events != days {
			t.Fatalf("%+v, %v", found.Total, err)
		}
		read := map[string]float64{}
		for _, one := range spoken.take() {
			rowsRead(t, f.db.Tenant, actor.Org, one, read)
		}
		if read[table+"_hit_idx"] != days {
			t.Errorf("%s: not by their index: %v", table, read)
		}
	}
}
