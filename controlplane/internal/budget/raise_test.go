package budget_test

import (
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/scope"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func TestARaiseHoldsFromItsBeginningToItsEnd(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	c := &clock{noon()}
	service := newService(t, db, &calls{}, c.now)
	made := create(t, service, a, "b")
	account(t, db, a, made.ID, time.Unix(0, 0), time.Time{}, 9) // 9 spent, 1 leased, 0.50 in doubt of 10
	begin, end := noon().Add(time.Hour), noon().Add(3*time.Hour)
	first, err := service.Raise(t.Context(), a, made.ID, budget.RaiseInput{AmountUSD: "5", Reason: " a launch ", StartsAt: &begin, EndsAt: end})
	if err != nil || first.Reason != "a launch" || first.MadeBy != a.Name || first.EndedAt != nil {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := service.Raise(t.Context(), a, made.ID, budget.RaiseInput{AmountUSD: "2", Reason: "and more", EndsAt: end.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after                   time.Duration
		inForce, left, overrun  string
		listed                  int
		firstState, secondState budget.RaiseState
	}{
		{0, "12.00", "1.50", "0.00", 2, budget.RaiseToCome, budget.RaiseInForce},
		{time.Hour, "17.00", "6.50", "0.00", 2, budget.RaiseInForce, budget.RaiseInForce},
		{3*time.Hour - time.Second, "17.00", "6.50", "0.00", 2, budget.RaiseInForce, budget.RaiseInForce},
		{3 * time.Hour, "12.00", "1.50", "0.00", 1, budget.RaiseOver, budget.RaiseInForce},
		{4 * time.Hour, "10.00", "0.00", "0.50", 0, budget.RaiseOver, budget.RaiseOver},
	} {
		c.at = noon().Add(step.after)
		got, err := service.Get(t.Context(), a, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.InForce().Decimal() != step.inForce || got.Left.Decimal() != step.left || got.Overrun.Decimal() != step.overrun || got.Limit.Decimal() != "10.00" || len(got.Raises) != step.listed {
			t.Errorf("after %s: in force %s, left %s, overrun %s, %d raises", step.after, got.InForce().Decimal(), got.Left.Decimal(), got.Overrun.Decimal(), len(got.Raises))
		}
		if first.State(c.at) != step.firstState || second.State(c.at) != step.secondState {
			t.Errorf("after %s: %s and %s", step.after, first.State(c.at), second.State(c.at))
		}
	}
}

func TestARaiseEndsBeforeItsTimeOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	c := &clock{noon()}
	service := newService(t, db, &calls{}, c.now)
	made := create(t, service, a, "b")
	raise, err := service.Raise(t.Context(), a, made.ID, budget.RaiseInput{AmountUSD: "5", Reason: "x", EndsAt: noon().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	c.at = noon().Add(time.Minute)
	if err := service.EndRaise(t.Context(), a, made.ID, raise.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := service.Get(t.Context(), a, made.ID); err != nil || got.InForce().Decimal() != "10.00" || len(got.Raises) != 0 {
		t.Errorf("ended: in force %s, %d raises, %v", got.InForce().Decimal(), len(got.Raises), err)
	}
	if err := service.EndRaise(t.Context(), a, made.ID, raise.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("ended twice: %v", err)
	}
	all, err := service.Raises(t.Context(), a, made.ID)
	if err != nil || len(all) != 1 || all[0].EndedAt == nil || !all[0].EndedAt.Equal(c.at) || all[0].EndedBy != a.Name {
		t.Errorf("kept %+v, %v", all, err)
	}
}

func TestARaiseThatIsWrongIsRefusedByField(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db, &calls{}, noon)
	made := create(t, service, a, "b")
	past, far, later := noon().Add(-time.Hour), noon().AddDate(2, 0, 0), noon().Add(2*time.Hour)
	for name, test := range map[string]struct {
		in     budget.RaiseInput
		fields []string
	}{
		"nothing":           {budget.RaiseInput{}, []string{"amount_usd", "reason", "ends_at"}},
		"by nothing":        {budget.RaiseInput{AmountUSD: "0", Reason: "x", EndsAt: later}, []string{"amount_usd"}},
		"downwards":         {budget.RaiseInput{AmountUSD: "-5", Reason: "x", EndsAt: later}, []string{"amount_usd"}},
		"in the past":       {budget.RaiseInput{AmountUSD: "5", Reason: "x", StartsAt: &past, EndsAt: later}, []string{"starts_at"}},
		"over already":      {budget.RaiseInput{AmountUSD: "5", Reason: "x", EndsAt: past}, []string{"ends_at"}},
		"ends as it begins": {budget.RaiseInput{AmountUSD: "5", Reason: "x", StartsAt: &later, EndsAt: later}, []string{"ends_at"}},
		"for ever":          {budget.RaiseInput{AmountUSD: "5", Reason: "x", EndsAt: far}, []string{"ends_at"}},
		"in years":          {budget.RaiseInput{AmountUSD: "5", Reason: "x", StartsAt: &far, EndsAt: far.Add(time.Hour)}, []string{"starts_at"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := service.Raise(t.Context(), a, made.ID, test.in)
			wantFields(t, err, fault.Invalid, test.fields...)
		})
	}
	if err := service.Archive(t.Context(), a, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := service.Raise(t.Context(), a, made.ID, budget.RaiseInput{AmountUSD: "5", Reason: "x", EndsAt: later}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("an archived budget was raised: %v", err)
	}
}

func TestAnotherOrganizationsRaisesAreNotFound(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := newService(t, db, &calls{}, noon)
	made, own := create(t, service, a, "monthly"), create(t, service, b, "monthly")
	in := budget.RaiseInput{AmountUSD: "5", Reason: "x", EndsAt: noon().Add(time.Hour)}
	raise, err := service.Raise(t.Context(), a, made.ID, in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.Raise(t.Context(), b, made.ID, in); fault.KindOf(err) != fault.NotFound {
		t.Errorf("raise: %v", err)
	}
	if _, err := service.Raises(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("list: %v", err)
	}
	for _, id := range []ident.Budget{made.ID, own.ID} {
		if err := service.EndRaise(t.Context(), b, id, raise.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("end: %v", err)
		}
	}
	if got, err := service.Get(t.Context(), a, made.ID); err != nil || got.InForce().Decimal() != "15.00" {
		t.Errorf("a's own: %s, %v", got.InForce().Decimal(), err)
	}
	if got, err := service.Get(t.Context(), b, own.ID); err != nil || got.InForce().Decimal() != "10.00" {
		t.Errorf("b's own: %s, %v", got.InForce().Decimal(), err)
	}
}

func TestTheForecastGoesByTheUsageAndTheRaises(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	spent := &calls{hours: map[time.Time]money.Amount{}}
	for hour := noon().AddDate(0, 0, -10); hour.Before(noon()); hour = hour.Add(time.Hour) {
		spent.hours[hour] = money.FromPico(money.PicoPerUSD)
	}
	service := newService(t, db, spent, noon)
	made, err := service.Create(t.Context(), a, budget.Input{Name: "b", Scope: scope.Org, LimitUSD: "50", Period: budget.Month})
	if err != nil {
		t.Fatal(err)
	}
	account(t, db, a, made.ID, made.PeriodStart, *made.ResetsAt, 39) // and 0.50 in doubt
	got, err := service.Get(t.Context(), a, made.ID)
	if err != nil || got.Verdict != budget.RunsOut || got.RunsOutAt == nil || !got.RunsOutAt.Equal(noon().Add(10*time.Hour+30*time.Minute)) {
		t.Errorf("%+v, %v", got.Forecast, err)
	}
	if _, err := service.Raise(t.Context(), a, made.ID, budget.RaiseInput{AmountUSD: "400", Reason: "x", EndsAt: *got.ResetsAt}); err != nil {
		t.Fatal(err)
	}
	all, err := service.List(t.Context(), a)
	if err != nil || len(all) != 1 || all[0].Verdict != budget.Lasts || all[0].SpentAtEnd.Decimal() != "267.50" {
		t.Errorf("raised: %+v, %v", all, err)
	}
}
