package console

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/usage"
)

func TestColumnsStayReadableHoweverLongTheRange(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 13, 37, 0, 0, time.UTC)
	c := &Console{config: Config{Now: func() time.Time { return now }}}
	for query, want := range map[string]struct {
		step    time.Duration
		columns int
		end     time.Time
	}{
		"":                              {time.Hour, 24, now.Truncate(time.Hour).Add(time.Hour)},
		"range=7d":                      {6 * time.Hour, 28, time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)},
		"range=30d":                     {day, 30, time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)},
		"from=2026-11-01&to=2026-11-02": {time.Hour, 48, time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC)},
		"from=2026-11-01&to=2026-11-03": {6 * time.Hour, 12, time.Date(2026, 11, 4, 0, 0, 0, 0, time.UTC)},
		"from=2026-10-01&to=2026-10-31": {day, 31, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
		"from=2026-01-01&to=2026-12-31": {week, 53, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		request := httptest.NewRequest(http.MethodGet, "/spend?"+query, nil)
		s, wrong := c.spanOf(&visit{Context: echo.New().NewContext(request, httptest.NewRecorder())})
		if s.step != want.step || s.columns() != want.columns || !s.to.Equal(want.end) || len(wrong.fields) > 0 {
			t.Errorf("%q: %d columns of %s until %s, %v", query, s.columns(), s.step, s.to, wrong)
		}
	}
}

func TestEveryHourOfTheRangeFallsIntoItsColumn(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	s := span{from: from, to: from.Add(9 * day), step: week}
	found := usage.Spend{Total: usage.Totals{Figures: usage.Figures{Cost: money.FromPico(216)}}}
	for hour := range 9 * 24 {
		found.Cells = append(found.Cells, usage.Cell{Start: from.Add(time.Duration(hour) * time.Hour), GroupID: "a", Figures: usage.Figures{Cost: money.FromPico(1)}})
	}
	sums := sumsOf(found, s)
	if len(sums.columns) != 2 || sums.columns[0]["a"].Pico() != 168 || sums.columns[1]["a"].Pico() != 48 || sums.all.Cost.Pico() != 216 {
		t.Errorf("%v, %s", sums.columns, sums.all.Cost)
	}
}

func TestPricesSayWhichIsInForce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	all := []price.Price{
		{Catalog: "openai", Model: "a", EffectiveAt: now.Add(-2 * day)},
		{Catalog: "openai", Model: "a", EffectiveAt: now.Add(-2 * day), AboveTokens: 200_000},
		{Catalog: "openai", Model: "a", EffectiveAt: now.Add(-day)},
		{Catalog: "openai", Model: "a", EffectiveAt: now.Add(-day), AboveTokens: 200_000},
		{Catalog: "openai", Model: "a", EffectiveAt: now.Add(day)},
		{Catalog: "openai", Model: "b", EffectiveAt: now.Add(-day)},
	}
	for i, want := range []string{"past", "past", "", "", "to come", ""} {
		if got := priceState(all, i, now).Text; got != want {
			t.Errorf("price %d is %q, want %q", i, got, want)
		}
	}
	row := priceRow(price.Price{InputPico: 150_000, CachedInputPico: 75_000, OutputPico: 600_000, ContextTokens: 128_000})
	if row.Input != "$0.15" || row.CachedInput != "$0.075" || row.Output != "$0.60" || row.Reasoning != "as output" || row.Context != "128,000" || row.Longest != "–" {
		t.Errorf("%+v", row)
	}
	tier := priceRow(price.Price{
		InputPico: 1, AudioInputPico: 40_000_000, CacheWritePico: 3_750_000, CacheWriteHourPico: 6_000_000, OutputPico: 5, AudioOutputPico: 5, RequestPico: 10_000_000_000, AboveTokens: 200_000,
	})
	if tier.Tier != "above 200,000 tokens in" || tier.Request != "and $0.01 a request" || tier.AudioInput != "$40.00" || tier.HourWrite != "$6.00" || tier.AudioOutput != "" {
		t.Errorf("%+v", tier)
	}
	if got := million(1 << 62); got != "$4611686.018427387904 a token" {
		t.Errorf("a price beyond the scale: %s", got)
	}
}

func TestNewTokensAreOfferedNoHigherRole(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]int{"owner": 5, "admin": 4, "developer": 2, "viewer": 1} {
		if got := len(rolesBelow(authz.Role(role))); got != want {
			t.Errorf("%s may give %d roles, want %d", role, got, want)
		}
	}
}

func TestSharesAreOfTheNearestPercentAndNeverNothing(t *testing.T) {
	t.Parallel()
	whole := money.FromPico(100_000)
	for part, want := range map[int64]string{0: "0%", 1: "<1%", 999: "<1%", 1000: "1%", 1400: "1%", 1500: "2%", 33_963: "34%", 100_000: "100%"} {
		if got := shareOf(money.FromPico(part), whole); got != want {
			t.Errorf("%d: %s, want %s", part, got, want)
		}
	}
	if got := shareOf(money.Amount{}, money.Amount{}); got != "0%" {
		t.Errorf("nothing of nothing: %s", got)
	}
}

func TestProvidersSayWhichEdgesHoldThemBack(t *testing.T) {
	t.Parallel()
	one, other := ident.New[ident.Provider](), ident.New[ident.Provider]()
	edges := []edge.Edge{{Name: "fra", OpenTargets: []edge.OpenTarget{{ProviderID: one}, {ProviderID: one}}}, {Name: "nyc", OpenTargets: []edge.OpenTarget{{ProviderID: other}, {ProviderID: one}}}, {Name: "sin"}}
	if got := heldBackAt(edges, one); got != "held back at fra, nyc" {
		t.Error(got)
	}
	if got := heldBackAt(edges, ident.New[ident.Provider]()); got != "" {
		t.Error(got)
	}
	edges[2].OpenTargets = edges[0].OpenTargets
	if got := heldBackAt(edges, one); got != "held back at 3 edges" {
		t.Error(got)
	}
}
