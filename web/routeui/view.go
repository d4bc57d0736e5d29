// Package routeui draws routes and the editor of their targets.
// It refuses to fetch them and to decide who may change them.
package routeui

import (
	"strconv"

	"tollgate.dev/web/component"
)

// List is the page of all routes.
type List struct {
	Rows        []Row
	MayAdd      bool
	HasProvider bool // a route needs one
}

// Row is one route.
type Row struct {
	ID          string
	Name        string
	Href        string // empty: may not be changed
	ArchiveHref string
	Workspace   string
	Strategy    string
	Targets     []Target
}

// Target is one place that a route leads to.
type Target struct {
	Provider string
	Model    string
	Share    string // of a weighted route, e.g. "75%"; else empty
}

// Form creates or changes a route.
type Form struct {
	component.Form
	Title     string
	Name      component.Field
	Workspace component.Field
	Strategy  component.Field
	Targets   []TargetFields
	Error     string // of the targets as a whole
}

// TargetFields is one row of the targets' editor.
type TargetFields struct {
	Provider component.Field
	Model    component.Field
	Weight   component.Field
}

func number(index int) string { return strconv.Itoa(index + 1) }
