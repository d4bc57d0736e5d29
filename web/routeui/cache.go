package routeui

import "tollgate.dev/web/component"

// Cache is the section of the form that says which answers are kept.
type Cache struct {
	Open       bool   // something is kept or wrong
	Summary    string // what holds now
	Mode       component.Field
	TTL        component.Field
	Model      component.Field // that embeds what is compared
	Threshold  component.Field
	Figures    []component.Stat // what it did of late; none: nothing is known
	PerEndUser component.Field
	Label      string // of comparisons
	PurgeHref  string // empty: nothing is kept
}
