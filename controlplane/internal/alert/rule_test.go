package alert

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func defaults() settings {
	all := settings{}
	for _, one := range kinds {
		all[one.rule] = Setting{Rule: one.rule, Enabled: true, Severity: one.severity, Number: one.number}
	}
	return all
}

func usd(t *testing.T, text string) money.Amount {
	t.Helper()
	amount, err := money.ParseUSD(text)
	if err != nil {
		t.Fatal(err)
	}
	return amount
}

func TestOnlyTheHighestThresholdIsFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		used      string
		percents  []int
		threshold int
		severity  channel.Severity
	}{
		{"4.99", []int{50, 80, 100}, 0, ""},
		{"5", []int{50, 80, 100}, 50, channel.Info},
		{"8.1", []int{50, 80, 100}, 80, channel.Warning},
		{"10", []int{50, 80, 100}, 100, channel.Critical},
		{"30", []int{50, 80, 100}, 100, channel.Critical},
		{"9.99", []int{100}, 0, ""},
		{"9.99", nil, 0, ""},
	} {
		found := defaults().ofBudgets([]Account{{Name: "b", Limit: usd(t, "10"), Used: usd(t, test.used), Percents: test.percents, PeriodStart: noon}})
		if (len(found) == 0) != (test.threshold == 0) {
			t.Fatalf("%s of %v: %v", test.used, test.percents, found)
		}
		if len(found) > 0 && (found[0].threshold != test.threshold || found[0].severity != test.severity || len(found) > 1) {
			t.Errorf("%s of %v: %+v", test.used, test.percents, found)
		}
	}
	if found := defaults().ofBudgets([]Account{{Limit: money.Amount{}, Used: usd(t, "1"), Percents: []int{50}}}); len(found) != 0 {
		t.Errorf("a budget of nothing: %v", found)
	}
	off := defaults()
	off[BudgetThreshold] = Setting{}
	if found := off.ofBudgets([]Account{{Limit: usd(t, "1"), Used: usd(t, "1"), Percents: []int{50}}}); len(found) != 0 {
		t.Errorf("a rule that is off: %v", found)
	}
}

func TestUnusualSpendIsJudgedAgainstItsOwnPast(t *testing.T) {
	t.Parallel()
	hours := func(count int, text ...string) []money.Amount {
		var all []money.Amount
		for i := range count {
			all = append(all, usd(t, text[i%len(text)]))
		}
		return all
	}
	for name, test := range map[string]struct {
		past  []money.Amount
		now   string
		fires bool
	}{
		"too few hours":                 {hours(11, "1"), "1000", false},
		"as ever":                       {hours(100, "4", "5", "6"), "6", false},
		"a little more":                 {hours(100, "4", "5", "6"), "10.9", false},
		"far more":                      {hours(100, "4", "5", "6"), "11.1", true},
		"always the same, then a tenth": {hours(100, "5"), "5.5", false},
		"always the same, then double":  {hours(100, "5"), "10", true},
		"one wild hour does not hide":   {append(hours(100, "4", "5", "6"), usd(t, "10000")), "11.1", true},
		"small amounts are let be":      {hours(100, "0.01"), "0.99", false},
		"small ones up to the floor":    {hours(100, "0.01"), "1.01", true},
	} {
		found := defaults().ofSignals(Signals{Spend: []Hours{{Subject: "agent:1", Name: "The agent", Now: usd(t, test.now), Past: test.past}}}, noon)
		if (len(found) == 1) != test.fires {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestSignalsAreFoundAndCalmIsNot(t *testing.T) {
	t.Parallel()
	edge := Edge{ID: ident.New[ident.Edge](), Name: "e", Connected: true, Accepting: true, LastSeenAt: noon}
	away, closed, lost, refusing, damaged := edge, edge, edge, edge, edge
	damaged.Corrupt = 2
	away.Connected, away.LastSeenAt = false, noon.Add(-3*time.Minute)
	lost.Connected, lost.LastSeenAt = false, noon.Add(-8*24*time.Hour)
	closed.Accepting = false
	refusing.NackPath, refusing.NackReason = "route/1", "no target"
	brief := edge
	brief.Connected, brief.LastSeenAt = false, noon.Add(-time.Minute)
	soon, late := noon.Add(24*time.Hour), noon.Add(100*24*time.Hour)
	end := noon.Add(10 * 24 * time.Hour)
	for name, test := range map[string]struct {
		seen Signals
		rule Rule
	}{
		"nothing":              {Signals{}, ""},
		"a healthy edge":       {Signals{Edges: []Edge{edge, brief, lost}}, ""},
		"an edge is away":      {Signals{Edges: []Edge{away}}, EdgeHealth},
		"an edge is closed":    {Signals{Edges: []Edge{closed}}, EdgeHealth},
		"damaged records":      {Signals{Edges: []Edge{damaged}}, EdgeHealth},
		"an edge refuses":      {Signals{Edges: []Edge{refusing}}, Publishing},
		"a key is refused":     {Signals{Refusals: []Refusal{{ProviderName: "openai", Credentials: 1, Status: 401, Edges: []string{"edge-1"}}}}, KeyRefused},
		"nothing is pushed":    {Signals{ProblemPath: "route/1", Problem: "no target"}, Publishing},
		"doubt":                {Signals{Accounts: []Account{{InDoubt: usd(t, "1")}}}, MoneyInDoubt},
		"it runs out":          {Signals{Accounts: []Account{{RunsOutAt: &soon, PeriodEnd: end}}}, BudgetForecast},
		"it lasts":             {Signals{Accounts: []Account{{RunsOutAt: &late, PeriodEnd: end}}}, ""},
		"few refusals":         {Signals{BudgetRefusals: 9, GuardrailBlocks: 9}, ""},
		"refusals":             {Signals{BudgetRefusals: 10}, BudgetRefusals},
		"blocks":               {Signals{GuardrailBlocks: 10, GuardrailBefore: 24}, GuardrailSpike},
		"as many as ever":      {Signals{GuardrailBlocks: 29, GuardrailBefore: 240}, ""},
		"a model has no price": {Signals{Unpriced: []string{"x"}}, PriceUnknown},
		"usage is rejected":    {Signals{Rejects: []Reject{{Edge: ident.New[ident.Edge](), Name: "fra", Records: 3, LastSeq: 9, LastReason: "no time of this century"}}}, UsageRejected},
	} {
		found := defaults().ofSignals(test.seen, noon)
		switch {
		case test.rule == "" && len(found) != 0, test.rule != "" && (len(found) != 1 || found[0].rule != test.rule || found[0].title == "" || found[0].text == ""):
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestATargetThatIsHeldBackForSoLongIsFound(t *testing.T) {
	t.Parallel()
	held := Target{Provider: ident.New[ident.Provider](), ProviderName: "openai", Model: "gpt-4o", RouteName: "fast", Edges: []string{"e1", "e2"}, Since: noon.Add(-time.Minute), Reason: "status 503"}
	brief := held
	brief.Model, brief.Since = "other", noon.Add(-59*time.Second)
	found := defaults().ofTargets([]Target{held, brief}, noon)
	if len(found) != 1 || found[0].rule != TargetHeld || !strings.Contains(found[0].title, "openai / gpt-4o") || !strings.Contains(found[0].text, "e1, e2") || !strings.Contains(found[0].text, "“fast”") {
		t.Errorf("%+v", found)
	}
	off := defaults()
	off[TargetHeld] = Setting{}
	if found := off.ofTargets([]Target{held}, noon); len(found) != 0 {
		t.Errorf("a rule that is off: %v", found)
	}
}

func TestSettleFiresResolvesAndSupersedes(t *testing.T) {
	t.Parallel()
	open := []Alert{
		{ID: ident.New[ident.Alert](), Rule: BudgetThreshold, Subject: "still", Period: "p", Threshold: 80},
		{ID: ident.New[ident.Alert](), Rule: BudgetThreshold, Subject: "higher", Period: "p", Threshold: 50},
		{ID: ident.New[ident.Alert](), Rule: BudgetThreshold, Subject: "lower", Period: "p", Threshold: 100},
		{ID: ident.New[ident.Alert](), Rule: BudgetThreshold, Subject: "period over", Period: "o", Threshold: 50},
		{ID: ident.New[ident.Alert](), Rule: EdgeHealth, Subject: "away", Period: "whenever", standing: true},
		{ID: ident.New[ident.Alert](), Rule: EdgeHealth, Subject: "back", Period: "whenever", standing: true},
	}
	changes := settle([]finding{
		{rule: BudgetThreshold, subject: "still", period: "p", threshold: 80},
		{rule: BudgetThreshold, subject: "higher", period: "p", threshold: 100},
		{rule: BudgetThreshold, subject: "lower", period: "p", threshold: 80},
		{rule: BudgetThreshold, subject: "period over", period: "p", threshold: 50},
		{rule: EdgeHealth, subject: "away"},
		{rule: EdgeHealth, subject: "new"},
	}, open)
	var got []string
	for _, f := range changes.fire {
		got = append(got, "fire "+f.subject)
	}
	for _, a := range changes.over {
		got = append(got, "over "+a.Subject)
	}
	for _, a := range changes.superseded {
		got = append(got, "superseded "+a.Subject)
	}
	want := []string{"fire higher", "fire lower", "fire period over", "fire new", "over lower", "over period over", "over back", "superseded higher"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
