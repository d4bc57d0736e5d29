// Package spendui draws what calls cost: a chart by hour, the sums by group, and the calls behind them.
// It refuses to add money up: every sum arrives as text.
package spendui

import (
	"tollgate.dev/web/component"
	"tollgate.dev/web/usageui"
)

// View is the page of spend.
type View struct {
	Ranges   []Choice
	Groups   []Choice
	Labels   []Choice // labels whose values can be the groups
	Chips    []Chip   // restrictions in force
	Notes    []string // what in the sums is not certain
	Kept     string   // since when single calls are kept; empty: all of the range
	Custom   Custom
	Live     string // where the page listens for changes; empty: the range is over
	Figures  []component.Stat
	Chart    component.Chart
	Table    Table
	Calls    usageui.List
	CallsURL string // the usage page with the same range
	Empty    bool   // nothing in the range
	AnyEver  bool   // there was a call before
}

// Chip is one restriction.
type Chip struct {
	Name    string // "Agent"
	Value   string
	Without string // the page without it
}

// Choice is one range or grouping that can be chosen.
type Choice struct {
	Label   string
	Href    string
	Current bool
}

// Custom is the form of a range of one's own.
type Custom struct {
	Kept []component.Option // the address's other parameters, by name
	From component.Field
	To   component.Field
	Open bool
}

// Table is the chart's figures as a table: groups as rows.
type Table struct {
	By    string // "Agent"
	Rows  []Row
	Total Row
}

// Row is one group.
type Row struct {
	Name   string
	Href   string // what the group's name leads to; empty: nothing
	Unsure bool   // some of it is estimated or indeterminate
	Color  int    // 0: none
	Calls  string
	Tokens string
	Waste  string
	Saved  string
	Cost   string
	Share  string
}
