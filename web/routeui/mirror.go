package routeui

import "tollgate.dev/web/component"

// Mirror is the section of the form that says where calls are repeated.
type Mirror struct {
	Open       bool   // something is set or wrong
	Summary    string // what holds now
	Label      string // that repeated calls have
	BudgetHref string // makes a budget for it
	Budgets    []MirrorBudget
	Unpaid     bool // calls are to be repeated, and no hard budget holds them: none is
	Provider   component.Field
	Model      component.Field
	Share      component.Field
}

// MirrorBudget is a hard budget that repeated calls are paid from.
type MirrorBudget struct {
	Name string
	Href string
	Left string // "$0.42 of $1.00 are left in this month"
	Out  bool   // nothing is left: calls are not repeated
}
