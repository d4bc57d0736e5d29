// Package alert watches money, guardrails, prices and edges, and says once when something needs a person: a row that is open until it is
// over, and a message to every channel that takes it. It refuses to carry messages, and to act on what it sees.
package alert

import (
	"time"

	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
)

// Rule is what is watched.
type Rule string

// The rules.
const (
	BudgetThreshold Rule = "budget_threshold"
	BudgetForecast  Rule = "budget_forecast"
	BudgetRefusals  Rule = "budget_refusals"
	MoneyInDoubt    Rule = "money_in_doubt"
	SpendAnomaly    Rule = "spend_anomaly"
	GuardrailSpike  Rule = "guardrail_spike"
	PriceUnknown    Rule = "price_unknown"
	EdgeHealth      Rule = "edge_health"
	UsageRejected   Rule = "usage_rejected"
	TargetHeld      Rule = "target_held"
	KeyRefused      Rule = "credential_refused"
	Publishing      Rule = "publishing"
)

// kind is what is fixed about a rule.
type kind struct {
	rule     Rule
	topic    channel.Topic
	severity channel.Severity // unless the organization chose another
	number   int              // likewise; what it counts is in Unit
	unit     string           // empty: the rule has no number
	name     string
	says     string
	quick    bool // evaluated every few seconds, not every minute
	quiet    bool // its end is no news
	standing bool // a state, of which a subject has one at a time
}

// kinds is the table of rules, in the order in which they are shown.
var kinds = []kind{
	{
		rule: BudgetThreshold, topic: channel.Budgets, severity: channel.Warning, name: "Budget threshold", quick: true, quiet: true,
		says: "Fires when a budget reaches one of its thresholds, once for each in a period. At the whole limit it is critical, below 80% info. Crossing several at once is one alert.",
	},
	{
		rule: BudgetForecast, topic: channel.Budgets, severity: channel.Warning, name: "Budget forecast", quiet: true,
		says: "Fires once in a period when a budget will run out before its end, if spending goes on at the pace of the last days.",
	},
	{
		rule: BudgetRefusals, topic: channel.Budgets, severity: channel.Warning, number: 10, unit: "refused calls in an hour", name: "Calls refused by a budget", quiet: true,
		says: "Fires once a day when so many calls were refused within one hour because a budget had nothing left.",
	},
	{
		rule: MoneyInDoubt, topic: channel.Budgets, severity: channel.Warning, name: "Money in doubt", standing: true,
		says: "Fires while an account of a budget holds money that belongs to calls whose end nobody saw.",
	},
	{
		rule: SpendAnomaly, topic: channel.Spend, severity: channel.Warning, number: 1, unit: "US dollars an hour at least", name: "Unusual spend", quiet: true,
		says: "Fires once an hour for an agent or workspace that spends more in this hour than the median of its hours of the last two weeks plus six times their median deviation. Fewer than 12 such hours are too few to judge.",
	},
	{
		rule: GuardrailSpike, topic: channel.Guardrails, severity: channel.Warning, number: 10, unit: "blocked calls in an hour", name: "Guardrail spike", quiet: true,
		says: "Fires once an hour when guardrails blocked so many calls, and three times as many as in an average hour of the day before.",
	},
	{
		rule: PriceUnknown, topic: channel.Prices, severity: channel.Warning, name: "Unknown price", quiet: true,
		says: "Fires once a day for each model that was asked for and has no price.",
	},
	{
		rule: EdgeHealth, topic: channel.Edges, severity: channel.Critical, number: 2, unit: "minutes away", name: "Edge away or unhealthy", standing: true,
		says: "Fires when an edge has not been heard of for so long, takes no calls although it is connected, or found damaged records on its disk. Over when it is well again, or after a week.",
	},
	{
		rule: UsageRejected, topic: channel.Spend, severity: channel.Critical, name: "Usage rejected", quiet: true,
		says: "Fires once a day for each edge that sent usage which the books could not take, so that what it cost is missing from spend and budgets.",
	},
	{
		rule: TargetHeld, topic: channel.Providers, severity: channel.Warning, number: 60, unit: "seconds held back", name: "Breaker open", quick: true, standing: true,
		says: "Fires when edges have held calls back from a model of a provider for so long, because it keeps failing or has asked for it. Over when no edge does any more.",
	},
	{
		rule: KeyRefused, topic: channel.Providers, severity: channel.Warning, name: "Credential refused", standing: true,
		says: "Fires when a provider does not let calls through with one of its credentials: it is revoked, may not use a model, or its account has nothing left. Over when it lets one through, when the credential is retired, or an hour after the last refusal.",
	},
	{
		rule: Publishing, topic: channel.Configuration, severity: channel.Critical, name: "Configuration not pushed", standing: true,
		says: "Fires while the newest configuration cannot be pushed, or an edge refuses it and keeps the one before.",
	},
}

func kindOf(rule Rule) (kind, bool) {
	for _, one := range kinds {
		if one.rule == rule {
			return one, true
		}
	}
	return kind{}, false
}

// Name is what people call the rule.
func (r Rule) Name() string {
	one, _ := kindOf(r)
	return one.name
}

// Setting is a rule as an organization has it.
type Setting struct {
	Rule     Rule             `json:"rule"`
	Name     string           `json:"name"`
	Text     string           `json:"text"` // when it fires
	Topic    channel.Topic    `json:"topic"`
	Enabled  bool             `json:"enabled"`
	Severity channel.Severity `json:"severity"`
	Number   int              `json:"number"` // 0 where Unit is empty
	Unit     string           `json:"unit"`
}

// Change is what a caller sets of a rule; nil stays as it is.
type Change struct {
	Enabled  *bool
	Severity *channel.Severity
	Number   *int
}

const numberMax = 1_000_000

// over returns the setting after the change, and says what is wrong.
func (c Change) over(before Setting) (Setting, error) {
	var wrong fault.Fields
	if c.Enabled != nil {
		before.Enabled = *c.Enabled
	}
	if c.Severity != nil {
		if before.Severity = *c.Severity; before.Severity.Rank() == 0 {
			wrong.Add("severity", "choose %q, %q or %q", channel.Info, channel.Warning, channel.Critical)
		}
	}
	if c.Number != nil {
		switch before.Number = *c.Number; {
		case before.Unit == "" && before.Number != 0:
			wrong.Add("number", "this rule has no number")
		case before.Unit != "" && (before.Number < 1 || before.Number > numberMax):
			wrong.Add("number", "enter a number from 1 to %d: %s", numberMax, before.Unit)
		}
	}
	return before, wrong.Err()
}

// Alert is something that fired.
type Alert struct {
	ID         ident.Alert        `json:"id"`
	Rule       Rule               `json:"rule"`
	Subject    string             `json:"subject"` // what it is about, such as budget:<id>
	Period     string             `json:"period"`  // in which it fires once
	Threshold  int                `json:"threshold"`
	Severity   channel.Severity   `json:"severity"`
	Title      string             `json:"title"`
	Text       string             `json:"text"`
	Path       string             `json:"path"` // of the console, where more is seen
	FiredAt    time.Time          `json:"fired_at"`
	ResolvedAt *time.Time         `json:"resolved_at"`
	Deliveries []channel.Delivery `json:"deliveries"`
	standing   bool
}

// Filter chooses alerts that are over. Zero fields do not restrict.
type Filter struct {
	Limit  int         // 1 to 200; 0: 50
	Before ident.Alert // fired before that one
}

const (
	limitDefault = 50
	limitMax     = 200
)

func (f Filter) normal() (Filter, error) {
	var wrong fault.Fields
	if f.Limit == 0 {
		f.Limit = limitDefault
	}
	if f.Limit < 1 || f.Limit > limitMax {
		wrong.Add("limit", "choose 1 to %d", limitMax)
	}
	return f, wrong.Err()
}
