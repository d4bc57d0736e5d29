package state_test

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
)

var (
	orgA, orgB = statetest.ID(1), statetest.ID(2)
	workspace  = statetest.ID(3)
	agent      = statetest.ID(4)
	hashA      = [32]byte{1, 1}
	hashB      = [32]byte{2, 2}
	start      = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func organization(id wire.ID) []proto.Message {
	return []proto.Message{
		&wire.Organization{Id: id.Bytes(), Name: "Acme", Slug: "acme"},
		&wire.Workspace{Id: workspace.Bytes(), Name: "Research", Slug: "research"},
	}
}

func virtualKey(n byte, hash [32]byte) *wire.VirtualKey {
	id := statetest.ID(n)
	return &wire.VirtualKey{Id: id.Bytes(), Hash: hash[:], WorkspaceId: workspace.Bytes(), Name: "key"}
}

func with(nouns []proto.Message, more ...proto.Message) []proto.Message {
	return append(nouns, more...)
}

func delta(t testing.TB, org wire.ID, base, generation uint64, after []proto.Message, upserts []proto.Message, deletes ...string) state.Push {
	t.Helper()
	push := statetest.Full(t, org, generation, after...)
	push.BaseGeneration, push.Upserts, push.Deletes = base, nil, deletes
	for _, noun := range upserts {
		push.Upserts = append(push.Upserts, statetest.Item(t, noun))
	}
	return push
}

func budget(n byte, scope wire.Scope, id wire.ID) *wire.Budget {
	return &wire.Budget{Id: statetest.ID(n).Bytes(), Name: "b", Scope: scope, ScopeId: id.Bytes(), LimitPico: 9, Period: wire.Period_PERIOD_DAY, TimeZone: "Europe/Berlin"}
}

func route(n byte, where wire.ID, provider *wire.Provider, model string) *wire.Route {
	return &wire.Route{
		Id: statetest.ID(n).Bytes(), WorkspaceId: where.Bytes(), Name: "fast", Strategy: wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK,
		Targets: []*wire.Target{{ProviderId: provider.GetId(), Model: model, Weight: 1}},
	}
}

func price(n byte, effective time.Time, input int64) *wire.Price {
	return &wire.Price{Id: statetest.ID(n).Bytes(), Catalog: "sim", Model: "m-1", EffectiveUnixMs: effective.UnixMilli(), InputPico: input}
}

func simulator(t testing.TB) *wire.Provider {
	return statetest.Provider(t, orgA, statetest.ID(20), wire.ProviderKind_PROVIDER_KIND_OPENAI, "sim", "http://127.0.0.1:9/openai", "s3cret")
}

func TestKeyIsFoundByItsHashWithAllThatAppliesToIt(t *testing.T) {
	t.Parallel()
	store := statetest.NewStore(t)
	statetest.Apply(t, store, wire.PlatformID, 1, price(70, time.Unix(1, 0), 5), price(71, start.Add(-time.Hour), 7), price(72, start.Add(time.Hour), 9))
	key := virtualKey(10, hashA)
	key.AgentId, key.ExpiresUnixMs, key.AllowedModels, key.RequestsPerMinute = agent.Bytes(), 1_900_000_000_000, []string{"fast"}, 60
	provider := simulator(t)
	provider.ChatOnly = true
	statetest.Apply(t, store, orgA, 2, with(organization(orgA), key, provider, route(30, wire.ID{}, provider, "m-0"), route(31, workspace, provider, "m-1"),
		budget(43, wire.Scope_SCOPE_VIRTUAL_KEY, statetest.ID(10)), budget(42, wire.Scope_SCOPE_AGENT, agent), budget(41, wire.Scope_SCOPE_WORKSPACE, workspace),
		budget(40, wire.Scope_SCOPE_ORG, wire.ID{}), budget(44, wire.Scope_SCOPE_WORKSPACE, statetest.ID(99)),
		&wire.Guardrail{Id: statetest.ID(50).Bytes(), Name: "words", Scope: wire.Scope_SCOPE_ORG, Action: wire.GuardrailAction_GUARDRAIL_ACTION_BLOCK, Words: []string{"Falcon"}})...)

	found := store.Current().Key(hashA)
	if found == nil {
		t.Fatal("the key is not found")
	}
	if found.Org.ID != orgA || found.Org.Generation != 2 || found.AgentID != agent || len(found.RateLimits) != 1 || found.RateLimits[0].Amount != 60 || found.ExpiresAt.UnixMilli() != 1_900_000_000_000 {
		t.Errorf("key = %+v", found)
	}
	var ids []byte
	for _, each := range found.Budgets {
		ids = append(ids, each.ID[15])
	}
	if string(ids) != string([]byte{40, 41, 42, 43}) {
		t.Errorf("budgets = %v, want those of organization, workspace, agent and key by id", ids)
	}
	target := found.Routes["fast"].Targets[0]
	if target.Model != "m-1" {
		t.Errorf("the organization's route shadows the workspace's: %q", target.Model)
	}
	if price := target.Prices.At(start); price == nil || price.InputPico != 7 {
		t.Errorf("price = %+v, want the newest in force", price)
	}
	if got := target.Provider.Credentials[0].Secret.Reveal(); got != "s3cret" || !target.Provider.ChatOnly {
		t.Errorf("credential = %q, provider = %+v", got, target.Provider)
	}
	if word, hit := found.Guardrails[0].Match([]byte("the FALCON flies")); !hit || word != "Falcon" {
		t.Errorf("match = %q, %v", word, hit)
	}
	if store.Current().Key(hashB) != nil {
		t.Error("an unknown hash finds a key")
	}
}

func TestOneOrganizationsBadFragmentLeavesAllElse(t *testing.T) {
	t.Parallel()
	store := statetest.NewStore(t)
	statetest.Apply(t, store, orgA, 1, with(organization(orgA), virtualKey(10, hashA))...)
	statetest.Apply(t, store, orgB, 2, with(organization(orgB), virtualKey(11, hashB))...)
	before := store.Current()
	bad := statetest.Full(t, orgA, 3, with(organization(orgA), &wire.Route{Id: statetest.ID(30).Bytes(), Name: "r", Strategy: wire.RouteStrategy_ROUTE_STRATEGY_FALLBACK})...)
	var invalid *state.Invalid
	if err := store.Apply(bad); !errors.As(err, &invalid) || invalid.Path != "route/"+statetest.ID(30).String()+": targets" {
		t.Fatalf("err = %v, want one with the route's path", err)
	}
	if store.Current() != before {
		t.Error("a refused fragment changed the snapshot")
	}
	stolen := statetest.Full(t, orgB, 4, with(organization(orgB), virtualKey(10, hashA))...)
	if err := store.Apply(stolen); !errors.As(err, &invalid) {
		t.Errorf("another organization's key hash was taken over: %v", err)
	}
}

func TestGenerationNeverGoesBack(t *testing.T) {
	t.Parallel()
	store := statetest.NewStore(t)
	statetest.Apply(t, store, orgA, 5, organization(orgA)...)
	for _, generation := range []uint64{4, 5} {
		if err := store.Apply(statetest.Full(t, orgA, generation, organization(orgA)...)); !errors.Is(err, state.ErrOld) {
			t.Errorf("generation %d over 5: %v", generation, err)
		}
	}
	if err := store.Remove(orgA, 5); !errors.Is(err, state.ErrOld) {
		t.Errorf("removal of the generation that is held: %v", err)
	}
}

func TestDeltaTouchesOnlyWhatItNames(t *testing.T) {
	t.Parallel()
	store := statetest.NewStore(t)
	one, two := virtualKey(10, hashA), virtualKey(11, hashB)
	statetest.Apply(t, store, orgA, 1, with(organization(orgA), one, two)...)
	before := store.Current()
	renamed := virtualKey(11, hashB)
	renamed.Name = "other"
	if err := store.Apply(delta(t, orgA, 1, 2, with(organization(orgA), one, renamed), []proto.Message{renamed})); err != nil {
		t.Fatal(err)
	}
	after := store.Current()
	if after.Key(hashA) != before.Key(hashA) {
		t.Error("a key that the delta does not name was compiled again")
	}
	if got := after.Key(hashB); got.Name != "other" || got.Org.Generation != 2 {
		t.Errorf("key = %+v", got)
	}
	if before.Key(hashB).Name != "key" {
		t.Error("the snapshot before has changed")
	}
	if err := store.Apply(delta(t, orgA, 2, 3, with(organization(orgA), one), nil, "virtual_key/"+statetest.ID(11).String())); err != nil {
		t.Fatal(err)
	}
	if store.Current().Key(hashB) != nil {
		t.Error("a deleted key is still found")
	}
	if err := store.Apply(delta(t, orgA, 1, 4, organization(orgA), nil)); !errors.Is(err, state.ErrBase) {
		t.Errorf("a delta against another base: %v", err)
	}
	if err := store.Apply(delta(t, orgA, 3, 4, with(organization(orgA), one), []proto.Message{two})); err == nil {
		t.Error("a delta whose result has another hash was applied")
	}
	moved := virtualKey(12, hashA)
	swap := delta(t, orgA, 3, 5, with(organization(orgA), moved), []proto.Message{moved}, "virtual_key/"+statetest.ID(10).String())
	if err := store.Apply(swap); err != nil {
		t.Fatalf("a hash that moves to another key: %v", err)
	}
	if got := store.Current().Key(hashA); got == nil || got.ID != statetest.ID(12) {
		t.Errorf("key = %+v, want the new holder of the hash", got)
	}
	twice := virtualKey(13, hashA)
	if err := store.Apply(delta(t, orgA, 5, 6, with(organization(orgA), moved, twice), []proto.Message{twice})); err == nil {
		t.Error("a second key with the same hash was accepted")
	}
}

func TestRevocationHoldsUntilAFragmentKnowsIt(t *testing.T) {
	t.Parallel()
	store := statetest.NewStore(t)
	key := virtualKey(10, hashA)
	statetest.Apply(t, store, orgA, 1, with(organization(orgA), key)...)
	tombstone := state.Revocation{Org: orgA, KeyID: statetest.ID(10), Hash: hashA, Generation: 5}
	if !store.Revoke(tombstone) || store.Revoke(tombstone) {
		t.Error("a revocation is news once")
	}
	if !store.Current().Key(hashA).Revoked {
		t.Fatal("the revocation has no effect")
	}
	statetest.Apply(t, store, orgA, 4, with(organization(orgA), key, &wire.Agent{Id: agent.Bytes(), Name: "a"})...)
	if !store.Current().Key(hashA).Revoked || len(store.Tombstones()) != 1 {
		t.Fatal("an older fragment brought the key back")
	}
	statetest.Apply(t, store, wire.PlatformID, 9)
	if !store.Current().Key(hashA).Revoked {
		t.Fatal("a price catalog brought the key back")
	}
	statetest.Apply(t, store, orgA, 6, with(organization(orgA), key)...)
	if store.Current().Key(hashA).Revoked || len(store.Tombstones()) != 0 {
		t.Error("a newer fragment does not decide")
	}
	if store.Revoke(tombstone) {
		t.Error("a revocation that the fragment knows is not news")
	}
}

func TestRevocationBeforeTheKeyArrives(t *testing.T) {
	t.Parallel()
	store := statetest.NewStore(t)
	store.Revoke(state.Revocation{Org: orgA, KeyID: statetest.ID(10), Hash: hashA, Generation: 5})
	statetest.Apply(t, store, orgA, 4, with(organization(orgA), virtualKey(10, hashA))...)
	if !store.Current().Key(hashA).Revoked {
		t.Error("the key arrived unrevoked")
	}
	if err := store.Remove(orgA, 6); err != nil || store.Current().Key(hashA) != nil || len(store.Tombstones()) != 0 {
		t.Errorf("removal: %v", err)
	}
}
