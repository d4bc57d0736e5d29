package state_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
)

func TestSecretIsRedactedHoweverItIsPrinted(t *testing.T) {
	t.Parallel()
	secret := state.NewSecret("hunter2")
	holder := struct{ S state.Secret }{secret}
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", secret, "holder", holder)
	texts := []string{string(encoded), logged.String(), secret.String(), secret.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, &holder))
	}
	for _, text := range texts {
		if strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("the secret shows in %q", text)
		}
	}
	if secret.Reveal() != "hunter2" {
		t.Error("the secret is lost")
	}
}

// wrong is a fragment with one thing wrong and the path that the refusal must name.
type wrong struct {
	name string
	noun proto.Message
	path string
}

func wrongs(t *testing.T) []wrong {
	t.Helper()
	provider := func(change func(*wire.Provider)) *wire.Provider { p := simulator(t); change(p); return p }
	aRoute := func(change func(*wire.Route)) *wire.Route {
		r := route(30, wire.ID{}, simulator(t), "m")
		change(r)
		return r
	}
	aBudget := func(change func(*wire.Budget)) *wire.Budget {
		b := budget(40, wire.Scope_SCOPE_ORG, wire.ID{})
		change(b)
		return b
	}
	aKey := func(change func(*wire.VirtualKey)) *wire.VirtualKey { k := virtualKey(10, hashA); change(k); return k }
	aGuardrail := func(change func(*wire.Guardrail)) *wire.Guardrail {
		g := &wire.Guardrail{Id: statetest.ID(50).Bytes(), Name: "g", Scope: wire.Scope_SCOPE_ORG, Action: wire.GuardrailAction_GUARDRAIL_ACTION_BLOCK, Words: []string{"w"}}
		change(g)
		return g
	}
	aRateLimit := func(change func(*wire.RateLimit)) *wire.RateLimit {
		l := &wire.RateLimit{
			Id: statetest.ID(60).Bytes(), Name: "l", Scope: wire.Scope_SCOPE_ORG, What: wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS, Amount: 5,
			Per: wire.RateLimitPer_RATE_LIMIT_PER_HOUR,
		}
		change(l)
		return l
	}
	return []wrong{
		{"a limit of nothing known", aRateLimit(func(l *wire.RateLimit) { l.What = 9 }), "what"},
		{"a limit of none", aRateLimit(func(l *wire.RateLimit) { l.Amount = 0 }), "amount"},
		{"a limit without a window", aRateLimit(func(l *wire.RateLimit) { l.Per = 0 }), "per"},
		{"concurrency in a window", aRateLimit(func(l *wire.RateLimit) { l.What = wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT }), "per"},
		{"a limit of one run", aRateLimit(func(l *wire.RateLimit) { l.Scope, l.ScopeValue = wire.Scope_SCOPE_RUN, "r-1" }), "scope_value"},
		{"a scheme that is not HTTP", provider(func(p *wire.Provider) { p.BaseUrl = "file:///etc/passwd" }), "base_url"},
		{"no host", provider(func(p *wire.Provider) { p.BaseUrl = "http:///v1" }), "base_url"},
		{"a password in the URL", provider(func(p *wire.Provider) { p.BaseUrl = "http://u:p@h" }), "base_url"},
		{"a slash at the end", provider(func(p *wire.Provider) { p.BaseUrl = "http://h/v1/" }), "base_url"},
		{"an unknown kind", provider(func(p *wire.Provider) { p.Kind = 99 }), "kind"},
		{"no name", provider(func(p *wire.Provider) { p.Name = "" }), "name"},
		{"a credential of another place", provider(func(p *wire.Provider) { p.Credentials[0].Id = statetest.ID(99).Bytes() }), "credentials[0].sealed"},
		{"a torn credential", provider(func(p *wire.Provider) { p.Credentials[0].Sealed = []byte("x") }), "credentials[0].sealed"},
		{"a target that does not exist", aRoute(func(r *wire.Route) { r.Targets[0].ProviderId = statetest.ID(99).Bytes() }), "targets[0].provider_id"},
		{"a target without model", aRoute(func(r *wire.Route) { r.Targets[0].Model = "" }), "targets[0].model"},
		{"no weight at all", aRoute(func(r *wire.Route) { r.Strategy, r.Targets[0].Weight = wire.RouteStrategy_ROUTE_STRATEGY_WEIGHTED, 0 }), "targets"},
		{"an unknown strategy", aRoute(func(r *wire.Route) { r.Strategy = 0 }), "strategy"},
		{"a condition that does not compile", aRoute(func(r *wire.Route) { grow(r); r.Root.Nodes[0].Condition = "prompt_chars <" }), "root.nodes[0].condition"},
		{"a tree without root", aRoute(func(r *wire.Route) { grow(r); r.Root = nil }), "root.nodes"},
		{"an unknown time zone", aRoute(func(r *wire.Route) { grow(r); r.TimeZone = "Mars/Base" }), "time_zone"},
		{"a field that is the caller's own", aRoute(func(r *wire.Route) {
			r.Targets[0].Parameters = []*wire.Parameter{{Name: "model", Value: []byte(`"x"`)}}
		}), "targets[0].parameters[0]"},
		{"another name of its own", aRoute(func(r *wire.Route) { r.Aliases = []string{"other", r.GetName()} }), "aliases[1]"},
		{"a short id", aRoute(func(r *wire.Route) { r.WorkspaceId = []byte{1} }), "workspace_id"},
		{"a negative limit", aBudget(func(b *wire.Budget) { b.LimitPico = -1 }), "limit_pico"},
		{"no such zone", aBudget(func(b *wire.Budget) { b.TimeZone = "Mars/Base" }), "time_zone"},
		{"the machine's zone", aBudget(func(b *wire.Budget) { b.TimeZone = "Local" }), "time_zone"},
		{"an unknown period", aBudget(func(b *wire.Budget) { b.Period = 77 }), "period"},
		{"a scope without id", aBudget(func(b *wire.Budget) { b.Scope = wire.Scope_SCOPE_AGENT }), "scope_id"},
		{"an unknown scope", aBudget(func(b *wire.Budget) { b.Scope = 9 }), "scope"},
		{"a scope without value", aBudget(func(b *wire.Budget) { b.Scope = wire.Scope_SCOPE_END_USER }), "scope_value"},
		{"a label without name", aBudget(func(b *wire.Budget) { b.Scope, b.ScopeValue = wire.Scope_SCOPE_LABEL, "=x" }), "scope_value"},
		{"one run", aBudget(func(b *wire.Budget) { b.Scope, b.ScopeValue = wire.Scope_SCOPE_RUN, "r-1" }), "scope_value"},
		{"a short hash", aKey(func(k *wire.VirtualKey) { k.Hash = []byte("x") }), "hash"},
		{"a workspace that does not exist", aKey(func(k *wire.VirtualKey) { k.WorkspaceId = statetest.ID(99).Bytes() }), "workspace_id"},
		{"a negative expiry", aKey(func(k *wire.VirtualKey) { k.ExpiresUnixMs = -1 }), "expires_unix_ms"},
		{"a blank word", aGuardrail(func(g *wire.Guardrail) { g.Words = []string{"w", " "} }), "words[1]"},
		{"no words", aGuardrail(func(g *wire.Guardrail) { g.Words = nil }), "words"},
		{"an unknown action", aGuardrail(func(g *wire.Guardrail) { g.Action = 0 }), "action"},
		{"another organization", &wire.Organization{Id: orgB.Bytes(), Name: "B", Slug: "b"}, "id"},
	}
}

// grow makes a route of one target a tree with a condition.
func grow(r *wire.Route) {
	r.Strategy, r.Targets = wire.RouteStrategy_ROUTE_STRATEGY_TREE, append(r.GetTargets(), r.GetTargets()[0])
	r.Root = &wire.RouteNode{Strategy: wire.RouteStrategy_ROUTE_STRATEGY_CONDITIONAL, Nodes: []*wire.RouteNode{{Condition: "prompt_chars < 300"}, {Target: 1}}}
}

func TestARouteIsFoundByEachOfItsNamesAndItsKeyKnowsPlaces(t *testing.T) {
	t.Parallel()
	store := statetest.NewStore(t)
	tree := route(30, wire.ID{}, simulator(t), "m")
	grow(tree)
	tree.Aliases, tree.Version = []string{"quick"}, 3
	key := virtualKey(10, hashA)
	key.AgentId = statetest.ID(70).Bytes()
	nouns := with(organization(orgA), simulator(t), tree, key, &wire.Agent{Id: statetest.ID(70).Bytes(), WorkspaceId: key.GetWorkspaceId(), Name: "crawler"})
	statetest.Apply(t, store, orgA, 1, nouns...)
	found := store.Current().Key(hashA)
	if found == nil || found.Agent != "crawler" || found.Workspace == "" {
		t.Fatalf("the key is %+v", found)
	}
	one := found.Routes["quick"]
	if one == nil || one != found.Routes["fast"] || one.Version != 3 || !one.Tree.Conditional || one.Targets[1].Index != 1 {
		t.Errorf("the route is %+v", one)
	}
}

func TestWrongFieldIsRefusedWithItsPath(t *testing.T) {
	t.Parallel()
	for _, story := range wrongs(t) {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			nouns := organization(orgA)
			if _, ok := story.noun.(*wire.Route); ok {
				nouns = append(nouns, simulator(t))
			}
			store := statetest.NewStore(t)
			err := store.Apply(statetest.Full(t, orgA, 1, with(nouns, story.noun)...))
			var invalid *state.Invalid
			if !errors.As(err, &invalid) || !strings.HasSuffix(invalid.Path, ": "+story.path) {
				t.Fatalf("err = %v, want one at %s", err, story.path)
			}
			if store.Current().Generation(orgA) != 0 {
				t.Error("the fragment is in force")
			}
		})
	}
}

func TestPriceMustBeCredible(t *testing.T) {
	t.Parallel()
	for _, pico := range []int64{-1, 1 << 62} {
		var invalid *state.Invalid
		err := statetest.NewStore(t).Apply(statetest.Full(t, wire.PlatformID, 1, price(70, start, pico)))
		if !errors.As(err, &invalid) || !strings.HasSuffix(invalid.Path, ": input_pico") {
			t.Errorf("%d: %v", pico, err)
		}
	}
}

func TestUnknownNounIsLeftOut(t *testing.T) {
	t.Parallel()
	push := statetest.Full(t, orgA, 1, organization(orgA)...)
	items := map[string][]byte{}
	push.Upserts = append(push.Upserts, &wire.Item{Key: "novelty/1", Body: []byte{0xfa, 0x01, 0x00}})
	for _, item := range push.Upserts {
		items[item.GetKey()] = item.GetBody()
	}
	hash := wire.HashItems(items)
	push.ContentHash, push.ItemCount = hash[:], push.ItemCount+1
	if err := statetest.NewStore(t).Apply(push); err != nil {
		t.Errorf("a newer control plane's noun is refused: %v", err)
	}
}

// FuzzApply feeds foreign bytes as an item: it is refused or applied, and never panics.
func FuzzApply(f *testing.F) {
	for _, noun := range []proto.Message{virtualKey(10, hashA), budget(40, wire.Scope_SCOPE_ORG, wire.ID{}), simulator(f)} {
		item := statetest.Item(f, noun)
		f.Add(item.GetKey(), item.GetBody())
	}
	f.Fuzz(func(t *testing.T, key string, body []byte) {
		push := statetest.Full(t, orgA, 1, organization(orgA)...)
		push.Upserts = append(push.Upserts, &wire.Item{Key: key, Body: body})
		items := map[string][]byte{}
		for _, item := range push.Upserts {
			items[item.GetKey()] = item.GetBody()
		}
		hash := wire.HashItems(items)
		push.ContentHash, push.ItemCount = hash[:], uint32(len(items))
		if err := statetest.NewStore(t).Apply(push); err != nil && strings.Contains(err.Error(), "panicked") {
			t.Error(err)
		}
	})
}

// FuzzDeltaEqualsFullRebuild walks random deltas and compares what each key answers with a store that got the full state.
func FuzzDeltaEqualsFullRebuild(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		store := statetest.NewStore(t)
		nouns := map[string]proto.Message{}
		for _, noun := range with(organization(orgA), simulator(t)) {
			nouns[statetest.Item(t, noun).GetKey()] = noun
		}
		statetest.Apply(t, store, orgA, 1, list(nouns)...)
		for generation := uint64(2); generation < 30; generation++ {
			upserts, deletes := change(t, random, nouns)
			if err := store.Apply(delta(t, orgA, generation-1, generation, list(nouns), upserts, deletes...)); err != nil {
				t.Fatalf("generation %d: %v", generation, err)
			}
			fresh := statetest.NewStore(t)
			statetest.Apply(t, fresh, orgA, generation, list(nouns)...)
			for n := range byte(8) {
				if got, want := describe(store, n), describe(fresh, n); got != want {
					t.Fatalf("generation %d, key %d:\n%s\nwant\n%s", generation, n, got, want)
				}
			}
		}
	})
}

func list(nouns map[string]proto.Message) (all []proto.Message) {
	for _, noun := range nouns {
		all = append(all, noun)
	}
	return all
}

// change makes up a few changes and lays them over nouns.
func change(t *testing.T, random *rand.Rand, nouns map[string]proto.Message) (upserts []proto.Message, deletes []string) {
	done := map[string]bool{}
	for range 1 + random.IntN(3) {
		n := byte(random.IntN(8))
		key := virtualKey(100+n, [32]byte{n})
		key.Name = fmt.Sprint(random.IntN(3))
		made := []proto.Message{key, budget(200+n, wire.Scope_SCOPE_ORG, wire.ID{}), budget(220+n, wire.Scope_SCOPE_VIRTUAL_KEY, statetest.ID(100+n))}[random.IntN(3)]
		name := statetest.Item(t, made).GetKey()
		switch _, there := nouns[name]; {
		case done[name]:
		case there && random.IntN(2) == 0:
			delete(nouns, name)
			deletes = append(deletes, name)
		default:
			nouns[name] = made
			upserts = append(upserts, made)
		}
		done[name] = true
	}
	return upserts, deletes
}

func describe(store *state.Store, n byte) string {
	key := store.Current().Key([32]byte{n})
	if key == nil {
		return "none"
	}
	text := fmt.Sprint(key.ID, key.Name, key.Revoked, key.WorkspaceID)
	for _, each := range key.Budgets {
		text += fmt.Sprint(" ", each.ID)
	}
	return text
}

func BenchmarkOneKeyDeltaOf100k(b *testing.B) {
	store := statetest.NewStore(b)
	push := statetest.Full(b, orgA, 1, organization(orgA)...)
	items := map[string][]byte{}
	add := func(i int, name string) *wire.Item {
		id := wire.ID{0: 1, 6: 0x70, 8: 0x80, 12: byte(i >> 24), 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
		hash := [32]byte{byte(i), byte(i >> 8), byte(i >> 16), 1}
		return statetest.Item(b, &wire.VirtualKey{Id: id.Bytes(), Hash: hash[:], WorkspaceId: workspace.Bytes(), Name: name})
	}
	for i := range 100_000 {
		push.Upserts = append(push.Upserts, add(i+1000, "key"))
	}
	for _, item := range push.Upserts {
		items[item.GetKey()] = item.GetBody()
	}
	hash := wire.HashItems(items)
	push.ContentHash, push.ItemCount = hash[:], uint32(len(items))
	begun := time.Now()
	if err := store.Apply(push); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(begun).Milliseconds()), "full-ms")
	generation := uint64(1)
	for b.Loop() {
		b.StopTimer()
		item := add(2000, fmt.Sprint(generation))
		items[item.GetKey()] = item.GetBody()
		hash := wire.HashItems(items)
		b.StartTimer()
		err := store.Apply(state.Push{Org: orgA, BaseGeneration: generation, Generation: generation + 1, ContentHash: hash[:], ItemCount: uint32(len(items)), Upserts: []*wire.Item{item}})
		if err != nil {
			b.Fatal(err)
		}
		generation++
	}
}

func BenchmarkKey(b *testing.B) {
	store := statetest.NewStore(b)
	statetest.Apply(b, store, orgA, 1, with(organization(orgA), virtualKey(10, hashA))...)
	b.ReportAllocs()
	for b.Loop() {
		if store.Current().Key(hashA) == nil {
			b.Fatal("gone")
		}
	}
}
