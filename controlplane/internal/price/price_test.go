package price_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/price"
)

const header = "catalog,model,effective,input,cached_input,cache_write,output,reasoning,context_tokens,max_output_tokens\n"

func TestEmbeddedTableIsWholeAndUnique(t *testing.T) {
	t.Parallel()
	all, err := price.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 60 {
		t.Errorf("only %d prices", len(all))
	}
	seen := map[string]bool{}
	for _, p := range all {
		if seen[p.ID.String()] || p.InputPico == 0 || (p.OutputPico == 0 && !strings.Contains(p.Model, "embed")) || p.CachedInputPico > p.InputPico || p.ContextTokens == 0 {
			t.Errorf("doubtful price %+v", p)
		}
		seen[p.ID.String()] = true
	}
}

func TestLoadBumpsTheGenerationOnlyWhenSomethingChanges(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := price.New(db.Pool)
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
	if _, err := db.Pool.Exec(t.Context(), "UPDATE model_price SET output_pico = 1 WHERE model = 'gpt-4o'"); err != nil {
		t.Fatal(err)
	}
	if changed, err := service.Load(t.Context()); err != nil || !changed {
		t.Errorf("load over a changed row: %v, %v", changed, err)
	}
	found, err := service.List(t.Context(), a, "OpenAI/gpt-4o-MINI")
	if err != nil || len(found) != 1 || found[0].InputPico != 150_000 || found[0].OutputPico != 600_000 {
		t.Errorf("%+v, %v", found, err)
	}
	var all []price.Price
	err = db.Tenant.Read(t.Context(), a.Org, func(tx pgx.Tx) (err error) {
		all, err = price.List(t.Context(), tx)
		return err
	})
	if err != nil || len(all) < 60 {
		t.Errorf("%d prices, %v", len(all), err)
	}
}

func TestParseNamesTheLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ table, want string }{
		"no header":  {"a,b\n", "does not begin"},
		"a fraction": {header + "a,b,2026-01-01,1.5,1,1,1,0,0,0\n", "line 2"},
		"a minus":    {"# note\n" + header + "a,b,2026-01-01,-1,1,1,1,0,0,0\n", "line 3"},
		"no date":    {header + "a,b,soon,1,1,1,1,0,0,0\n", "not a date"},
		"no model":   {header + "a,,2026-01-01,1,1,1,1,0,0,0\n", "must be given"},
		"too short":  {header + "a,b\n", "line 2"},
	} {
		if _, err := price.Parse(strings.NewReader(test.table)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
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
