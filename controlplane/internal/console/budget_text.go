package console

import (
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/web/budgetui"
	"tollgate.dev/web/component"
)

// soon is how near the end of a budget must be to be shown as bad.
const soon = 2 * day

// outlook says where a budget's spending leads.
func outlook(one budget.Standing, now time.Time) budgetui.Outlook {
	at := "At " + one.PacePerDay.USD() + " a day, the pace of the last seven days"
	switch one.Verdict {
	case budget.UsedUp:
		return budgetui.Outlook{Text: "used up", Tone: component.Bad}
	case budget.RunsOut:
		out := budgetui.Outlook{Text: "runs out", At: component.AtPointer(one.RunsOutAt, "minute"), Tone: component.Warn, Note: at + "."}
		if one.Mode == budget.Soft {
			out.Text = "reaches its limit"
		}
		if one.RunsOutAt.Before(now.Add(soon)) {
			out.Tone = component.Bad
		}
		return out
	case budget.Lasts:
		out := budgetui.Outlook{Text: "lasts", Note: at + ".", Tone: component.Plain}
		if one.SpentAtEnd != nil {
			out.Note = at + ", it will have spent " + one.SpentAtEnd.USD() + " at the period's end."
		}
		return out
	case budget.TooEarly:
		out := budgetui.Outlook{Text: "too early to say", Note: "Nothing was spent lately to go by.", Tone: component.Plain}
		if one.NeedsUntil != nil {
			out.Note = "There will be enough to go by on " + one.NeedsUntil.UTC().Format("2 January, 15:04 UTC") + "."
		}
		return out
	default:
		return budgetui.Outlook{}
	}
}

// draw draws what was spent in each day (or hour) of the period beside an even pace.
func (p *budgetPage) draw(d *budgetui.Detail) {
	one := p.budget
	marks, unit := columnsOf(one, p.now)
	sums := make([]money.Amount, len(marks)-1)
	for hour, cost := range p.hours {
		if i := sort.Search(len(marks), func(i int) bool { return marks[i].After(hour) }) - 1; i >= 0 && i < len(sums) {
			sums[i] = sums[i].Add(cost)
		}
	}
	highest, even := money.Amount{}, money.Amount{}
	for _, sum := range sums {
		if sum.Cmp(highest) > 0 {
			highest = sum
		}
	}
	if one.ResetsAt != nil && !scope.EachValue(one.Scope, one.ScopeValue) {
		even = one.InForce().Times(1, int64(len(sums)))
		d.ChartNote = "Even pace: " + even.USD() + " " + unit.each
		if highest.Cmp(even) < 0 {
			highest = even
		}
	}
	top := roundUp(highest)
	d.Chart = component.Chart{Title: "Spent by " + unit.name, Unit: unit.name, Axis: axisOf(top), Pace: even.PerMille(top)}
	for i, sum := range sums {
		start := component.At(marks[i], unit.show)
		column := component.Column{Start: start, Total: sum.USD()}
		if sum.Sign() > 0 {
			column.Parts = []component.ColumnPart{{Name: "spent", Cost: sum.USD(), PerMille: max(sum.PerMille(top), 2), Color: 1}}
			d.Table = append(d.Table, budgetui.Line{At: start, Amount: sum.USD()})
		}
		d.Chart.Columns = append(d.Chart.Columns, column)
	}
	for i := range hourLabels {
		d.Chart.Hours = append(d.Chart.Hours, component.At(marks[i*(len(sums)-1)/(hourLabels-1)], unit.label))
	}
}

// columnUnit is how wide the columns of a budget's chart are.
type columnUnit struct{ name, each, show, label string }

const totalDays = 30 // that a budget without end shows

// columnsOf returns where the columns begin, and after them where the last one ends, in the budget's zone.
func columnsOf(one budget.Standing, now time.Time) ([]time.Time, columnUnit) {
	place, err := time.LoadLocation(one.TimeZone)
	if err != nil {
		place = time.UTC
	}
	start, unit := one.PeriodStart.In(place), columnUnit{"day", "a day", "day", "day-short"}
	if one.ResetsAt == nil {
		today := now.In(place)
		start = time.Date(today.Year(), today.Month(), today.Day()-totalDays+1, 0, 0, 0, 0, place)
	}
	marks := []time.Time{start}
	if one.Period == budget.Day {
		for at := start.Add(time.Hour); at.Before(*one.ResetsAt); at = at.Add(time.Hour) {
			marks = append(marks, at)
		}
		return append(marks, *one.ResetsAt), columnUnit{"hour", "an hour", "minute", "clock"}
	}
	for i := 1; ; i++ {
		at := start.AddDate(0, 0, i)
		marks = append(marks, at)
		if one.ResetsAt == nil && i == totalDays || one.ResetsAt != nil && !at.Before(*one.ResetsAt) {
			return marks, unit
		}
	}
}

// recorded is what an audit entry keeps of a budget or of its raise.
type recorded struct {
	Name          string    `json:"name"`
	LimitUSD      string    `json:"limit_usd"`
	Mode          string    `json:"mode"`
	AlertPercents []int     `json:"alert_percents"`
	AlertForecast bool      `json:"alert_forecast"`
	AmountUSD     string    `json:"amount_usd"`
	Reason        string    `json:"reason"`
	EndsAt        time.Time `json:"ends_at"`
}

// changeText says in words what was done to a budget.
func changeText(one audit.Recorded) string {
	var before, after recorded
	_ = json.Unmarshal(one.Before, &before) // what cannot be read stays empty, and the action is said as it is
	_ = json.Unmarshal(one.After, &after)
	switch one.Action {
	case "budget.create":
		return "created with a limit of $" + after.LimitUSD
	case "budget.update":
		return strings.Join(differences(before, after), ", ")
	case "budget.archive":
		return "archived"
	case "budget.raise":
		return "raised by $" + after.AmountUSD + " until " + after.EndsAt.UTC().Format("2 January 2006, 15:04 UTC") + ": " + after.Reason
	case "budget.raise_turn":
		return "told the edges that the raise by $" + after.AmountUSD + " has begun or ended"
	case "budget.end_raise":
		return "ended the raise by $" + before.AmountUSD
	default:
		return one.Action
	}
}

func differences(before, after recorded) []string {
	var all []string
	if before.LimitUSD != after.LimitUSD {
		all = append(all, "limit $"+before.LimitUSD+" → $"+after.LimitUSD)
	}
	if before.Name != after.Name {
		all = append(all, "name “"+before.Name+"” → “"+after.Name+"”")
	}
	if before.Mode != after.Mode {
		all = append(all, before.Mode+" → "+after.Mode)
	}
	if !slices.Equal(before.AlertPercents, after.AlertPercents) || before.AlertForecast != after.AlertForecast {
		all = append(all, "alerts "+alertsText(before)+" → "+alertsText(after))
	}
	if len(all) == 0 {
		return []string{"saved without a change"}
	}
	return all
}

func alertsText(of recorded) string {
	return alertText(budget.Standing{Budget: budget.Budget{AlertPercents: of.AlertPercents, AlertForecast: of.AlertForecast}})
}

// daysText names a period by its days.
func daysText(period budget.Period, start, end time.Time) string {
	const day = "2 January 2006"
	switch period {
	case budget.Day:
		return start.Format(day)
	case budget.Month:
		return start.Format("January 2006")
	case budget.Quarter:
		return start.Format("January") + " to " + end.AddDate(0, 0, -1).Format("January 2006")
	default:
		return start.Format("2 January") + " to " + end.AddDate(0, 0, -1).Format(day)
	}
}
