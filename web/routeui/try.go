package routeui

import "tollgate.dev/web/component"

// Try is a dry run of a route: the call that is tried, and what an edge would do with it.
type Try struct {
	Title   string
	Links   []component.Link
	Action  string
	Message string
	Fields  []component.Field // that describe a call
	Stream  component.Field
	Tools   component.Field
	Around  []component.Field // what no call says itself
	Given   Given
	Result  *Tried // nil: the call cannot be read
}

// Given is the form for a whole request.
type Given struct {
	Open    bool // it is what was tried
	CSRF    string
	Path    component.Field
	Headers component.Field
	Body    component.Field
	Around  []component.Field
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
type Place struct {
	Provider, Model, Group, Cost string
	Held                         []string // by which edges, and why
}

// Step is one thing that was decided.
type Step struct {
	Group   string
	Node    string
	When    string
	Verdict string
	Good    bool
	Bad     bool
	Why     string
}
