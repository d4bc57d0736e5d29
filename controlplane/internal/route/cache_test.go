package route_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/dataplane/wire"
)

func TestACacheIsPartOfAVersionAndIsForgottenWithoutOne(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := route.New(db.Tenant)
	made := create(t, service, a, "gpt", providerOf(t, db, a, "openai"))
	if made.Wire().GetCache() != nil {
		t.Errorf("nothing is kept, and edges are told %v", made.Wire())
	}
	in := made.Input()
	in.Version = 0 // whichever is in force
	in.Cache = &route.Cache{Mode: route.CacheExact, TTLSeconds: 600, PerEndUser: true}
	changed, err := service.Update(t.Context(), a, made.ID, in)
	if err != nil {
		t.Fatal(err)
	}
	if want := (&wire.Cache{TtlSeconds: 600, PerEndUser: true}); !proto.Equal(changed.Wire().GetCache(), want) {
		t.Errorf("edges are told %v", changed.Wire().GetCache())
	}
	page, err := service.Versions(t.Context(), a, made.ID, 0, 1)
	if err != nil || !strings.Contains(page.Items[0].Route.Text(), `"ttl_seconds": 600`) {
		t.Errorf("%v %v", page, err)
	}
	if _, err := service.Purge(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another organization's: %v", err)
	}
	purged, err := service.Purge(t.Context(), a, made.ID)
	if err != nil || purged.Version != changed.Version || purged.Wire().GetCache().GetEpoch() != 1 {
		t.Errorf("%+v %v", purged, err)
	}
	in.Cache = &route.Cache{Mode: "always", TTLSeconds: 30*24*3600 + 1}
	_, err = service.Update(t.Context(), a, made.ID, in)
	wantFields(t, err, fault.Invalid, "cache.ttl_seconds", "cache.mode")
}

func TestASemanticCacheTravelsApartFromAnExactOne(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service, openai := route.New(db.Tenant), providerOf(t, db, a, "openai")
	price(t, db, "openai", "gpt-4o-mini", 1, 4)
	made := create(t, service, a, "gpt", openai)
	embedder(t, service, a, route.Input{Name: "embed", Targets: []route.Target{{ProviderID: openai, Model: "text-embedding-3-small"}}})
	in := made.Input()
	in.Version = 0 // whichever is in force
	for given, want := range map[float64]uint32{0: 950_000, 0.9: 900_000, 0.5: 500_000, 1: 1_000_000, 0.9876: 987_600} {
		in.Cache = &route.Cache{Mode: route.CacheSemantic, TTLSeconds: 600, EmbeddingModel: " embed ", Threshold: given}
		changed, err := service.Update(t.Context(), a, made.ID, in)
		if err != nil {
			t.Fatal(err)
		}
		if want := (&wire.Cache{TtlSeconds: 600, EmbeddingModel: "embed", ThresholdPpm: want}); changed.Wire().GetCache() != nil || !proto.Equal(changed.Wire().GetSemanticCache(), want) {
			t.Errorf("edges are told %v and %v", changed.Wire().GetCache(), changed.Wire().GetSemanticCache())
		}
	}
	for name, wrong := range map[string]struct {
		cache route.Cache
		field []string
	}{
		"no model":         {route.Cache{Mode: route.CacheSemantic, Threshold: 0.9}, []string{"cache.embedding_model"}},
		"too low":          {route.Cache{Mode: route.CacheSemantic, EmbeddingModel: "embed", Threshold: 0.49}, []string{"cache.threshold"}},
		"too high":         {route.Cache{Mode: route.CacheSemantic, EmbeddingModel: "embed", Threshold: 1.01}, []string{"cache.threshold"}},
		"no number":        {route.Cache{Mode: route.CacheSemantic, EmbeddingModel: "embed", Threshold: math.NaN()}, []string{"cache.threshold"}},
		"of an exact one":  {route.Cache{Mode: route.CacheExact, EmbeddingModel: "embed", Threshold: 0.9}, []string{"cache.embedding_model", "cache.threshold"}},
		"not there":        {route.Cache{Mode: route.CacheSemantic, EmbeddingModel: "gone"}, []string{"cache.embedding_model"}},
		"itself, of words": {route.Cache{Mode: route.CacheSemantic, EmbeddingModel: "gpt"}, []string{"cache.embedding_model"}},
	} {
		in.Cache = &wrong.cache
		in.Cache.TTLSeconds = 60
		_, err := service.Update(t.Context(), a, made.ID, in)
		t.Log(name, err)
		wantFields(t, err, fault.Invalid, wrong.field...)
	}
}

func embedder(t *testing.T, service *route.Service, actor authz.Actor, in route.Input) {
	t.Helper()
	if _, err := service.Create(t.Context(), actor, in); err != nil {
		t.Fatal(err)
	}
}

// TestAnEmbeddingModelIsOneThatTheRoutesCallersReach makes them in every place.
func TestAnEmbeddingModelIsOneThatTheRoutesCallersReach(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service, openai := route.New(db.Tenant), providerOf(t, db, a, "openai")
	here, there := workspaceOf(t, db, a, "here"), workspaceOf(t, db, a, "there")
	claude, err := providerService(t, db).Create(t.Context(), a, provider.Input{Name: "claude", Kind: provider.Anthropic, BaseURL: "https://api.anthropic.com"})
	if err != nil {
		t.Fatal(err)
	}
	price(t, db, "openai", "gpt-4o-mini", 1, 4)
	price(t, db, "openai", "text-embedding-3-small", 1, 0)
	small := []route.Target{{ProviderID: openai, Model: "text-embedding-3-small"}}
	chat := []route.Target{{ProviderID: openai, Model: "gpt-4o-mini"}}
	for _, in := range []route.Input{
		{Name: "of-here", WorkspaceID: here, Targets: small},
		{Name: "of-there", WorkspaceID: there, Targets: small, Aliases: []string{"also-of-there"}},
		{Name: "of-all", Targets: small},
		{Name: "unpriced", Targets: []route.Target{{ProviderID: openai, Model: "mine"}}},
		{Name: "chat", Targets: chat},
		{Name: "of-claude", Targets: []route.Target{{ProviderID: claude.ID, Model: "claude"}}},
		{Name: "mixed", Targets: append(chat[:1:1], small...)},
		{Name: "of-all", WorkspaceID: there, Targets: chat},
	} {
		embedder(t, service, a, in)
	}
	embedder(t, service, b, route.Input{Name: "of-b", Targets: []route.Target{{ProviderID: providerOf(t, db, b, "openai"), Model: "text-embedding-3-small"}}})
	n := 0
	for name, c := range map[string]struct {
		workspace ident.Workspace
		model     string
		want      bool
	}{
		"of all":                   {ident.Workspace{}, "of-all", true},
		"of all, in a workspace":   {here, "of-all", true},
		"its own":                  {here, "of-here", true},
		"another workspace's":      {here, "of-there", false},
		"by another name":          {there, "also-of-there", true},
		"a workspace's, for all":   {ident.Workspace{}, "of-here", false},
		"its own shadows":          {there, "of-all", false},
		"without a price":          {here, "unpriced", true},
		"of words":                 {here, "chat", false},
		"of words and of vectors":  {here, "mixed", true},
		"of a kind that has none":  {here, "of-claude", false},
		"another organization's":   {here, "of-b", false},
		"another one's, for all":   {ident.Workspace{}, "of-b", false},
		"with spaces inside of it": {here, "of all", false},
	} {
		n++
		_, err := service.Create(t.Context(), a, route.Input{
			Name: "r" + strconv.Itoa(n), WorkspaceID: c.workspace, Targets: chat, Cache: &route.Cache{Mode: route.CacheSemantic, TTLSeconds: 60, EmbeddingModel: c.model},
		})
		if c.want {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantFields(t, err, fault.Invalid, "cache.embedding_model")
	}
	all, err := service.Embedders(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, each := range all {
		names = append(names, each.Name)
	}
	if got := strings.Join(names, " "); got != "also-of-there mixed of-all of-here of-there unpriced" {
		t.Errorf("%s", got)
	}
}

func workspaceOf(t *testing.T, db *pgtest.DB, actor authz.Actor, slug string) ident.Workspace {
	t.Helper()
	made, err := workspace.New(db.Tenant).Create(t.Context(), actor, workspace.Input{Name: slug, Slug: slug})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func price(t *testing.T, db *pgtest.DB, catalog, model string, input, output int64) {
	t.Helper()
	_, err := db.Owner(t).Exec(t.Context(), `INSERT INTO model_price (price_id, catalog, model, effective_at, input_pico, cached_input_pico, cache_write_pico, output_pico, reasoning_pico,
		cache_write_hour_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico) VALUES (gen_random_uuid(), $1, $2, now(), $3, $3, $3, $4, 0, 0, 0, 0, 0, 0)`, catalog, model, input, output)
	if err != nil {
		t.Fatal(err)
	}
}
