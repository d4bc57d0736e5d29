package routeui

import "tollgate.dev/web/component"

// Reliability is the section of the form that says how long and how often targets are tried.
type Reliability struct {
	Open    bool   // something is set or wrong
	Summary string // what holds now
	Fields  []component.Field
	Breaker []component.Field // when targets are held back
	Off     component.Field   // they never are
}
