package budget_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/work"
	"tollgate.dev/controlplane/internal/workspace"
)

// calls is a usage that knows what was spent in each hour everywhere.
type calls struct{ hours map[time.Time]money.Amount }

func (c *calls) CostByPlace(_ context.Context, _ ident.Org, places []scope.Place, from, to time.Time) (map[scope.Place]map[time.Time]money.Amount, error) {
	all := map[scope.Place]map[time.Time]money.Amount{}
	for _, place := range places {
		all[place] = map[time.Time]money.Amount{}
		for hour, cost := range c.hours {
			if !hour.Before(from) && hour.Before(to) {
				all[place][hour] = cost
			}
		}
	}
	return all, nil
}

func newService(t *testing.T, db *pgtest.DB, calls *calls, now func() time.Time) *budget.Service {
	t.Helper()
	jobs, err := work.New(db.Pool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return budget.New(db.Tenant, calls, ledger.New(db.Pool, time.Now, slog.New(slog.DiscardHandler)), jobs, now)
}

func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func TestAnotherOrganizationsBudgetIsNotFound(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := newService(t, db, &calls{}, noon)
	made := create(t, service, a, "monthly")
	limit := "1"

	if _, err := service.Get(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("get: %v", err)
	}
	if _, err := service.Update(t.Context(), b, made.ID, budget.Change{LimitUSD: &limit}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("update: %v", err)
	}
	if err := service.Archive(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("archive: %v", err)
	}
	if all, err := service.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("list: %v, %v", all, err)
	}
	place, err := workspace.New(db.Tenant).Create(t.Context(), a, workspace.Input{Name: "Main"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = service.Create(t.Context(), b, budget.Input{Name: "x", Scope: scope.Workspace, ScopeID: ident.Scope{UUID: place.ID.UUID}, LimitUSD: "1", Period: budget.Day})
	wantFields(t, err, fault.Invalid, "scope_id")
}

func TestCreateNamesEveryWrongFieldOfABudget(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db, &calls{}, noon)
	for name, test := range map[string]struct {
		in     budget.Input
		fields []string
	}{
		"nothing":           {budget.Input{}, []string{"name", "scope", "limit_usd", "period"}},
		"no id":             {budget.Input{Name: "b", Scope: scope.VirtualKey, LimitUSD: "1", Period: budget.Day}, []string{"scope_id"}},
		"an unknown id":     {budget.Input{Name: "b", Scope: scope.VirtualKey, ScopeID: ident.New[ident.Scope](), LimitUSD: "1", Period: budget.Day}, []string{"scope_id"}},
		"an unknown agent":  {budget.Input{Name: "b", Scope: scope.Agent, ScopeID: ident.New[ident.Scope](), LimitUSD: "1", Period: budget.Day}, []string{"scope_id"}},
		"a model of nobody": {budget.Input{Name: "b", Scope: scope.Model, ScopeValue: "no-such", LimitUSD: "1", Period: budget.Day}, []string{"scope_value"}},
		"no end user":       {budget.Input{Name: "b", Scope: scope.EndUser, LimitUSD: "1", Period: budget.Day}, []string{"scope_value"}},
		"a label's name":    {budget.Input{Name: "b", Scope: scope.Label, ScopeValue: "team", LimitUSD: "1", Period: budget.Day}, []string{"scope_value"}},
		"a negative limit":  {budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "-1", Period: budget.Day}, []string{"limit_usd"}},
		"an absurd limit":   {budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "1000000000.01", Period: budget.Day}, []string{"limit_usd"}},
		"words for money":   {budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "1e3", Period: budget.Day}, []string{"limit_usd"}},
		"an unknown zone":   {budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "1", Period: budget.Day, TimeZone: "Mars/Base"}, []string{"time_zone"}},
		"the machine's own": {budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "1", Period: budget.Day, TimeZone: "Local"}, []string{"time_zone"}},
		"no percents":       {budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "1", Period: budget.Day, AlertPercents: []int{0, 50}}, []string{"alert_percents"}},
		"absurd percents":   {budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "1", Period: budget.Day, AlertPercents: []int{50, 201}}, []string{"alert_percents"}},
		"eleven percents":   {budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "1", Period: budget.Day, AlertPercents: []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}}, []string{"alert_percents"}},
		"an unknown mode":   {budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "1", Period: "year", Mode: "medium"}, []string{"period", "mode"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := service.Create(t.Context(), a, test.in)
			wantFields(t, err, fault.Invalid, test.fields...)
		})
	}
}

func TestABudgetHoldsForWhatACallSays(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db, &calls{}, noon)
	for name, test := range map[string]struct {
		kind        scope.Kind
		given, kept string
	}{
		"each model":       {scope.Model, "*", "*"},
		"one end user":     {scope.EndUser, " u-17 ", "u-17"},
		"each end user":    {scope.EndUser, "*", "*"},
		"a label's value":  {scope.Label, "team=search", "team=search"},
		"each of a label":  {scope.Label, "team=*", "team=*"},
		"each run":         {scope.Run, "", "*"},
		"the organization": {scope.Org, "left over", ""},
	} {
		made, err := service.Create(t.Context(), a, budget.Input{Name: name, Scope: test.kind, ScopeValue: test.given, LimitUSD: "1", Period: budget.Total})
		if err != nil || made.ScopeValue != test.kept || !made.ScopeID.IsZero() {
			t.Errorf("%s: value %q, id %s, %v", name, made.ScopeValue, made.ScopeID, err)
		}
	}
}

func TestStandingShowsTheAccountOfTheCurrentPeriod(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db, &calls{}, noon)
	made, err := service.Create(t.Context(), a, budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "10", Period: budget.Month, TimeZone: "Europe/Berlin"})
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	start, next := time.Date(2026, 11, 1, 0, 0, 0, 0, berlin), time.Date(2026, 12, 1, 0, 0, 0, 0, berlin)
	account(t, db, a, made.ID, start.AddDate(0, -1, 0), start, 9) // the last month does not count
	account(t, db, a, made.ID, start, next, 2)

	one, err := service.Get(t.Context(), a, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	all, err := service.List(t.Context(), a)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	for _, got := range []budget.Standing{one, all[0]} {
		if got.Spent.Decimal() != "2.00" || got.Leased.Decimal() != "1.00" || got.InDoubt.Decimal() != "0.50" || got.Overrun.Sign() != 0 || got.Accounts != 1 || got.UsedUp != 0 || got.Left.Decimal() != "6.50" {
			t.Errorf("figures %+v", got)
		}
		if !got.PeriodStart.Equal(start) || got.ResetsAt == nil || !got.ResetsAt.Equal(next) {
			t.Errorf("from %s to %v", got.PeriodStart, got.ResetsAt)
		}
	}
	less := "3"
	lowered, err := service.Update(t.Context(), a, made.ID, budget.Change{LimitUSD: &less})
	if err != nil || lowered.LimitUSD != "3.00" || lowered.Left.Sign() != 0 || lowered.Overrun.Decimal() != "0.50" || lowered.Name != "b" {
		t.Errorf("lowered %+v, %v", lowered, err)
	}
}

func TestAChangeKeepsWhatItDoesNotMentionAndRefusesWhatIsFixed(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db, &calls{}, noon)
	made := create(t, service, a, "monthly")
	if !slices.Equal(made.AlertPercents, []int{50, 80, 100}) || !made.AlertForecast {
		t.Errorf("by default %v, forecast %v", made.AlertPercents, made.AlertForecast)
	}
	soft, no := budget.Soft, false
	changed, err := service.Update(t.Context(), a, made.ID, budget.Change{Mode: &soft, AlertPercents: []int{90, 75, 90}, AlertForecast: &no})
	if err != nil || changed.Mode != budget.Soft || !slices.Equal(changed.AlertPercents, []int{75, 90}) || changed.AlertForecast || changed.LimitUSD != "10.00" {
		t.Errorf("changed %+v, %v", changed.Budget, err)
	}
	silent, err := service.Update(t.Context(), a, made.ID, budget.Change{AlertPercents: []int{}, Scope: &made.Scope, Period: &made.Period})
	if err != nil || len(silent.AlertPercents) != 0 {
		t.Errorf("what is fixed may be sent as it is: %+v, %v", silent.Budget, err)
	}
	kind, id, value, period, zone := scope.EndUser, ident.New[ident.Scope](), "*", budget.Day, "Europe/Berlin"
	_, err = service.Update(t.Context(), a, made.ID, budget.Change{Scope: &kind, ScopeID: &id, ScopeValue: &value, Period: &period, TimeZone: &zone})
	wantFields(t, err, fault.Invalid, "scope", "scope_id", "scope_value", "period", "time_zone")
}

func TestATakenBudgetNameIsAConflict(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db, &calls{}, noon)
	made := create(t, service, a, "monthly")
	_, err := service.Create(t.Context(), a, budget.Input{Name: "monthly", Scope: scope.Org, LimitUSD: "1", Period: budget.Total})
	wantFields(t, err, fault.Conflict, "name")
	if err := service.Archive(t.Context(), a, made.ID); err != nil {
		t.Fatal(err)
	}
	create(t, service, a, "monthly")
}

func account(t *testing.T, db *pgtest.DB, actor authz.Actor, id ident.Budget, start, end time.Time, usd int) {
	t.Helper()
	var until *time.Time
	if !end.IsZero() {
		until = &end
	}
	err := db.Tenant.Write(t.Context(), actor.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO budget_period (org_id, budget_id, period_start, period_end, spent, leased, in_doubt)
			VALUES ($1, $2, $3, $4, $5 * 1000000000000::numeric, 1000000000000, 500000000000)`, actor.Org, id, start, until, usd)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, service *budget.Service, actor authz.Actor, name string) budget.Standing {
	t.Helper()
	made, err := service.Create(t.Context(), actor, budget.Input{Name: name, Scope: scope.Org, LimitUSD: "10", Period: budget.Total})
	if err != nil {
		t.Fatal(err)
	}
	if made.TimeZone != "UTC" || made.Mode != budget.Hard || made.ResetsAt != nil || made.Left.Decimal() != "10.00" {
		t.Errorf("%+v", made)
	}
	return made
}

func wantFields(t *testing.T, err error, kind fault.Kind, fields ...string) {
	t.Helper()
	found := fault.Of(err)
	if err == nil || found.Kind != kind {
		t.Fatalf("got %v, want kind %d", err, kind)
	}
	var got []string
	for _, f := range found.Fields {
		got = append(got, f.Name)
	}
	if strings.Join(got, " ") != strings.Join(fields, " ") {
		t.Errorf("wrong fields %v, want %v", got, fields)
	}
}
