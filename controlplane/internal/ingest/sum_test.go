package ingest_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/dataplane/wire"
)

// summed are the figures as they follow from events.
const summed = `sum(count)::bigint, sum(input_tokens)::bigint, sum(cached_input_tokens)::bigint, sum(cache_write_tokens)::bigint, sum(output_tokens)::bigint,
	sum(reasoning_tokens)::bigint, sum(cost_pico)::numeric, sum(CASE WHEN waste THEN cost_pico ELSE 0 END)::numeric, sum(saved_pico)::numeric,
	sum(CASE WHEN outcome = 'indeterminate' THEN greatest(bound_pico - cost_pico, 0) ELSE 0 END)::numeric,
	sum(CASE WHEN estimated THEN count ELSE 0 END)::bigint, sum(CASE WHEN estimated THEN cost_pico ELSE 0 END)::numeric`

// kept are the same figures in a table of sums.
const kept = `events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
	doubt_pico, estimated_events, estimated_pico`

// added are the same figures in all rows of a key: a day's are in its row and in hours that are not folded.
const added = `sum(events)::bigint, sum(input_tokens)::bigint, sum(cached_input_tokens)::bigint, sum(cache_write_tokens)::bigint, sum(output_tokens)::bigint,
	sum(reasoning_tokens)::bigint, sum(cost_pico), sum(waste_pico), sum(saved_pico), sum(doubt_pico), sum(estimated_events)::bigint, sum(estimated_pico)`

const none = "'00000000-0000-0000-0000-000000000000'::uuid"

// dimensions are those of every sum but a run's, as they follow from events.
const dimensions = `workspace_id, coalesce(agent_id, ` + none + `), virtual_key_id, coalesce(provider_id, ` + none + `), coalesce(route_id, ` + none + `),
	CASE WHEN provider_id IS NULL AND route_id IS NULL THEN '(no route)' ELSE model END, outcome, code`

const tagged = `usage_event, LATERAL (SELECT '' AS name, end_user AS value WHERE end_user <> '' UNION ALL SELECT key, value FROM jsonb_each_text(labels)) AS t`

// differences compares every table of sums with the events, row by row, and returns what differs.
func (f *fixture) differences(t testing.TB, org ident.Org) (differ []string) {
	t.Helper()
	keys := "workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code"
	err := f.db.Tenant.Read(t.Context(), org, func(tx pgx.Tx) error {
		for table, want := range map[string]string{
			"usage_hour":     "SELECT date_trunc('hour', started_at, 'UTC'), " + dimensions + ", " + summed + " FROM usage_event GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
			"usage_day":      "SELECT date_trunc('day', started_at, 'UTC'), " + dimensions + ", " + summed + " FROM usage_event GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9",
			"usage_tag_hour": "SELECT date_trunc('hour', started_at, 'UTC'), name, value, " + dimensions + ", " + summed + " FROM " + tagged + " GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
			"usage_tag_day":  "SELECT date_trunc('day', started_at, 'UTC'), name, value, " + dimensions + ", " + summed + " FROM " + tagged + " GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
			"usage_run": `SELECT run_id, min(started_at), max(started_at + duration_us * interval '1 microsecond'), sum(CASE WHEN attempt <= 1 THEN count ELSE 0 END)::bigint,
				sum(CASE WHEN outcome = 'refused' THEN count ELSE 0 END)::bigint, sum(CASE WHEN outcome IN ('upstream_failed', 'client_closed') THEN count ELSE 0 END)::bigint,
				sum(CASE WHEN outcome = 'indeterminate' THEN count ELSE 0 END)::bigint, ` + summed + ` FROM usage_event WHERE run_id <> '' AND run_id <> request_id::text GROUP BY 1`,
		} {
			have := "SELECT run_id, first_at, last_at, steps, refused, failed, indeterminate, " + kept + " FROM usage_run_sum"
			if source := strings.TrimPrefix(table, "usage_"); source != "run" {
				dimensions := "start, " + keys
				if strings.HasPrefix(source, "tag_") {
					dimensions = "start, name, value, " + keys
				}
				have = "SELECT " + dimensions + ", " + added + " FROM usage_sum WHERE source = '" + source + "' GROUP BY " + dimensions
			}
			var rows, wrong int
			err := tx.QueryRow(t.Context(), fmt.Sprintf("WITH want AS (%s), have AS (%s) SELECT (SELECT count(*) FROM have), (SELECT count(*) FROM (TABLE want EXCEPT ALL TABLE have) a) + (SELECT count(*) FROM (TABLE have EXCEPT ALL TABLE want) b)", want, have)).
				Scan(&rows, &wrong)
			if err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
			if wrong > 0 || rows == 0 {
				differ = append(differ, fmt.Sprintf("%s: %d rows, %d differ", table, rows, wrong))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if f.pending(t) > 0 {
		return differ // of hours that are folded already, some may not be
	}
	return append(differ, f.slicesDiffer(t, org)...)
}

// slicedBy are the sums by one dimension, as they follow from events.
var slicedBy = []struct{ dimension, name, value, from string }{
	{"workspace", "''", "workspace_id::text", "usage_event"},
	{"agent", "''", "coalesce(agent_id, " + none + ")::text", "usage_event"},
	{"virtual_key", "''", "virtual_key_id::text", "usage_event"},
	{"provider", "''", "coalesce(provider_id, " + none + ")::text", "usage_event"},
	{"route", "''", "coalesce(route_id, " + none + ")::text", "usage_event"},
	{"model", "''", "CASE WHEN provider_id IS NULL AND route_id IS NULL THEN '(no route)' ELSE model END", "usage_event"},
	{"outcome", "''", "outcome", "usage_event"},
	{"end_user", "''", "end_user", "usage_event"},
	{"label", "name", "value", tagged},
	{"tagged", "name", "outcome", tagged},
}

// slicesDiffer compares the sums by one dimension, by hour, day and week, with the events of hours that are folded, row by row.
func (f *fixture) slicesDiffer(t testing.TB, org ident.Org) (differ []string) {
	t.Helper()
	err := f.db.Tenant.Read(t.Context(), org, func(tx pgx.Tx) error {
		for _, step := range []string{"hour", "day", "week"} {
			for _, by := range slicedBy {
				where := map[string]string{"end_user": " AND end_user <> ''", "label": " AND name <> ''"}[by.dimension]
				want := "SELECT " + by.name + ", date_trunc('" + step + "', started_at, 'UTC'), " + by.value + ", " + summed + " FROM " + by.from +
					" WHERE started_at < coalesce((SELECT max(summed_until) FROM usage_fold), '-infinity')" + where + " GROUP BY 1, 2, 3"
				have := "SELECT name, start, value, " + kept + " FROM usage_slice WHERE step = '" + step + "' AND dimension = '" + by.dimension + "'"
				var wrong int
				sql := fmt.Sprintf("WITH want AS (%s), have AS (%s) SELECT (SELECT count(*) FROM (TABLE want EXCEPT ALL TABLE have) a) + (SELECT count(*) FROM (TABLE have EXCEPT ALL TABLE want) b)", want, have)
				if err := tx.QueryRow(t.Context(), sql).Scan(&wrong); err != nil {
					return fmt.Errorf("%s by %s: %w", by.dimension, step, err)
				}
				if wrong > 0 {
					differ = append(differ, fmt.Sprintf("%s by %s: %d rows differ", by.dimension, step, wrong))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return differ
}

// anything makes an event that is different in any way that an event can be.
func anything(random *rand.Rand, began time.Time) func(*wire.UsageEvent) {
	return func(e *wire.UsageEvent) {
		some := func(n byte) []byte { return fixed(1 + byte(random.IntN(int(n)))) }
		e.StartedUnixUs = began.Add(time.Duration(random.Int64N(int64(50 * time.Hour)))).UnixMicro()
		e.WorkspaceId, e.VirtualKeyId, e.Attempt = some(2), some(3), uint32(random.IntN(3))
		e.RouteVersion, e.RoutePath = uint32(random.IntN(3)), []string{"", "europe", "europe/cheap"}[random.IntN(3)]
		e.RunSource = wire.RunSource(random.IntN(7))
		e.AgentId, e.ProviderId, e.RouteId = [][]byte{nil, fixed(7)}[random.IntN(2)], [][]byte{nil, fixed(8)}[random.IntN(2)], [][]byte{nil, fixed(9)}[random.IntN(2)]
		e.Model, e.Code = []string{"fast", "slow"}[random.IntN(2)], []string{"", "upstream_failed"}[random.IntN(2)]
		e.Outcome = wire.Outcome(1 + random.IntN(5))
		if e.Outcome == wire.Outcome_OUTCOME_REFUSED && random.IntN(2) == 0 {
			e.Count, e.CostPico = uint64(random.IntN(1000)), 0
		} else {
			e.CostPico = []int64{0, 1, random.Int64(), math.MaxInt64}[random.IntN(4)]
		}
		e.BoundPico, e.SavedPico, e.DurationUs = random.Int64(), random.Int64N(1000), random.Int64N(1e9)
		e.InputTokens, e.CachedInputTokens, e.CacheWriteTokens = random.Int64N(1e6), random.Int64N(1e6), random.Int64N(1e6)
		e.OutputTokens, e.ReasoningTokens = random.Int64N(1e6), random.Int64N(1e6)
		e.Waste, e.Estimated = random.IntN(2) == 0, random.IntN(2) == 0
		e.RunId = []string{"", "run-a", "run-b", ident.Org{UUID: [16]byte(e.GetRequestId())}.String()}[random.IntN(4)]
		e.EndUser = []string{"", "ann", "bob"}[random.IntN(3)]
		e.Labels = []map[string]string{nil, {"team": "blue"}, {"team": "red", "step": ""}, {"(other)": "x"}}[random.IntN(4)]
	}
}

func TestEverySumIsExactlyWhatTheEventsSay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	began := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for first := uint64(1); first < 1000; first += 200 {
		var events []*wire.UsageEvent
		for i := range 200 {
			org := a.Org
			if i%5 == 0 {
				org = b.Org
			}
			events = append(events, event(org, anything(random, began)))
		}
		f.take(t, f.batch(t, 9, first, events...))
		f.take(t, f.batch(t, 9, first, events...)) // again: nothing changes
		events[0].EventId = event(a.Org).GetEventId()
		f.take(t, f.batch(t, 10, first, events...)) // a new one among old ones
	}
	if rejects := f.rejects(t); len(rejects) > 0 {
		t.Fatalf("rejected: %v", rejects[0])
	}
	for _, actor := range []ident.Org{a.Org, b.Org} {
		if differ := f.differences(t, actor); len(differ) > 0 {
			t.Errorf("seed %d: %v", seed, differ)
		}
	}
}

func TestCallersCannotMakeAnyNumberOfSums(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	var events []*wire.UsageEvent
	for i := range 2500 {
		events = append(events, event(actor.Org, func(e *wire.UsageEvent) {
			e.Labels = map[string]string{"team": strconv.Itoa(i), "name-" + strconv.Itoa(i%100): "x", "more-" + strconv.Itoa(i%100): "x"}
		}))
	}
	f.take(t, f.batch(t, 9, 1, events[:1000]...))
	f.take(t, f.batch(t, 9, 1001, events[1000:]...))
	count := func(sql string) (n int64) {
		t.Helper()
		err := f.db.Tenant.Read(t.Context(), actor.Org, func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), sql).Scan(&n) })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, table := range []string{"(SELECT * FROM usage_sum WHERE source = 'tag_hour')", "(SELECT * FROM usage_sum WHERE source = 'tag_day')"} {
		for _, check := range []struct {
			sql  string
			want int64
		}{
			{"SELECT count(DISTINCT value) FROM %s t WHERE name = 'team'", 2001},
			{"SELECT sum(events)::bigint FROM %s t WHERE name = 'team'", 2500},
			{"SELECT sum(events)::bigint FROM %s t WHERE name = 'team' AND value = '(other)'", 500},
			{"SELECT count(DISTINCT name) FROM %s t", 66}, // 65 without an end user, and the others
		} {
			if got := count(fmt.Sprintf(check.sql, table)); got != check.want {
				t.Errorf("%s: %d, want %d", fmt.Sprintf(check.sql, table), got, check.want)
			}
		}
	}
	if got := count("SELECT sum(events)::bigint FROM usage_sum WHERE source = 'tag_day' AND name = '(other)' OR source = 'tag_day' AND name LIKE 'name-%' OR source = 'tag_day' AND name LIKE 'more-%'"); got <= 2500 || got > 5000 {
		t.Errorf("%d events under 200 names", got)
	}
}

func TestSumsOfUnknownModelsAreOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	var events []*wire.UsageEvent
	for i := range 50 {
		events = append(events, event(actor.Org, func(e *wire.UsageEvent) {
			e.ProviderId, e.RouteId, e.Model, e.Outcome, e.Code, e.CostPico = nil, nil, "guess-"+strconv.Itoa(i), wire.Outcome_OUTCOME_REFUSED, "model_not_found", 0
		}))
	}
	f.take(t, f.batch(t, 9, 1, events...))
	var rows int
	err := f.db.Tenant.Read(t.Context(), actor.Org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT sum(events)::bigint / 50 FROM usage_sum WHERE source = 'hour' AND model = '(no route)'").Scan(&rows)
	})
	if err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestSumsAreMadeOfWhatWasThereBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	owner := f.db.Owner(t)
	price := ident.New[ident.Price]()
	if _, err := owner.Exec(t.Context(), "INSERT INTO generation (org_id, generation, changed_at) VALUES ($1, 1, now())", actor.Org); err != nil {
		t.Fatal(err)
	}
	_, err := owner.Exec(t.Context(), `INSERT INTO model_price (price_id, catalog, model, effective_at, input_pico, cached_input_pico, cache_write_pico, output_pico, reasoning_pico,
		cache_write_hour_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico)
		VALUES ($1, 'c', 'm', now(), 10, 3, 12, 20, 0, 12, 10, 20, 10, 20)`, price)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	began := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	var events []*wire.UsageEvent
	saved := int64(0)
	for range 300 {
		events = append(events, event(actor.Org, anything(random, began), func(e *wire.UsageEvent) {
			e.Count, e.PriceId, e.SavedPico = 0, price.Bytes(), 7*e.GetCachedInputTokens()
			saved += e.GetSavedPico()
		}))
	}
	f.take(t, f.batch(t, 9, 1, events...))
	f.fold(t)
	f.db.Pool.Close()
	migrations := pgtest.Migrate(t, f.db.OwnerURL)
	if _, err := migrations.DownTo(t.Context(), 12); err != nil {
		t.Fatal(err)
	}
	// An hour of which some events are not kept any more stays as it is.
	for _, step := range []string{
		"SELECT set_config('app.org', '" + actor.Org.String() + "', false)",
		`INSERT INTO usage_hour SELECT org_id, '2026-01-01T00:00:00Z', workspace_id, agent_id, virtual_key_id, provider_id, model, outcome, code, 5, 1, 1, 1, 1, 1, 1000, 0
			FROM usage_hour WHERE org_id = '` + actor.Org.String() + "' LIMIT 1",
	} {
		if _, err := owner.Exec(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := migrations.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	var before, after, total int64
	err = owner.QueryRow(t.Context(), `SELECT (SELECT events FROM usage_hour WHERE hour < '2026-02-01'), (SELECT events FROM usage_day WHERE start < '2026-02-01'),
		(SELECT sum(saved_pico)::bigint FROM usage_hour)`).Scan(&before, &after, &total)
	if err != nil || before != 5 || after != 5 || total != saved {
		t.Errorf("%d events in the old hour, %d in its day, %d saved of %d, %v", before, after, total, saved, err)
	}
	for _, table := range []string{"usage_hour WHERE hour", "usage_day WHERE start", "usage_slice WHERE start"} {
		if _, err := owner.Exec(t.Context(), "DELETE FROM "+table+" < '2026-02-01'"); err != nil {
			t.Fatal(err)
		}
	}
	fresh, err := pgxpool.New(t.Context(), f.db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	f.db.Tenant = tenant.New(fresh)
	if differ := f.differences(t, actor.Org); len(differ) > 0 {
		t.Error(differ)
	}
}
