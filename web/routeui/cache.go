package routeui

import "tollgate.dev/web/component"

// Cache is the section of the form that says which answers are kept.
type Cache struct {
	Open       bool   // something is kept or wrong
	Summary    string // what holds now
	Mode       component.Field
	TTL        component.Field
	PerEndUser component.Field
	PurgeHref  string // empty: nothing is kept
}
