package routeui

import "tollgate.dev/web/component"

// Mirror is the section of the form that says where calls are repeated.
type Mirror struct {
	Open       bool   // something is set or wrong
	Summary    string // what holds now
	Label      string // that repeated calls have
	BudgetHref string // makes a budget for it
	Provider   component.Field
	Model      component.Field
	Share      component.Field
}
