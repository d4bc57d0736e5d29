// Package homeui draws the overview of an organization: what it spent, what was refused, what needs a look, what to do first.
// It refuses to fetch any of it.
package homeui

import (
	"tollgate.dev/web/budgetui"
	"tollgate.dev/web/component"
	"tollgate.dev/web/usageui"
)

// View is the overview.
type View struct {
	Greeting     string
	Steps        []Step // of the first-steps list; empty when all are done
	Done         string // "2 of 6 done"
	Live         string
	Figures      []component.Stat
	Chart        component.Chart
	Quiet        bool // nothing was called in the last 24 hours
	Budgets      []budgetui.Row
	Edges        []Edge
	Refused      usageui.List
	RefusedPager component.Pager
}

// Step is one of the first steps.
type Step struct {
	Title  string
	Text   string
	Href   string
	Action string
	Done   bool
	Now    bool // the next to do
}

// Edge is one edge in a line.
type Edge struct {
	Name  string
	State component.Badge
	Note  string
}
