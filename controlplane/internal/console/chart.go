package console

import (
	"math/big"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/web/component"
	"tollgate.dev/web/spendui"
)

const (
	colors     = 8 // the last is for all groups that have none of their own
	axisSteps  = 4
	hourLabels = 7
)

// color returns the color of the group at that place in the order of cost.
func (t totals) color(place int) int {
	if place >= colors-1 && len(t.groups) > colors {
		return colors
	}
	return min(place+1, colors)
}

// table lays out the groups, dearest first.
func (t totals) table(v *visit, by grouping) spendui.Table {
	table := spendui.Table{By: by.label, Total: spendRow(&t.all, t.all.Cost)}
	for place, group := range t.groups {
		row := spendRow(group, t.all.Cost)
		row.Href = drill(v, by, group.id)
		if by.value != "run" { // the chart shows agents
			row.Color = t.color(place)
		}
		table.Rows = append(table.Rows, row)
	}
	if t.rest != nil {
		table.Rows = append(table.Rows, spendRow(t.rest, t.all.Cost))
	}
	return table
}

func spendRow(s *sum, whole money.Amount) spendui.Row {
	return spendui.Row{Name: s.name, Calls: grouped(s.Events), Tokens: grouped(tokensOf(s.Figures)), Waste: s.Waste.USD(), Saved: s.Saved.USD(), Cost: s.Cost.USD(), Share: shareOf(s.Cost, whole), Unsure: s.Doubt.Sign() > 0 || s.EstimatedEvents > 0}
}

// chart stacks the groups by hour or day. All arithmetic is on integers; heights are thousandths of the axis.
func (t totals) chart(title string, s span) component.Chart {
	chart := component.Chart{Title: title, Unit: unitOf(s)}
	highest := money.Amount{}
	for _, column := range t.columns {
		if whole := sumOf(column); whole.Cmp(highest) > 0 {
			highest = whole
		}
	}
	top := roundUp(highest)
	chart.Axis = axisOf(top)
	for place, group := range t.groups {
		if color := t.color(place); color < colors || len(t.groups) <= colors {
			chart.Series = append(chart.Series, component.Series{Name: group.name, Color: color})
		}
	}
	if len(t.groups) > colors {
		chart.Series = append(chart.Series, component.Series{Name: "others", Color: colors})
	}
	for i, column := range t.columns {
		chart.Columns = append(chart.Columns, t.column(s.from.Add(time.Duration(i)*s.step), column, top))
	}
	chart.Hours = hoursOf(s, len(t.columns))
	return chart
}

func (t totals) column(start time.Time, costs map[string]money.Amount, top money.Amount) component.Column {
	column := component.Column{Start: component.At(start, "minute"), Total: sumOf(costs).USD()}
	rest := costs[others]
	for place, group := range t.groups {
		cost := costs[group.id]
		if t.color(place) == colors && len(t.groups) > colors {
			rest = rest.Add(cost)
			continue
		}
		if cost.Sign() > 0 {
			column.Parts = append(column.Parts, component.ColumnPart{Name: group.name, Cost: cost.USD(), PerMille: max(cost.PerMille(top), 2), Color: t.color(place)})
		}
	}
	if rest.Sign() > 0 {
		column.Parts = append(column.Parts, component.ColumnPart{Name: "others", Cost: rest.USD(), PerMille: max(rest.PerMille(top), 2), Color: colors})
	}
	return column
}

func sumOf(costs map[string]money.Amount) money.Amount {
	whole := money.Amount{}
	for _, cost := range costs {
		whole = whole.Add(cost)
	}
	return whole
}

// roundUp returns the least 1, 2, 3, 4, 5, 6 or 8 times a power of ten that is not less than the amount; nothing becomes a dollar.
func roundUp(amount money.Amount) money.Amount {
	if amount.Sign() <= 0 {
		return money.FromPico(money.PicoPerUSD)
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(amount.String())-1)), nil)
	for _, times := range []int64{1, 2, 3, 4, 5, 6, 8, 10} {
		var top money.Amount
		if err := top.Scan(new(big.Int).Mul(power, big.NewInt(times)).String()); err == nil && top.Cmp(amount) >= 0 {
			return top
		}
	}
	return amount
}

// axisOf labels the top and its quarters.
func axisOf(top money.Amount) []string {
	whole, _ := new(big.Int).SetString(top.String(), 10)
	labels := make([]string, 0, axisSteps+1)
	for i := int64(axisSteps); i > 0; i-- {
		var mark money.Amount
		part := new(big.Int).Quo(new(big.Int).Mul(whole, big.NewInt(i)), big.NewInt(axisSteps))
		if err := mark.Scan(part.String()); err != nil {
			continue
		}
		labels = append(labels, "$"+trimZeros(mark.Decimal()))
	}
	return append(labels, "$0")
}

func trimZeros(decimal string) string { return strings.TrimSuffix(decimal, ".00") }

// hoursOf spreads a few labels evenly under the columns.
func hoursOf(s span, columns int) []component.Moment {
	show := "clock"
	if s.to.Sub(s.from) > 2*day {
		show = "day-short"
	}
	var moments []component.Moment
	for i := range hourLabels {
		at := s.from.Add(time.Duration(i*(columns-1)/(hourLabels-1)) * s.step)
		moments = append(moments, component.At(at, show))
	}
	return moments
}
