package state_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
)

// scheduled returns what model m-1 costs over time, of the catalog and of an organization with prices of its own.
func scheduled(t *testing.T, list, own []proto.Message) wire.Schedule {
	t.Helper()
	store := statetest.NewStore(t)
	statetest.Apply(t, store, wire.PlatformID, 1, list...)
	provider := simulator(t)
	statetest.Apply(t, store, orgA, 2, with(organization(orgA), append(own, virtualKey(10, hashA), provider, route(30, wire.ID{}, provider, "m-1"))...)...)
	return store.Current().Key(hashA).Routes["fast"].Targets[0].Prices
}

func own(kind wire.PriceKind, n byte, from, until time.Time, input int64) *wire.Price {
	p := price(n, from, input)
	p.Kind = kind
	if !until.IsZero() {
		p.UntilUnixMs = until.UnixMilli()
	}
	if kind == wire.PriceKind_PRICE_KIND_CEILING {
		p.Catalog, p.Model = "", ""
	}
	return p
}

func TestAPriceOfTheFutureHoldsFromItsMomentOnWithoutAPush(t *testing.T) {
	t.Parallel()
	later := start.Add(time.Hour)
	found := scheduled(t, []proto.Message{price(70, time.Unix(1, 0), 7), price(71, later, 9)}, nil)
	for at, want := range map[time.Time]int64{start: 7, later.Add(-time.Nanosecond): 7, later: 9, later.Add(1000 * time.Hour): 9} {
		if got := found.At(at).InputPico; got != want {
			t.Errorf("%v: %d, want %d", at, got, want)
		}
	}
	if before := found.At(time.Unix(0, 0)); before != nil {
		t.Errorf("before its first date the model costs %+v", before)
	}
}

func TestAnOverrideHoldsInsteadOfTheCatalogWhileItIsInForce(t *testing.T) {
	t.Parallel()
	hour := func(n int) time.Time { return start.Add(time.Duration(n) * time.Hour) }
	over := wire.PriceKind_PRICE_KIND_OVERRIDE
	found := scheduled(t,
		[]proto.Message{price(70, time.Unix(1, 0), 100), tier(71, time.Unix(1, 0), 200, 500), price(72, hour(3), 110)},
		[]proto.Message{own(over, 80, hour(1), hour(5), 50), own(over, 81, hour(2), hour(4), 40)})
	for n, want := range map[int]int64{0: 100, 1: 50, 2: 40, 3: 40, 4: 50, 5: 110} {
		if got := found.At(hour(n)); got.InputPico != want || got.Ceiling {
			t.Errorf("hour %d: %d, want %d", n, got.InputPico, want)
		}
	}
	if at := found.At(hour(1)); at.ID != statetest.ID(80) || len(at.Tiers) != 0 {
		t.Errorf("the override is %s with %d tiers", at.ID, len(at.Tiers))
	}
	if at := found.At(hour(0)); len(at.Tiers) != 1 {
		t.Errorf("the catalog's tiers are gone: %+v", at)
	}
}

func TestADiscountIsTakenOffEveryAmountOfTheList(t *testing.T) {
	t.Parallel()
	list := price(70, time.Unix(1, 0), 1001)
	list.OutputPico, list.CachedInputPico, list.RequestPico = 4000, 1, 10
	service := proto.CloneOf(list)
	service.Id, service.Service, service.OutputPico = statetest.ID(72).Bytes(), "batch", 2000
	long := tier(71, time.Unix(1, 0), 2000, 500)
	off := own(wire.PriceKind_PRICE_KIND_DISCOUNT, 80, start, start.Add(time.Hour), 0)
	off.Model, off.DiscountPerMille = "", 150
	model := own(wire.PriceKind_PRICE_KIND_DISCOUNT, 81, start.Add(30*time.Minute), time.Time{}, 0)
	model.DiscountPerMille = 500
	found := scheduled(t, []proto.Message{list, long, service}, []proto.Message{off, model})
	got := found.At(start)
	if got.InputPico != 851 || got.OutputPico != 3400 || got.CachedInputPico != 1 || got.RequestPico != 9 || got.ID != statetest.ID(70) || got.DiscountID != statetest.ID(80) {
		t.Errorf("15 %% off: %+v", got)
	}
	if row := got.Tier(501); row.InputPico != 1700 || row.ID != statetest.ID(71) || row.DiscountID != statetest.ID(80) {
		t.Errorf("its tier: %+v", row)
	}
	if row := got.Row(&wire.Tokens{Service: "batch"}); row.OutputPico != 1700 || row.DiscountID != statetest.ID(80) {
		t.Errorf("its batch price: %+v", row)
	}
	if at := found.At(start.Add(45 * time.Minute)); at.OutputPico != 2000 || at.DiscountID != statetest.ID(81) {
		t.Errorf("a model's own discount goes before its provider's: %+v", at)
	}
	if before := found.At(start.Add(-time.Second)); before.InputPico != 1001 || !before.DiscountID.IsZero() {
		t.Errorf("before: %+v", before)
	}
}

func TestAModelWithoutPriceIsChargedAtTheCeilingOrUnknown(t *testing.T) {
	t.Parallel()
	other := price(70, time.Unix(1, 0), 5)
	other.Model = "m-2"
	if found := scheduled(t, []proto.Message{other}, nil).At(start); found != nil {
		t.Errorf("an unknown model costs %+v", found)
	}
	ceiling := own(wire.PriceKind_PRICE_KIND_CEILING, 80, start, time.Time{}, 75)
	found := scheduled(t, []proto.Message{other}, []proto.Message{ceiling})
	if at := found.At(start); at == nil || !at.Ceiling || at.InputPico != 75 || at.ID != statetest.ID(80) {
		t.Errorf("the ceiling: %+v", at)
	}
	if at := found.At(start.Add(-time.Second)); at != nil {
		t.Errorf("before the ceiling began: %+v", at)
	}
	if at := scheduled(t, []proto.Message{price(70, time.Unix(1, 0), 5)}, []proto.Message{ceiling}).At(start); at.Ceiling || at.InputPico != 5 {
		t.Errorf("a known model is charged at the ceiling: %+v", at)
	}
}

func TestAPriceThatCannotBeRightIsRefusedWithItsField(t *testing.T) {
	t.Parallel()
	negative := own(wire.PriceKind_PRICE_KIND_OVERRIDE, 80, start, time.Time{}, 5)
	negative.ImageOutputPico = proto.Int64(-1)
	nothingOff := own(wire.PriceKind_PRICE_KIND_DISCOUNT, 80, start, time.Time{}, 0)
	everything := proto.CloneOf(nothingOff)
	everything.DiscountPerMille = 1000
	alone := own(wire.PriceKind_PRICE_KIND_OVERRIDE, 80, start, time.Time{}, 5)
	alone.Service = "batch"
	for want, bad := range map[string]*wire.Price{
		"image_output_pico":                    negative,
		"discount_per_mille":                   nothingOff,
		"1 to 999":                             everything,
		"until_unix_ms":                        own(wire.PriceKind_PRICE_KIND_OVERRIDE, 80, start, start, 5),
		"kind: a list price belongs":           own(wire.PriceKind_PRICE_KIND_UNSPECIFIED, 80, start, time.Time{}, 5),
		"has none for the standard":            alone,
		"kind: a list price belongs to the pl": own(wire.PriceKind(9), 80, start, time.Time{}, 5),
	} {
		err := statetest.NewStore(t).Apply(statetest.Full(t, orgA, 1, with(organization(orgA), bad)...))
		var invalid *state.Invalid
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	err := statetest.NewStore(t).Apply(statetest.Full(t, wire.PlatformID, 1, own(wire.PriceKind_PRICE_KIND_CEILING, 80, start, time.Time{}, 5)))
	if err == nil {
		t.Error("the catalog takes a ceiling")
	}
}
