// Package auditui draws who changed what.
// It refuses to show what the audit does not hold: secrets.
package auditui

import "tollgate.dev/web/component"

// List is a page of changes, newest first.
type List struct {
	Rows  []Row
	Every string // where all changes are; empty: here
	Pager component.Pager
}

// Row is one change.
type Row struct {
	ID         string
	At         component.Moment
	Actor      string
	ActorKind  string
	Address    string
	Action     string
	Subject    string
	Generation string
	Before     string // indented JSON; empty: did not exist
	After      string
}
