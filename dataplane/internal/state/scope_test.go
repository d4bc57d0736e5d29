package state_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
)

func TestASelectorHoldsTheCallsThatSayItsValue(t *testing.T) {
	t.Parallel()
	call := state.Facts{Model: "fast", EndUser: "u-17", Run: "r-1", Labels: map[string]string{"team": "search", "empty": ""}}
	for name, test := range map[string]struct {
		kind    wire.Scope
		value   string
		subject string
		holds   bool
	}{
		"its model":            {wire.Scope_SCOPE_MODEL, "fast", "", true},
		"another model":        {wire.Scope_SCOPE_MODEL, "slow", "", false},
		"each model":           {wire.Scope_SCOPE_MODEL, "*", "fast", true},
		"its end user":         {wire.Scope_SCOPE_END_USER, "u-17", "", true},
		"another end user":     {wire.Scope_SCOPE_END_USER, "u-18", "", false},
		"each end user":        {wire.Scope_SCOPE_END_USER, "*", "u-17", true},
		"each run":             {wire.Scope_SCOPE_RUN, "*", "r-1", true},
		"its label":            {wire.Scope_SCOPE_LABEL, "team=search", "", true},
		"another value":        {wire.Scope_SCOPE_LABEL, "team=ads", "", false},
		"each value":           {wire.Scope_SCOPE_LABEL, "team=*", "search", true},
		"a label that is not":  {wire.Scope_SCOPE_LABEL, "region=*", "", false},
		"a label with nothing": {wire.Scope_SCOPE_LABEL, "empty=*", "", false},
		"the organization":     {wire.Scope_SCOPE_ORG, "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := keyUnder(t, &wire.Budget{Scope: test.kind, ScopeValue: test.value})
			if len(key.Budgets) != 1 {
				t.Fatalf("%d budgets apply to the key", len(key.Budgets))
			}
			if subject, holds := key.Budgets[0].Selector.Subject(&call); subject != test.subject || holds != test.holds {
				t.Errorf("subject %q, holds %t", subject, holds)
			}
		})
	}
}

func TestACallWithoutTheValueIsNotHeld(t *testing.T) {
	t.Parallel()
	key := keyUnder(t, &wire.Budget{Scope: wire.Scope_SCOPE_END_USER, ScopeValue: "*"})
	if _, holds := key.Budgets[0].Selector.Subject(&state.Facts{Model: "fast"}); holds {
		t.Error("a call of nobody is held by the budgets of end users")
	}
}

// keyUnder compiles a key under one budget.
func keyUnder(t *testing.T, b *wire.Budget) *state.Key {
	t.Helper()
	terms := budget(40, wire.Scope_SCOPE_ORG, wire.ID{})
	proto.Merge(terms, b)
	store := statetest.NewStore(t)
	statetest.Apply(t, store, orgA, 1, with(organization(orgA), virtualKey(10, hashA), terms)...)
	return store.Current().Key(hashA)
}
