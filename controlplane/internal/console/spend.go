package console

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/web/component"
	"tollgate.dev/web/spendui"
	"tollgate.dev/web/usageui"
)

// span is the range that the page shows, in whole hours or days.
type span struct {
	name     string // "24h", "7d", "30d" or "custom"
	from, to time.Time
	step     time.Duration
	live     bool
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// stepOf chooses how wide the columns of a range are, so that there are at most some sixty.
func stepOf(length time.Duration) time.Duration {
	switch {
	case length <= 2*day:
		return time.Hour
	case length <= 10*day:
		return 6 * time.Hour
	case length <= 62*day:
		return day
	default:
		return week
	}
}

// spanOf reads the range from the address; wrong says what is wrong with one of one's own.
func (c *Console) spanOf(v *visit) (span, mends) {
	end := c.config.Now().UTC().Truncate(time.Hour).Add(time.Hour)
	last := func(name string, length time.Duration) span {
		step := stepOf(length)
		end := end.Add(-time.Hour).Truncate(step).Add(step)
		return span{name: name, from: end.Add(-length), to: end, step: step, live: true}
	}
	from, to := v.QueryParam("from"), v.QueryParam("to")
	if from != "" || to != "" {
		return customSpan(from, to, last("24h", day))
	}
	switch v.QueryParam("range") {
	case "7d":
		return last("7d", week), mends{}
	case "30d":
		return last("30d", 30*day), mends{}
	default:
		return last("24h", day), mends{}
	}
}

const daysMax = 366

func customSpan(from, to string, instead span) (span, mends) {
	wrong := mends{fields: map[string]string{}}
	first, err := time.Parse(dateLayout, from)
	if err != nil {
		wrong.fields["from"] = "Enter a day such as 2026-11-01."
	}
	last, err := time.Parse(dateLayout, to)
	switch {
	case err != nil:
		wrong.fields["to"] = "Enter a day such as 2026-11-30."
	case last.Before(first):
		wrong.fields["to"] = "The last day lies before the first."
	case last.Sub(first) > daysMax*day:
		wrong.fields["to"] = "Choose at most 366 days."
	}
	if len(wrong.fields) > 0 {
		return instead, wrong
	}
	s := span{name: "custom", from: first, to: last.Add(day)}
	s.step = stepOf(s.to.Sub(s.from))
	return s, mends{}
}

// grouping is one way to group spend.
type grouping struct {
	value string // in the address and for the noun
	label string
	word  string // "agent"
}

func groupings() []grouping {
	return []grouping{{"agent", "Agent", "agent"}, {"model", "Model", "model"}, {"virtual_key", "Key", "virtual key"}, {"provider", "Provider", "provider"}}
}

func groupOf(v *visit) grouping {
	for _, one := range groupings() {
		if one.value == v.QueryParam("group") {
			return one
		}
	}
	return groupings()[0]
}

func (c *Console) spend(v *visit) error {
	s, wrong := c.spanOf(v)
	shown, err := c.spendView(v, s, groupOf(v), wrong)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(wrong.fields) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return c.draw(v, view{Title: "Spend", Active: "/spend", Live: s.live, Status: status, Content: spendui.Page(shown)})
}

func (c *Console) spendLive(v *visit) error {
	ctx := v.Request().Context()
	return c.stream(v, c.Usage.Changes(ctx, v.actor.Org), usageEvery, func() ([]part, error) {
		s, wrong := c.spanOf(v)
		shown, err := c.spendView(v, s, groupOf(v), wrong)
		if err != nil {
			return nil, err
		}
		return []part{{"figures", spendui.Figures(shown)}, {"chart", spendui.Chart(shown)}, {"table", spendui.Groups(shown)}, {"calls", usageui.Rows(shown.Calls)}}, nil
	})
}

const callsBehind = 12

func (c *Console) spendView(v *visit, s span, by grouping, wrong mends) (spendui.View, error) {
	hours, err := c.Usage.Hours(v.Request().Context(), v.actor, usage.HoursQuery{From: s.from, To: s.to, GroupBy: usage.Group(by.value)})
	if err != nil {
		return spendui.View{}, err
	}
	calls, _, err := c.callList(v, usage.Filter{Limit: callsBehind, From: s.from, To: s.to})
	if err != nil {
		return spendui.View{}, err
	}
	calls.Filters = false
	sums := sumsOf(hours, s)
	shown := spendui.View{
		Figures: spendFigures(sums), Chart: sums.chart("Cost per "+by.word+" "+every(s), s), Table: sums.table(by.label), Calls: calls,
		CallsURL: "/usage?" + rangeQuery(s.from, s.to), Empty: len(hours) == 0, AnyEver: len(calls.Rows) > 0 || s.name != "24h",
	}
	for _, one := range []struct{ name, label string }{{"24h", "24 hours"}, {"7d", "7 days"}, {"30d", "30 days"}} {
		shown.Ranges = append(shown.Ranges, spendui.Choice{Label: one.label, Href: "/spend?range=" + one.name + "&group=" + by.value, Current: one.name == s.name})
	}
	for _, one := range groupings() {
		query := maps.Clone(v.QueryParams()) // the request's own stays as it was asked
		query.Set("group", one.value)
		shown.Groups = append(shown.Groups, spendui.Choice{Label: one.label, Href: "/spend?" + query.Encode(), Current: one == by})
	}
	shown.Custom = spendui.Custom{
		Group: by.value, Open: s.name == "custom",
		From: component.Field{Name: "from", Label: "First day (UTC)", Kind: "date", Value: cmp.Or(v.QueryParam("from"), s.from.Format(dateLayout)), Error: wrong.of("from")},
		To:   component.Field{Name: "to", Label: "Last day (UTC)", Kind: "date", Value: cmp.Or(v.QueryParam("to"), s.to.Add(-time.Hour).Format(dateLayout)), Error: wrong.of("to")},
	}
	if s.live {
		shown.Live = "/spend/live?" + v.QueryParams().Encode()
	}
	return shown, nil
}

// unitOf says what a column's beginning is shown as: a day, or a day and an hour.
func unitOf(s span) string {
	if s.step >= day {
		return "day"
	}
	return "hour"
}

// every says in words how wide the columns are.
func every(s span) string {
	switch s.step {
	case time.Hour:
		return "by hour"
	case day:
		return "by day"
	case week:
		return "by week"
	default:
		return "every 6 hours"
	}
}

func spendFigures(sums totals) []component.Stat {
	waste := component.Stat{Label: "Wasted", Value: sums.all.waste.USD(), Note: "on answers that nobody got", TestID: "spend-waste"}
	return []component.Stat{
		{Label: "Cost", Value: sums.all.cost.USD(), TestID: "spend-cost"},
		{Label: "Calls", Value: grouped(sums.all.events), Note: "refusals included", TestID: "spend-events"},
		{Label: "Tokens", Value: grouped(sums.all.tokens), TestID: "spend-tokens"},
		waste,
	}
}

// columns is how many columns the range has; the last one may be cut short by the range's end.
func (s span) columns() int { return max(int((s.to.Sub(s.from)+s.step-1)/s.step), 1) }

// sum is what one group used.
type sum struct {
	id, name string
	events   int64
	tokens   int64
	cost     money.Amount
	waste    money.Amount
}

func (s *sum) add(one usage.HourCost) {
	s.events += one.Events
	s.tokens += one.InputTokens + one.CachedInputTokens + one.CacheWriteTokens + one.OutputTokens
	s.cost, s.waste = s.cost.Add(one.Cost), s.waste.Add(one.Waste)
}

// totals are the sums of a range: of all, of each group (dearest first), and of each group in each column.
type totals struct {
	all     sum
	groups  []*sum
	columns []map[string]money.Amount
}

func sumsOf(hours []usage.HourCost, s span) totals {
	t := totals{columns: make([]map[string]money.Amount, s.columns())}
	byID := map[string]*sum{}
	for _, one := range hours {
		group := byID[one.GroupID]
		if group == nil {
			group = &sum{id: one.GroupID, name: cmp.Or(one.GroupName, "none")}
			byID[one.GroupID] = group
			t.groups = append(t.groups, group)
		}
		group.add(one)
		t.all.add(one)
		column := int(one.Hour.Sub(s.from) / s.step)
		if column < 0 || column >= len(t.columns) {
			continue
		}
		if t.columns[column] == nil {
			t.columns[column] = map[string]money.Amount{}
		}
		t.columns[column][one.GroupID] = t.columns[column][one.GroupID].Add(one.Cost)
	}
	slices.SortFunc(t.groups, func(a, b *sum) int { return cmp.Or(b.cost.Cmp(a.cost), cmp.Compare(a.name, b.name)) })
	return t
}
