// Package orgui draws the settings of an organization.
// It refuses to fetch them and to decide who may change them.
package orgui

import "tollgate.dev/web/component"

// Settings is the page of one organization.
type Settings struct {
	ID        string
	Name      string
	Slug      string
	Created   component.Moment
	Role      string // of the viewer
	MayChange bool
	WhenFull  string // what happens when an edge has no room, for those who may not change it
	Form      Form
	Workspace string // how many, in words
	EdgeURL   string
	Tokens    string // where the API tokens are; empty: may not be seen
}

// Form changes an organization.
type Form struct {
	component.Form
	Name component.Field
	Full component.Field // what happens when an edge has no room to record usage
}
