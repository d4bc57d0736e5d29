package ingest_test

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ingest"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/dataplane/wire"
)

const day = 24 * time.Hour

func at(moment time.Time) func(*wire.UsageEvent) {
	return func(e *wire.UsageEvent) { e.StartedUnixUs = moment.UnixMicro() }
}

func (f *fixture) keep(t testing.TB, retention time.Duration) {
	t.Helper()
	if err := f.service.Keeper(retention).Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// partitions counts the events in each partition.
func partitions(t testing.TB, db *pgtest.DB) map[string]int {
	t.Helper()
	owner := db.Owner(t)
	rows, err := owner.Query(t.Context(), "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'usage_event'::regclass")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, name := range names {
		var count int
		if err := owner.QueryRow(t.Context(), "SELECT count(*) FROM "+pgx.Identifier{name}.Sanitize()).Scan(&count); err != nil {
			t.Fatal(err)
		}
		counts[name] = count
	}
	return counts
}

func named(moment time.Time) string { return "usage_event_" + moment.UTC().Format("20060102") }

func TestPartitionsAreMadeAheadAndTakeTheirDay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	now := time.Now().UTC()
	f.keep(t, 0)
	f.keep(t, 0) // again: nothing changes
	batch := f.batch(t, 9, 1, event(actor.Org, at(now)), event(actor.Org, at(now.Add(2*day))), event(actor.Org, at(now.Add(-5*day))))
	f.take(t, batch)
	f.take(t, batch)
	counts := partitions(t, f.db)
	want := map[string]int{named(now): 1, named(now.Add(day)): 0, named(now.Add(2 * day)): 1, named(now.Add(3 * day)): 0, "usage_event_default": 1}
	for name, count := range want {
		if got, there := counts[name]; !there || got != count {
			t.Errorf("%s: there %v, %d events, want %d", name, there, got, count)
		}
	}
	if len(counts) != len(want) {
		t.Errorf("partitions %v", counts)
	}
	if events, _, _, _, hourEvents := f.books(t, actor.Org); events != 3 || hourEvents != 3 {
		t.Errorf("%d events, %d in hours", events, hourEvents)
	}
}

func TestADayThatIsInTheDefaultPartitionAlreadyStaysThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	now := time.Now().UTC()
	batch := f.batch(t, 9, 1, event(actor.Org, at(now)))
	f.take(t, batch)
	f.keep(t, 0)
	f.take(t, batch) // the same event must not count again
	counts := partitions(t, f.db)
	if _, made := counts[named(now)]; made || counts["usage_event_default"] != 1 || len(counts) != 4 {
		t.Errorf("partitions %v", counts)
	}
	if events, _, _, _, hourEvents := f.books(t, actor.Org); events != 1 || hourEvents != 1 {
		t.Errorf("%d events, %d in hours", events, hourEvents)
	}
}

func TestSeveralControlPlanesKeepPartitionsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			if err := f.service.Keeper(30 * day).Keep(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if counts := partitions(t, f.db); len(counts) != 5 {
		t.Errorf("partitions %v", counts)
	}
}

func TestRetentionDropsEventsAndKeepsTheHours(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.db.Org(t, "a"), f.db.Org(t, "b")
	if _, err := f.db.Pool.Exec(t.Context(), "INSERT INTO generation (org_id, generation, changed_at) VALUES ($1, 1, now()), ($2, 1, now())", a.Org, b.Org); err != nil {
		t.Fatal(err) // as every organization that was made through its service
	}
	now := time.Now().UTC()
	f.keep(t, 0)
	f.take(t, f.batch(t, 9, 1, event(a.Org, at(now)), event(a.Org, at(now.Add(-40*day))), event(b.Org, at(now.Add(-2*day))), event(b.Org, at(now.Add(-9*day)))))
	f.keep(t, 8*day)
	if events, _, _, _, hourEvents := f.books(t, a.Org); events != 1 || hourEvents != 2 {
		t.Errorf("a: %d events, %d in hours", events, hourEvents)
	}
	if events, _, _, _, hourEvents := f.books(t, b.Org); events != 1 || hourEvents != 2 {
		t.Errorf("b: %d events, %d in hours", events, hourEvents)
	}
}

func TestRetentionDropsWholePartitionsOfOldDays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	now := time.Now().UTC()
	old := now.Add(-10 * day)
	if err := ingest.New(f.db.Pool, func() time.Time { return old }, slog.New(slog.DiscardHandler)).Keeper(0).Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.take(t, f.batch(t, 9, 1, event(actor.Org, at(old)), event(actor.Org, at(old.Add(3*day))), event(actor.Org, at(now))))
	f.keep(t, 8*day)
	names := make([]string, 0)
	for name := range partitions(t, f.db) {
		names = append(names, name)
	}
	for n, want := range map[int]bool{-10: false, -9: false, -8: true, -7: true, 0: false, 1: true, 2: true, 3: true} {
		if got := slices.Contains(names, named(now.Add(time.Duration(n)*day))); got != want {
			t.Errorf("partition of day %d is there: %v; all: %v", n, got, names)
		}
	}
	if events, _, _, _, hourEvents := f.books(t, actor.Org); events != 2 || hourEvents != 3 {
		t.Errorf("%d events, %d in hours", events, hourEvents)
	}
}

func TestThePartitionFunctionsRefuseWhatTheyAreNotFor(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, call := range []string{
		"SELECT make_usage_partition('2001-01-01')", "SELECT make_usage_partition(NULL)", "SELECT drop_usage_before(NULL)",
		"SELECT drop_usage_before(((now() AT TIME ZONE 'UTC')::date + 1))", "DROP TABLE usage_event_default",
	} {
		if _, err := db.Pool.Exec(t.Context(), call); err == nil || strings.Contains(err.Error(), "syntax") {
			t.Errorf("%s: %v", call, err)
		}
	}
}

func TestEventsOfBeforeKeepTheirIdentityUnderTheNewKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.keep(t, 0)
	actor := f.db.Org(t, "a")
	now := time.Now().UTC()
	batch := f.batch(t, 9, 1, event(actor.Org, at(now)), event(actor.Org, at(now.Add(-40*day))))
	f.take(t, batch)
	f.db.Pool.Close()
	migrations := pgtest.Migrate(t, f.db.OwnerURL)
	if _, err := migrations.DownTo(t.Context(), 40); err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	var odd int
	err := f.db.Owner(t).QueryRow(t.Context(), `SELECT count(*) FROM (SELECT i.inhrelid FROM pg_inherits i JOIN pg_index x ON x.indrelid = i.inhrelid
		LEFT JOIN pg_inherits a ON a.inhrelid = x.indexrelid AND a.inhparent = 'usage_event_key'::regclass
		WHERE i.inhparent = 'usage_event'::regclass GROUP BY 1 HAVING count(*) <> 1 OR count(a.inhrelid) <> 1 OR NOT bool_and(x.indisunique AND x.indisvalid)) AS p`).Scan(&odd)
	if err != nil || odd > 0 {
		t.Errorf("%d partitions with other indexes than the key, %v", odd, err)
	}
	fresh, err := pgxpool.New(t.Context(), f.db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	service := ingest.New(fresh, time.Now, slog.New(slog.DiscardHandler))
	if _, err := service.Take(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if events := service.Counts().Events; events != 0 {
		t.Errorf("%d events were taken in again", events)
	}
}
