package routeui

import "tollgate.dev/web/component"

// Try is a dry run of a route: the call that is tried, and what an edge would do with it.
type Try struct {
	Title   string
	Links   []component.Link
	Action  string
	Message string
	Key     component.Field
	Fields  []component.Field
	Stream  component.Field
	Tools   component.Field
	Result  *Tried // nil: the call cannot be read
}

// Tried is what an edge would do.
type Tried struct {
	Version string
	Targets []Place
	Refused string
	Steps   []Step
	See     string // what conditions see of the call; empty: there are none
	Notes   []string
}

// Place is a target in the order in which they are tried.
type Place struct{ Provider, Model, Group, Cost string }

// Step is one thing that was decided.
type Step struct {
	Group   string
	Node    string
	When    string
	Verdict string
	Good    bool
	Why     string
}
