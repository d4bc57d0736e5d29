package price_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/price"
)

const header = "catalog,model,effective,above_tokens,input,cached_input,cache_write,cache_write_hour,output,reasoning," +
	"audio_input,audio_output,request,context_tokens,max_output_tokens\n"

func TestEmbeddedTableIsWholeAndUnique(t *testing.T) {
	t.Parallel()
	all, err := price.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		catalog, model string
		above          int32
	}
	seen, models, catalogs, free, tiers := map[string]bool{}, map[row]bool{}, map[string]bool{}, 0, 0
	for _, p := range all {
		isFree := p.InputPico == 0 && p.OutputPico == 0
		first := models[row{p.Catalog, p.Model, 0}]
		switch {
		case seen[p.ID.String()], !isFree && p.InputPico == 0, p.CachedInputPico > p.InputPico, p.CacheWriteHourPico < p.CacheWritePico,
			p.AboveTokens > 0 && !first, p.AboveTokens > 0 && p.ContextTokens > 0 && p.ContextTokens <= p.AboveTokens:
			t.Errorf("doubtful price %+v", p)
		}
		seen[p.ID.String()], models[row{p.Catalog, p.Model, p.AboveTokens}], catalogs[p.Catalog] = true, true, true
		if isFree {
			free++
		}
		if p.AboveTokens > 0 {
			tiers++
		}
	}
	if len(models)-tiers < 1500 || len(catalogs) < 40 || free < 100 || tiers < 70 {
		t.Errorf("%d models of %d catalogs, %d free, %d tiers", len(models)-tiers, len(catalogs), free, tiers)
	}
}

func TestAnthropicCacheWritesCostWhatItsPriceListSays(t *testing.T) {
	t.Parallel()
	all, err := price.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, p := range all {
		if p.Catalog != "anthropic" || p.Model == "claude-3-haiku-20240307" { // whose list prices are rounded
			continue
		}
		count++
		if p.CachedInputPico*10 != p.InputPico && p.CachedInputPico*20 != p.InputPico || p.CacheWritePico*4 != p.InputPico*5 || p.CacheWriteHourPico != 2*p.InputPico {
			t.Errorf("%s: %+v", p.Model, p)
		}
	}
	if count < 20 {
		t.Errorf("%d models", count)
	}
}

func TestAnEmptyFieldIsItsDefaultAndZeroIsFree(t *testing.T) {
	t.Parallel()
	for record, want := range map[string]price.Price{
		"a,b,2026-01-01,,10,,,,40,,,,,,":      {InputPico: 10, CachedInputPico: 10, CacheWritePico: 10, CacheWriteHourPico: 10, OutputPico: 40, AudioInputPico: 10, AudioOutputPico: 40},
		"a,b,2026-01-01,,10,0,12,,40,,,,,9,8": {InputPico: 10, CacheWritePico: 12, CacheWriteHourPico: 12, OutputPico: 40, AudioInputPico: 10, AudioOutputPico: 40, ContextTokens: 9, MaxOutputTokens: 8},
		"a,b,2026-01-01,,0,,,,0,,,,,,":        {},
		"a,b,2026-01-01,7,1,2,3,4,5,6,7,8,9,10,11": {
			AboveTokens: 7, InputPico: 1, CachedInputPico: 2, CacheWritePico: 3, CacheWriteHourPico: 4, OutputPico: 5, ReasoningPico: 6,
			AudioInputPico: 7, AudioOutputPico: 8, RequestPico: 9, ContextTokens: 10, MaxOutputTokens: 11,
		},
	} {
		all, err := price.Parse(strings.NewReader(header + record + "\n"))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %v", record, err)
		}
		got := all[0]
		want.ID, want.Catalog, want.Model, want.EffectiveAt = got.ID, "a", "b", got.EffectiveAt
		if want.ImageInputPico == 0 && want.ImageOutputPico == 0 {
			want.ImageInputPico, want.ImageOutputPico = want.InputPico, want.OutputPico
		}
		if got != want {
			t.Errorf("%s: %+v", record, got)
		}
	}
}

func TestLoadBumpsTheGenerationOnlyWhenSomethingChanges(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := price.New(db.Pool, time.Now)
	listener := db.Owner(t)
	if _, err := listener.Exec(t.Context(), "LISTEN tollgate_generation"); err != nil {
		t.Fatal(err)
	}
	before := generation(t, db)
	if changed, err := service.Load(t.Context()); err != nil || !changed {
		t.Fatalf("first load: %v, %v", changed, err)
	}
	after := generation(t, db)
	if after <= before {
		t.Errorf("generation %d after %d", after, before)
	}
	if heard, err := listener.WaitForNotification(t.Context()); err != nil || heard.Payload != "00000000-0000-0000-0000-000000000000" {
		t.Errorf("heard %+v, %v", heard, err)
	}
	if changed, err := service.Load(t.Context()); err != nil || changed || generation(t, db) != after {
		t.Errorf("second load: %v, %v", changed, err)
	}
	if _, err := db.Pool.Exec(t.Context(), "UPDATE model_price SET superseded_at = now() WHERE model = 'gpt-4o'"); err != nil {
		t.Fatal(err)
	}
	if changed, err := service.Load(t.Context()); err != nil || !changed {
		t.Errorf("load over a row that was superseded: %v, %v", changed, err)
	}
	found, err := service.List(t.Context(), a, "OpenAI/gpt-4o-MINI-2024-07")
	if err != nil || len(found) != 1 || found[0].InputPico != 150_000 || found[0].OutputPico != 600_000 {
		t.Errorf("%+v, %v", found, err)
	}
	var all []price.Price
	err = db.Tenant.Read(t.Context(), a.Org, func(tx pgx.Tx) (err error) {
		all, err = price.List(t.Context(), tx)
		return err
	})
	if err != nil || len(all) < 1500 {
		t.Errorf("%d prices, %v", len(all), err)
	}
}

func TestParseNamesTheLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ table, want string }{
		"no header":         {"a,b\n", "no such column"},
		"a fraction":        {header + "a,b,2026-01-01,,1.5,,,,1,,,,,,\n", "line 2"},
		"a minus":           {"# note\n" + header + "a,b,2026-01-01,,-1,,,,1,,,,,,\n", "line 3"},
		"no input":          {header + "a,b,2026-01-01,,,,,,1,,,,,,\n", "not a whole number"},
		"no output":         {header + "a,b,2026-01-01,,1,,,,,,,,,,\n", "not a whole number"},
		"more than an edge": {header + "a,b,2026-01-01,,1000000000001,,,,1,,,,,,\n", "not a whole number"},
		"an exponent":       {header + "a,b,2026-01-01,,1e6,,,,1,,,,,,\n", "not a whole number"},
		"a cheaper hour":    {header + "a,b,2026-01-01,,1,1,3,2,1,,,,,,\n", "cheaper"},
		"too many tokens":   {header + "a,b,2026-01-01,3000000000,1,,,,1,,,,,,\n", "not a number of tokens"},
		"no date":           {header + "a,b,soon,,1,,,,1,,,,,,\n", "not a date"},
		"no model":          {header + "a,,2026-01-01,,1,,,,1,,,,,,\n", "must be given"},
		"too short":         {header + "a,b\n", "line 2"},
	} {
		if _, err := price.Parse(strings.NewReader(test.table)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnExportReadsBackAsWhatItWas(t *testing.T) {
	t.Parallel()
	all, err := price.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	all[0].Model = "a, \"quoted\"\nmodel"
	var table bytes.Buffer
	if err := price.WriteCSV(&table, all[1:]); err != nil {
		t.Fatal(err)
	}
	back, err := price.Parse(&table)
	if err != nil || !slices.Equal(back, all[1:]) {
		t.Errorf("%d of %d prices came back, %v", len(back), len(all)-1, err)
	}
	if err := price.WriteCSV(&table, all[:1]); err != nil {
		t.Fatal(err)
	}
	back, err = price.Parse(&table)
	if err != nil || len(back) != 1 || back[0].Model != all[0].Model {
		t.Errorf("a quoted name: %+v, %v", back, err)
	}
	var lines bytes.Buffer
	if err := price.WriteJSONL(&lines, all[1:3]); err != nil || strings.Count(lines.String(), "\n") != 2 || !strings.Contains(lines.String(), `"cache_write_hour_pico":`) {
		t.Errorf("%q, %v", lines.String(), err)
	}
}

func generation(t *testing.T, db *pgtest.DB) (number int64) {
	t.Helper()
	err := db.Pool.QueryRow(t.Context(), "SELECT generation FROM generation WHERE org_id = '00000000-0000-0000-0000-000000000000'").Scan(&number)
	if err != nil {
		t.Fatal(err)
	}
	return number
}
