package price_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/price"
)

func fieldsOf(err error) (names string) {
	for _, field := range fault.Of(err).Fields {
		names += field.Name + ";"
	}
	return names
}

func TestAnOwnPriceIsKeptEndedAndSeenByItsOrganizationAlone(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := price.New(db.Pool, time.Now)
	in := price.Input{Catalog: "azure", Model: "gpt-4o", Note: "contract 7", Amounts: price.Amounts{Input: "2.10", Output: "8.4"}}
	made, err := service.Add(t.Context(), a, in)
	if err != nil || made.InputPico != 2_100_000 || made.CachedInputPico != 2_100_000 || made.OutputPico != 8_400_000 || made.Kind != price.Override {
		t.Fatalf("%+v, %v", made, err)
	}
	in.EffectiveAt = made.EffectiveAt
	if _, err := service.Add(t.Context(), a, in); fault.KindOf(err) != fault.Conflict || fieldsOf(err) != "effective_at;" {
		t.Errorf("the same moment twice: %v", err)
	}
	if _, err := service.End(t.Context(), b, made.ID, time.Time{}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("b ends a's price: %v", err)
	}
	if seen, err := service.Own(t.Context(), b); err != nil || len(seen) != 0 {
		t.Errorf("b sees %+v, %v", seen, err)
	}
	viewer := a
	viewer.Role = authz.Viewer
	_, add := service.Add(t.Context(), viewer, in)
	_, end := service.End(t.Context(), viewer, made.ID, time.Time{})
	_, set := service.SetUnknown(t.Context(), viewer, price.UnknownInput{Policy: price.Refuse})
	for _, err := range []error{add, end, set} {
		if fault.KindOf(err) != fault.Forbidden {
			t.Errorf("a viewer: %v", err)
		}
	}
	ended, err := service.End(t.Context(), a, made.ID, time.Time{})
	if err != nil || ended.EndedAt == nil || ended.Holds(time.Now().Add(time.Second)) {
		t.Errorf("%+v, %v", ended, err)
	}
	if _, err := service.End(t.Context(), a, made.ID, time.Time{}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("ended twice: %v", err)
	}
	if _, err := service.End(t.Context(), a, ident.New[ident.Price](), time.Time{}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no price: %v", err)
	}
}

func TestAnInputNamesEveryWrongField(t *testing.T) {
	t.Parallel()
	service, a := price.New(nil, time.Now), authz.Actor{Org: ident.New[ident.Org](), Role: authz.Finance}
	early, late := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC)
	for want, in := range map[string]price.Input{
		"catalog;model;input_usd;output_usd;":        {},
		"effective_at;ends_at;discount_percent;":     {Kind: price.Discount, Catalog: "azure", EffectiveAt: early, EndsAt: &late, DiscountPercent: "100"},
		"input_usd;output_usd;request_usd;":          {Catalog: "a", Model: "b", Amounts: price.Amounts{Input: "-1", Output: "0.0000001", Request: "2"}},
		"kind;":                                      {Kind: price.Ceiling, Catalog: "a"},
		"above_tokens;input_usd;output_usd;service;": {Catalog: "a", Model: "b", Service: "slow", AboveTokens: -1},
	} {
		if _, err := service.Add(t.Context(), a, in); fieldsOf(err) != want {
			t.Errorf("want %s, got %v", want, err)
		}
	}
	if _, err := service.SetUnknown(t.Context(), a, price.UnknownInput{Policy: price.ChargeCeiling, Amounts: price.Amounts{Input: "0", Output: "1"}}); !strings.HasPrefix(fieldsOf(err), "input_usd;") {
		t.Errorf("a ceiling of zero: %v", err)
	}
	if _, err := service.SetUnknown(t.Context(), a, price.UnknownInput{Policy: "free"}); fieldsOf(err) != "policy;" {
		t.Errorf("no policy: %v", err)
	}
}

func TestUnknownModelsAreRefusedUntilACeilingIsSet(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	now := time.Now()
	service := price.New(db.Pool, func() time.Time { now = now.Add(time.Second); return now })
	if found, err := service.Unknown(t.Context(), a); err != nil || found.Policy != price.Refuse || found.Ceiling != nil {
		t.Fatalf("%+v, %v", found, err)
	}
	for _, output := range []string{"150", "180"} {
		if _, err := service.SetUnknown(t.Context(), a, price.UnknownInput{Policy: price.ChargeCeiling, Amounts: price.Amounts{Input: "30", Output: output}}); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := service.Unknown(t.Context(), a); err != nil || found.Policy != price.ChargeCeiling || found.Ceiling.OutputPico != 180_000_000 {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := service.SetUnknown(t.Context(), a, price.UnknownInput{Policy: price.Refuse}); err != nil {
		t.Fatal(err)
	}
	if found, err := service.Unknown(t.Context(), a); err != nil || found.Policy != price.Refuse {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestAnImportSaysWhatItChangesAndThenDoesItAllOrNothing(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := price.New(db.Pool, time.Now)
	table := "catalog,model,effective,input,output,percent_off,above_tokens,note\n" +
		"lab,m,2026-01-01,1000000,2000000,,,\nlab,m,2026-01-01,2000000,4000000,,200000,long\nazure,,2026-02-01T12:00:00Z,,,15,,\n"
	load := func(table string, dry bool) price.Difference {
		t.Helper()
		found, err := service.ImportOwn(t.Context(), a, strings.NewReader(table), dry)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := load(table, true); found.Added != 3 || found.Changed+found.Unchanged != 0 {
		t.Errorf("dry: %+v", found)
	}
	if seen, err := service.Own(t.Context(), a); err != nil || len(seen) != 0 {
		t.Errorf("a dry run keeps %+v, %v", seen, err)
	}
	load(table, false)
	if found := load(strings.Replace(table, ",15,", ",17.5,", 1), false); found.Changed != 1 || found.Unchanged != 2 || found.Changes[0].Line != 4 || found.Changes[0].Before.DiscountPerMille != 150 {
		t.Errorf("changed: %+v", found)
	}
	all, err := service.Own(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := price.WriteOwnCSV(&out, all); err != nil {
		t.Fatal(err)
	}
	if found := load(out.String(), true); found.Unchanged != 3 || found.Added+found.Changed != 0 {
		t.Errorf("an export read back: %+v of %s", found, out.String())
	}
	_, err = service.ImportOwn(t.Context(), a, strings.NewReader("catalog,model,effective,input,output,percent_off\nlab,x,soon,1,1,\nlab,y,2026-01-01,1.5,,\nlab,,2026-01-01,1,,15\nlab,z,2026-01-01,1,1,\nlab,z,2026-01-01,2,1,\n"), true)
	if want := "line 2, effective;line 3, input;line 3, output;line 4, input;line 6, model;"; fieldsOf(err) != want {
		t.Errorf("got %s, want %s", fieldsOf(err), want)
	}
	_, err = service.ImportOwn(t.Context(), a, strings.NewReader("catalog,model,effective,input,output,above_tokens\nlab,tier,2026-01-01,1,1,5\n"), true)
	if fieldsOf(err) != "above_tokens;" {
		t.Errorf("a tier alone: %v", err)
	}
}

func TestTheOperatorsImportGoesBeforeTheProgramsTableAtEveryStart(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := price.New(db.Pool, time.Now)
	if _, err := service.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, each := range []authz.Actor{a, b} {
		if _, err := service.SetUnknown(t.Context(), each, price.UnknownInput{Policy: price.Refuse}); err != nil {
			t.Fatal(err)
		}
	}
	before, err := service.List(t.Context(), a, "openai/gpt-4o-mini-2024-07")
	if err != nil || len(before) == 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	var table bytes.Buffer
	changed := before[0]
	changed.InputPico++
	if err := price.WriteCSV(&table, []price.Price{changed}); err != nil {
		t.Fatal(err)
	}
	text := table.String()
	for _, dry := range []bool{true, false} {
		if found, err := service.Import(t.Context(), strings.NewReader(text), dry); err != nil || found.Changed != 1 || found.Added != 0 {
			t.Fatalf("%+v, %v", found, err)
		}
	}
	for _, each := range []authz.Actor{a, b} {
		kept, err := audit.New(db.Tenant).List(t.Context(), each, 10, time.Now().Add(time.Hour), uuid.Nil)
		if err != nil || len(kept) != 2 || kept[0].Action != "price.import" || kept[0].ActorName != "operator" {
			t.Errorf("the audit: %+v, %v", kept, err)
		}
	}
	if loaded, err := service.Load(t.Context()); err != nil || loaded {
		t.Errorf("the next start changes the catalog: %v, %v", loaded, err)
	}
	after, err := service.List(t.Context(), a, "openai/gpt-4o-mini-2024-07")
	if err != nil || len(after) != len(before) || after[0].InputPico != changed.InputPico || after[0].ID == before[0].ID {
		t.Errorf("%+v, %v", after, err)
	}
}

// The figures of Claude 5 and 5.5 are of Anthropic's price page, as the head of the table says; the others are the public catalog's of
// 2026-07-02 and were not compared with a provider's page. The test holds that no new table moves them unseen, not that they are right.
func TestWellKnownModelsKeepTheirPrices(t *testing.T) {
	t.Parallel()
	all, err := price.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]price.Price{}
	for _, one := range all {
		if one.AboveTokens == 0 && one.Service == "" {
			found[one.Catalog+"/"+one.Model] = one
		}
	}
	for name, want := range map[string][3]int64{ // input, cached input, output in pico-USD per token
		"openai/gpt-4o": {2_500_000, 1_250_000, 10_000_000}, "openai/gpt-4o-mini": {150_000, 75_000, 600_000},
		"openai/gpt-4.1": {2_000_000, 500_000, 8_000_000}, "openai/gpt-4.1-mini": {400_000, 100_000, 1_600_000}, "openai/gpt-4.1-nano": {100_000, 25_000, 400_000},
		"openai/o3": {2_000_000, 500_000, 8_000_000}, "openai/o4-mini": {1_100_000, 275_000, 4_400_000},
		"openai/gpt-5": {1_250_000, 125_000, 10_000_000}, "openai/gpt-5-mini": {250_000, 25_000, 2_000_000}, "openai/gpt-5-nano": {50_000, 5_000, 400_000},
		"anthropic/claude-opus-4-1": {15_000_000, 1_500_000, 75_000_000}, "anthropic/claude-sonnet-4-5": {3_000_000, 300_000, 15_000_000},
		"anthropic/claude-sonnet-5-5": {2_000_000, 100_000, 10_000_000}, "anthropic/claude-opus-5-5": {4_000_000, 200_000, 20_000_000}, "anthropic/claude-haiku-5-5": {100_000, 10_000, 500_000},
		"anthropic/claude-opus-5": {5_000_000, 500_000, 25_000_000}, "anthropic/claude-opus-4-6": {5_000_000, 500_000, 25_000_000}, "anthropic/claude-opus-4-7": {5_000_000, 500_000, 25_000_000},
		"anthropic/claude-haiku-4-5": {1_000_000, 100_000, 5_000_000}, "anthropic/claude-opus-4-5": {5_000_000, 500_000, 25_000_000},
	} {
		got, there := found[name]
		if !there || got.InputPico != want[0] || got.CachedInputPico != want[1] || got.OutputPico != want[2] {
			t.Errorf("%s: there %v, %d %d %d, want %v", name, there, got.InputPico, got.CachedInputPico, got.OutputPico, want)
		}
	}
}

func TestBatchAndFlexCostLessAndPriorityMoreThanTheStandardService(t *testing.T) {
	t.Parallel()
	all, err := price.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	key := func(p price.Price, service string) string {
		return fmt.Sprint(p.Catalog, "/", p.Model, " ", service, " ", p.AboveTokens, " ", p.EffectiveAt.UTC())
	}
	rows, count := map[string]price.Price{}, map[string]int{}
	for _, one := range all {
		rows[key(one, one.Service)] = one
		count[one.Service]++
	}
	for _, one := range all {
		standard := rows[key(one, "")]
		switch one.Service {
		case "batch", "flex":
			if one.InputPico*2 != standard.InputPico || one.OutputPico*2 != standard.OutputPico || one.CachedInputPico > standard.CachedInputPico {
				t.Errorf("%s: %+v is not half of %+v", key(one, one.Service), one, standard)
			}
		case "priority":
			if one.InputPico <= standard.InputPico || one.CachedInputPico <= standard.CachedInputPico || one.OutputPico <= standard.OutputPico {
				t.Errorf("%s: %+v costs no more than %+v", key(one, one.Service), one, standard)
			}
		}
	}
	if count["batch"] < 100 || count["flex"] < 20 || count["priority"] < 15 {
		t.Errorf("rows by service: %v", count)
	}
}
