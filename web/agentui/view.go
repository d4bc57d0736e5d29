// Package agentui draws agents.
// It refuses to fetch them and to decide who may change them.
package agentui

import "tollgate.dev/web/component"

// List is the page of all agents.
type List struct {
	Rows         []Row
	Sifted       component.Sifted
	MayAdd       bool
	HasWorkspace bool // an agent needs one
}

// Row is one agent.
type Row struct {
	ID          string
	Name        string
	Description string
	Workspace   string
	Href        string // empty: may not be changed
	ArchiveHref string
	Month       string // what it cost this month
	Keys        int
	Created     component.Moment
}

// Form creates or changes an agent.
type Form struct {
	component.Form
	Title       string
	Workspace   component.Field
	Name        component.Field
	Description component.Field
}
