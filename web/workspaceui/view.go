// Package workspaceui draws workspaces.
// It refuses to fetch them and to decide who may change them.
package workspaceui

import "tollgate.dev/web/component"

// List is the page of all workspaces.
type List struct {
	Rows   []Row
	MayAdd bool
}

// Row is one workspace.
type Row struct {
	Name    string
	Slug    string
	Href    string // empty: may not be changed
	Agents  int
	Keys    int
	Created component.Moment
}

// Form creates or renames a workspace.
type Form struct {
	component.Form
	Title     string
	PurgeHref string // forgets the answers that are kept for it; empty: a new one
	Name      component.Field
	Slug      component.Field
}
