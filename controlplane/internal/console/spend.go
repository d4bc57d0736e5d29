package console

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/edge"
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

// spendOf asks for the groups of a range and their columns. Runs have none: agents stand in for them.
func (c *Console) spendOf(v *visit, s span, by grouping) (groups, columns usage.Spend, err error) {
	query := usage.SpendQuery{From: s.from, To: s.to, GroupBy: usage.Group(by.value), Where: whereOf(v), Step: usage.ByHour, Cells: colors}
	if by.value == "label" {
		query.Label = by.label
	}
	if s.step >= day {
		query.Step = usage.ByDay
	}
	groups, err = c.Usage.Spend(v.Request().Context(), v.actor, query)
	if err != nil || by.value != "run" {
		return groups, groups, err
	}
	query.GroupBy = usage.ByAgent
	columns, err = c.Usage.Spend(v.Request().Context(), v.actor, query)
	return groups, columns, err
}

func (c *Console) spendView(v *visit, s span, by grouping, wrong mends) (spendui.View, error) {
	groups, columns, err := c.spendOf(v, s, by)
	if err != nil {
		return spendui.View{}, err
	}
	filter := usageFilter(v)
	filter.Limit, filter.Before, filter.From, filter.To = callsBehind, "", s.from, s.to
	calls, _, err := c.callList(v, filter)
	if err != nil {
		return spendui.View{}, err
	}
	calls.Filters = false
	shown := spendui.View{
		Table: sumsOf(groups, s).table(v, by), Calls: calls, CallsURL: callsOf(v, s),
		Empty: groups.Total.Events == 0, AnyEver: len(calls.Rows) > 0 || s.name != "24h", Notes: spendNotes(groups),
	}
	if shown.Figures, err = c.spendFigures(v, s, groups); err != nil {
		return spendui.View{}, err
	}
	word := by.word
	if by.value == "run" {
		word = groupings()[0].word
	}
	shown.Chart = sumsOf(columns, s).chart("Cost per "+word+" "+every(s), s)
	if shown.Chips, err = c.chips(v); err != nil {
		return spendui.View{}, err
	}
	if shown.Labels, err = c.labelsOf(v.Request().Context(), v.actor, v, s); err != nil {
		return spendui.View{}, err
	}
	if shown.Kept, err = c.keptNote(v, s.from); err != nil {
		return spendui.View{}, err
	}
	gaps, err := c.Edges.Gaps(v.Request().Context(), v.actor, s.from, s.to)
	if err != nil {
		return spendui.View{}, err
	}
	rejects, err := c.Edges.Rejects(v.Request().Context(), v.actor, s.from, s.to)
	if err != nil {
		return spendui.View{}, err
	}
	shown.Notes = append(append(shown.Notes, gapNotes(gaps)...), rejectNotes(rejects)...)
	c.spendChoices(v, s, by, wrong, &shown)
	return shown, nil
}

// spendChoices fills in what can be chosen.
func (c *Console) spendChoices(v *visit, s span, by grouping, wrong mends, shown *spendui.View) {
	for _, one := range []struct{ name, label string }{{"24h", "24 hours"}, {"7d", "7 days"}, {"30d", "30 days"}} {
		query := changed(v, "range", one.name)
		query.Del("from")
		query.Del("to")
		query.Set("group", by.value)
		shown.Ranges = append(shown.Ranges, spendui.Choice{Label: one.label, Href: "/spend?" + query.Encode(), Current: one.name == s.name})
	}
	for _, one := range groupings() {
		query := changed(v, "group", one.value)
		query.Del("label")
		shown.Groups = append(shown.Groups, spendui.Choice{Label: one.label, Href: "/spend?" + query.Encode(), Current: one == by})
	}
	shown.Custom = spendui.Custom{
		Kept: keptFields(v), Open: s.name == "custom",
		From: component.Field{Name: "from", Label: "First day (UTC)", Kind: "date", Value: cmp.Or(v.QueryParam("from"), s.from.Format(dateLayout)), Error: wrong.of("from")},
		To:   component.Field{Name: "to", Label: "Last day (UTC)", Kind: "date", Value: cmp.Or(v.QueryParam("to"), s.to.Add(-time.Hour).Format(dateLayout)), Error: wrong.of("to")},
	}
	if s.live {
		shown.Live = "/spend/live?" + v.QueryParams().Encode()
	}
}

// keptFields are the address's other parameters, which a range of one's own keeps.
func keptFields(v *visit) []component.Option {
	var kept []component.Option
	for _, name := range slices.Sorted(maps.Keys(v.QueryParams())) {
		if name != "from" && name != "to" && name != "range" {
			kept = append(kept, component.Option{Value: v.QueryParam(name), Label: name})
		}
	}
	return kept
}

// keptNote says where single calls of a range are not kept any more.
func (c *Console) keptNote(v *visit, from time.Time) (string, error) {
	since, err := c.Usage.Kept(v.Request().Context(), v.actor)
	if err != nil || c.config.UsageRetention <= 0 || since.IsZero() {
		return "", err
	}
	if kept := c.config.Now().UTC().Truncate(day).Add(-c.config.UsageRetention); from.Before(kept) {
		return "Single calls are kept since " + kept.Format(dateLayout) + ". The sums of before are whole.", nil
	}
	return "", nil
}

const gapLayout = "2006-01-02 15:04"

// gapNotes says what is missing from the sums.
func gapNotes(gaps []edge.Gap) (notes []string) {
	for _, gap := range gaps {
		notes = append(notes, callsText(gap.Calls)+" not recorded: the disk of edge “"+gap.Edge+"” was full between "+gap.FirstAt.UTC().Format(gapLayout)+" and "+
			gap.LastAt.UTC().Format(gapLayout)+" UTC. What they cost stands only on the providers' invoices.")
	}
	return notes
}

func rejectNotes(rejects []edge.Reject) (notes []string) {
	for _, one := range rejects {
		notes = append(notes, recordsText(one.Records)+" of edge “"+one.Edge+"” came within this range and could not be taken into the books, the last because of this: "+one.LastReason+". What they cost is not in these sums until they can be, such as by a newer control plane.")
	}
	return notes
}

// spendNotes says what in the sums is not certain.
func spendNotes(s usage.Spend) []string {
	var notes []string
	if n := s.Total.Indeterminate; n > 0 {
		notes = append(notes, grouped(n)+" calls are indeterminate, because an edge stopped in between: beyond the cost shown they may have cost up to "+s.Total.Doubt.USD()+".")
	}
	if n := s.Total.EstimatedEvents; n > 0 {
		notes = append(notes, s.Total.Estimated.USD()+" of "+grouped(n)+" calls is estimated: the provider sent no counts, so tokens were counted on the edge.")
	}
	return notes
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

// spendFigures are the sums of a range, and what of them caches and mirrors had.
func (c *Console) spendFigures(v *visit, within span, s usage.Spend) ([]component.Stat, error) {
	apart, err := c.apartOf(v, within, whereOf(v))
	if err != nil {
		return nil, err
	}
	figures := spendStats(s, apart.savedNote(s.Total.Saved))
	if apart.mirrored.Events > 0 {
		figures = append(figures, component.Stat{Label: "Mirrored", Value: apart.mirrored.Cost.USD(), Note: callsText(apart.mirrored.Events) + " repeated elsewhere; part of cost and wasted", TestID: "spend-mirrored"})
	}
	return figures, nil
}

func spendStats(s usage.Spend, saved string) []component.Stat {
	var parts []string
	for _, one := range []struct {
		cost money.Amount
		on   string
	}{
		{s.Wasted.Failed, "failed or cut"}, {s.Wasted.Left, "callers gone"}, {s.Wasted.Refused, "withheld by a rule"}, {s.Wasted.Doubt, "edge stopped"}, {s.Wasted.Other, "of no use"},
	} {
		if one.cost.Sign() > 0 {
			parts = append(parts, one.on+" "+one.cost.USD())
		}
	}
	return []component.Stat{
		{Label: "Cost", Value: s.Total.Cost.USD(), TestID: "spend-cost"},
		{Label: "Calls", Value: grouped(s.Total.Events), Note: "refusals included", TestID: "spend-events"},
		{Label: "Tokens", Value: grouped(tokensOf(s.Total.Figures)), Note: grouped(s.Total.CachedInputTokens) + " read from caches", TestID: "spend-tokens"},
		{Label: "Wasted", Value: s.Total.Waste.USD(), Note: cmp.Or(strings.Join(parts, " · "), "on answers that nobody got"), TestID: "spend-waste"},
		{Label: "Saved by caches", Value: s.Total.Saved.USD(), Note: saved, TestID: "spend-saved"},
	}
}

func tokensOf(f usage.Figures) int64 {
	return f.InputTokens + f.CachedInputTokens + f.CacheWriteTokens + f.OutputTokens
}

// columns is how many columns the range has; the last one may be cut short by the range's end.
func (s span) columns() int { return max(int((s.to.Sub(s.from)+s.step-1)/s.step), 1) }

// sum is what one group used.
type sum struct {
	id, name string
	usage.Figures
}

// others is the id of all groups without columns of their own.
const others = "\x00others"

// totals are the sums of a range: of all, of each group (dearest first), and of each group in each column.
type totals struct {
	all     sum
	groups  []*sum
	rest    *sum // what is in no group; nil: nothing
	columns []map[string]money.Amount
}

func sumsOf(found usage.Spend, s span) totals {
	t := totals{all: sum{Figures: found.Total.Figures}, columns: make([]map[string]money.Amount, s.columns())}
	for _, one := range found.Groups {
		t.groups = append(t.groups, &sum{id: one.GroupID, name: cmp.Or(one.GroupName, one.GroupID, "none"), Figures: one.Figures})
	}
	if found.Others.Events > 0 {
		t.rest = &sum{name: "all others", Figures: found.Others}
	}
	for _, one := range found.Cells {
		column := int(one.Start.Sub(s.from) / s.step)
		if column < 0 || column >= len(t.columns) {
			continue
		}
		if t.columns[column] == nil {
			t.columns[column] = map[string]money.Amount{}
		}
		id := one.GroupID
		if one.Others {
			id = others
		}
		t.columns[column][id] = t.columns[column][id].Add(one.Cost)
	}
	return t
}
