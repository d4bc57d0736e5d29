// Package guardrailui draws guardrails.
// It refuses to fetch them and to decide who may change them.
package guardrailui

import "tollgate.dev/web/component"

// List is the page of all guardrails.
type List struct {
	Rows   []Row
	MayAdd bool
}

// Row is one guardrail.
type Row struct {
	ID          string
	Name        string
	Href        string // empty: may not be changed
	ArchiveHref string
	Scope       string
	Action      component.Badge
	Words       []string // the first few
	More        string   // "and 12 more", or empty
	Created     component.Moment
}

// Form creates or changes a guardrail.
type Form struct {
	component.Form
	Title  string
	Name   component.Field
	Target component.Field
	Action component.Field
	Words  component.Field
}
