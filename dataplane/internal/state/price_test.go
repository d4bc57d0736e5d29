package state_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
)

// priced returns the price of model m-1 that a key's call finds after the catalog is applied.
func priced(t *testing.T, catalog ...proto.Message) *state.Price {
	t.Helper()
	store := statetest.NewStore(t)
	statetest.Apply(t, store, wire.PlatformID, 1, catalog...)
	provider := simulator(t)
	statetest.Apply(t, store, orgA, 2, with(organization(orgA), virtualKey(10, hashA), provider, route(30, wire.ID{}, provider, "m-1"))...)
	return store.Current().Key(hashA).Routes["fast"].Targets[0].Prices.At(start)
}

func tier(n byte, effective time.Time, input int64, above uint32) *wire.Price {
	row := price(n, effective, input)
	row.AboveTokens = above
	return row
}

func TestTiersOfAPriceAreFoundByTheLengthOfTheInput(t *testing.T) {
	t.Parallel()
	// ids are chosen so that tiers come before their first row; an older price has a tier of its own
	found := priced(t, tier(70, start, 40, 500), tier(71, start, 20, 100), price(72, start, 10), price(74, time.Unix(1, 0), 1), tier(73, time.Unix(1, 0), 2, 100))
	for input, want := range map[int64]int64{0: 10, 100: 10, 101: 20, 500: 20, 501: 40, 1 << 40: 40} {
		if got := found.Tier(input); got.InputPico != want {
			t.Errorf("%d tokens: %d, want %d", input, got.InputPico, want)
		}
	}
	if len(found.Tiers) != 2 {
		t.Errorf("%d tiers", len(found.Tiers))
	}
}

func TestATierWithoutAFirstRowIsRefused(t *testing.T) {
	t.Parallel()
	store := statetest.NewStore(t)
	err := store.Apply(statetest.Full(t, wire.PlatformID, 1, price(70, time.Unix(1, 0), 1), tier(71, start, 2, 100)))
	var invalid *state.Invalid
	if !errors.As(err, &invalid) || !strings.Contains(invalid.Reason, "has none below") {
		t.Errorf("%v", err)
	}
}

func TestAFreePriceIsKnownAndAnAbsentFieldIsItsDefault(t *testing.T) {
	t.Parallel()
	free := priced(t, price(70, time.Unix(1, 0), 0))
	if free == nil || free.InputPico != 0 || free.OutputPico != 0 {
		t.Fatalf("a free model is unknown: %+v", free)
	}
	plain := &wire.Price{Id: statetest.ID(70).Bytes(), Catalog: "sim", Model: "m-1", InputPico: 3, CacheWritePico: 4, OutputPico: 5}
	if got := priced(t, plain); got.CacheWriteHourPico != 4 || got.AudioInputPico != 3 || got.AudioOutputPico != 5 {
		t.Errorf("absent: %+v", got)
	}
	given := &wire.Price{
		Id: statetest.ID(70).Bytes(), Catalog: "sim", Model: "m-1", InputPico: 3, CacheWritePico: 4, OutputPico: 5,
		CacheWriteHourPico: proto.Int64(6), AudioInputPico: proto.Int64(0), AudioOutputPico: proto.Int64(7), RequestPico: 8,
	}
	if got := priced(t, given); got.CacheWriteHourPico != 6 || got.AudioInputPico != 0 || got.AudioOutputPico != 7 || got.RequestPico != 8 {
		t.Errorf("given: %+v", got)
	}
	if other := priced(t, &wire.Price{Id: statetest.ID(70).Bytes(), Catalog: "sim", Model: "m-2"}); other != nil {
		t.Errorf("an unknown model has a price: %+v", other)
	}
}

// catalog returns as many prices as the embedded table has, one in twenty-five with a tier.
func catalog(tb testing.TB) state.Push {
	tb.Helper()
	nouns := make([]proto.Message, 0, 2080)
	for i := range 2000 {
		id := statetest.ID(70)
		id[0], id[1] = byte(i), byte(i>>8)
		row := &wire.Price{
			Id: id.Bytes(), Catalog: "a-provider", Model: "the-name-of-a-model-" + id.String()[:8], EffectiveUnixMs: 1, InputPico: 3_000_000, CachedInputPico: 300_000,
			CacheWritePico: 3_750_000, CacheWriteHourPico: proto.Int64(6_000_000), OutputPico: 15_000_000, ContextTokens: 200_000, MaxOutputTokens: 64_000,
		}
		nouns = append(nouns, row)
		if i%25 == 0 {
			long := proto.CloneOf(row)
			long.Id[15], long.AboveTokens = 71, 100_000
			nouns = append(nouns, long)
		}
	}
	return statetest.Full(tb, wire.PlatformID, 1, nouns...)
}

func BenchmarkCatalog(b *testing.B) {
	push := catalog(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := statetest.NewStore(b).Apply(push); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTheCatalogOfTwoThousandModelsIsSmall(t *testing.T) { //nolint:paralleltest // it measures the heap
	var before, after runtime.MemStats
	store, push := statetest.NewStore(t), catalog(t)
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := store.Apply(push); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
		t.Errorf("the catalog takes %d bytes", grown)
	}
	runtime.KeepAlive(store)
	runtime.KeepAlive(push)
}
