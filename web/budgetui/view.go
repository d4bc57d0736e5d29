// Package budgetui draws budgets and how far they are spent.
// It refuses to compute money: every amount arrives as text.
package budgetui

import "tollgate.dev/web/component"

// List is the page of all budgets.
type List struct {
	Rows   []Row
	MayAdd bool
}

// Row is one budget with the account of its current period.
type Row struct {
	ID          string
	Name        string
	Href        string // empty: may not be changed
	ArchiveHref string
	Scope       string
	Mode        component.Badge
	Period      string
	Limit       string
	Spent       string
	Leased      string
	InDoubt     string // empty: nothing
	Overrun     string // empty: nothing
	Left        string
	Used        string // "62%"
	Bar         component.Bar
	Resets      component.Moment // zero: never
}

// Form creates a budget.
type Form struct {
	component.Form
	Title      string
	Name       component.Field
	Target     component.Field // what it applies to
	ScopeValue component.Field // completes a target that is named by a value
	Limit      component.Field
	Period     component.Field
	TimeZone   component.Field
	Mode       component.Field
}

// Change gives a budget another name or limit.
type Change struct {
	component.Form
	Row   Row
	Name  component.Field
	Limit component.Field
}
