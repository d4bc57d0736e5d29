package breaker

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func poolOf(ids ...byte) *state.Provider {
	provider := &state.Provider{ID: wire.ID{9}, Name: "openai"}
	for _, id := range ids {
		provider.Credentials = append(provider.Credentials, state.Credential{ID: wire.ID{id}})
	}
	return provider
}

func TestARefusedCredentialIsAskedWithLastUntilItsTimeIsOver(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	pools, provider := NewPools(func() time.Time { return now }), poolOf(1, 2, 3)
	order := func(start uint64) string { return fmt.Sprint(pools.Order(nil, provider, start, 3)) }
	if got := order(1); got != "[1 2 3]" {
		t.Errorf("nothing is known: %s", got)
	}
	pools.Bar(wire.ID{7}, provider, wire.ID{2}, http.StatusUnauthorized, 0)
	if got := order(1); got != "[2 3 1]" {
		t.Errorf("the second is refused: %s", got)
	}
	now = now.Add(barredFirst)
	if got := order(1); got != "[1 2 3]" {
		t.Errorf("it is tried again: %s", got)
	}
	pools.Bar(wire.ID{7}, provider, wire.ID{2}, http.StatusForbidden, 0)
	now = now.Add(barredFirst)
	if got := order(1); got != "[2 3 1]" {
		t.Errorf("refused twice, it waits twice as long: %s", got)
	}
	if said := pools.Refused(); len(said) != 1 || said[0].GetTimes() != 2 || said[0].GetStatus() != 403 || said[0].GetCredentialId()[0] != 2 || said[0].GetOrgId()[0] != 7 || said[0].GetProvider() != "openai" {
		t.Errorf("it says %v", said)
	}
	pools.Passed(wire.ID{2})
	if got := order(1); got != "[1 2 3]" || len(pools.Refused()) != 0 {
		t.Errorf("it was let through: %s %v", got, pools.Refused())
	}
}

func TestACredentialWithoutRateLeftWaitsAsItsProviderSaysAndIsNotReported(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	pools, provider := NewPools(func() time.Time { return now }), poolOf(1, 2)
	pools.Bar(wire.ID{}, provider, wire.ID{1}, http.StatusTooManyRequests, 20*time.Second)
	now = now.Add(19 * time.Second)
	if got := fmt.Sprint(pools.Order(nil, provider, 0, 2)); got != "[1 0]" || len(pools.Refused()) != 0 {
		t.Errorf("%s %v", got, pools.Refused())
	}
	now = now.Add(time.Second)
	if got := fmt.Sprint(pools.Order(nil, provider, 0, 2)); got != "[0 1]" {
		t.Errorf("its time is over: %s", got)
	}
}

func TestWhatIsKnownOfACredentialGoesWithIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	pools := NewPools(func() time.Time { return now })
	pools.Bar(wire.ID{}, poolOf(1, 2), wire.ID{1}, http.StatusUnauthorized, 0)
	if pools.Order(nil, poolOf(2), 0, 1); len(pools.Refused()) != 0 {
		t.Error("a credential that is retired is still said to be refused")
	}
	if got := pools.Order(nil, poolOf(), 5, 1); fmt.Sprint(got) != "[5]" {
		t.Errorf("of a provider without credentials: %v", got)
	}
	pools.Bar(wire.ID{}, poolOf(1), wire.ID{1}, http.StatusUnauthorized, 0)
	if got := pools.Order(nil, poolOf(1), 3, 1); fmt.Sprint(got) != "[3]" {
		t.Errorf("the only one is asked with: %v", got)
	}
	now = now.Add(refusedKept + time.Second)
	if len(pools.Refused()) != 0 || pools.count.Load() != 0 {
		t.Error("what was not seen for so long is still said")
	}
}
