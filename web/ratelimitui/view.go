// Package ratelimitui draws rate limits and the form that sets one.
// It refuses to count: what edges have admitted is theirs alone.
package ratelimitui

import "tollgate.dev/web/component"

// List is the page of all rate limits.
type List struct {
	Rows   []Row
	MayAdd bool
	AsOf   component.Moment // of what is used; zero: no edge says
}

// Row is one rate limit.
type Row struct {
	ID          string
	Name        string
	Href        string // empty: may not be changed
	ArchiveHref string
	Scope       string
	Allows      string // "1,000 requests"
	Window      string // "in any minute"
	Used        Use    // its Text is empty when no edge says
	Created     component.Moment
}

// Use is how much of a limit is used now.
type Use struct {
	Text    string // "812"
	Of      string // "1,000"
	Share   string // of the amount: "81%"
	Subject string // of which most is used; empty: the limit has one account
	Bar     component.Bar
}

// Form creates a rate limit.
type Form struct {
	component.Form
	Title      string
	Name       component.Field
	Target     component.Field // what it applies to
	ScopeValue component.Field // completes a target that is named by a value
	What       component.Field
	Amount     component.Field
	Per        component.Field
}

// Change gives a rate limit another name, amount or window.
type Change struct {
	component.Form
	Row    Row
	Name   component.Field
	Amount component.Field
	Per    component.Field // without options: what is concurrent has no window
}
