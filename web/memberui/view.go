// Package memberui draws the people of an organization and their roles.
// It refuses to fetch them and to decide who may change them.
package memberui

import "tollgate.dev/web/component"

// List is the page of all members.
type List struct {
	Rows   []Row
	MayAdd bool
	Roles  []Role
}

// Row is one member.
type Row struct {
	ID         string
	Name       string
	Email      string
	Initials   string
	Role       string
	You        bool
	Joined     component.Moment
	CSRF       string
	Change     component.Field // of the role; zero Name: may not be changed
	Action     string
	RemoveHref string
}

// Role explains what a role may do.
type Role struct {
	Name string
	Text string
}

// Form adds a member.
type Form struct {
	component.Form
	Name   component.Field
	Email  component.Field
	Role   component.Field
	Secret component.Field
}
