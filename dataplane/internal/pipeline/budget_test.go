package pipeline

import (
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/budget"
	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
)

func TestARefusalOfABudgetSaysForWhomHowMuchAndUntilWhen(t *testing.T) {
	t.Parallel()
	store, org := statetest.NewStore(t), statetest.ID(2)
	terms := func(n byte, scope wire.Scope, value string) *wire.Budget {
		return &wire.Budget{
			Id: statetest.ID(n).Bytes(), Name: "people", Scope: scope, ScopeValue: value, LimitPico: 100, Period: wire.Period_PERIOD_DAY, TimeZone: "UTC",
		}
	}
	statetest.Apply(t, store, org, 1,
		&wire.Organization{Id: org.Bytes(), Name: "a", Slug: "a"},
		&wire.Workspace{Id: statetest.ID(3).Bytes(), Name: "main", Slug: "main"},
		&wire.VirtualKey{Id: statetest.ID(4).Bytes(), Name: "k", WorkspaceId: statetest.ID(3).Bytes(), Hash: make([]byte, 32)},
		terms(10, wire.Scope_SCOPE_END_USER, "*"), terms(11, wire.Scope_SCOPE_LABEL, "team=*"), terms(12, wire.Scope_SCOPE_ORG, ""))
	for i, whose := range []string{" USD left for end user u-17, and", " USD left for label team u-17, and", " USD left, and"} {
		e := &budget.Exhausted{
			Budget: store.Current().Key([32]byte{}).Budgets[i], RemainingPico: 500_000_000_000, ResetsAt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		}
		if i < 2 {
			e.Subject = "u-17"
		}
		problem := overBudget(e, 2_000_000_000_000)
		for _, part := range []string{`"people" has 0.5` + whose, "up to 2 USD", "2026-12-01T00:00:00Z"} {
			if !strings.Contains(problem.Message, part) {
				t.Errorf("%q is not in %q", part, problem.Message)
			}
		}
	}
}
