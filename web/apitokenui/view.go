// Package apitokenui draws API tokens. A token itself is drawn once, right after it was made.
// It refuses to keep a token's text anywhere.
package apitokenui

import "tollgate.dev/web/component"

// List is the page of all API tokens.
type List struct {
	Rows   []Row
	MayAdd bool
	APIURL string // where the admin API is
}

// Row is one API token.
type Row struct {
	ID         string
	Name       string
	Role       string
	State      component.Badge
	Created    component.Moment
	Expires    component.Moment // zero: never
	Revoked    component.Moment // zero: not
	RevokeHref string           // empty: may not or need not be revoked
}

// Created is the page that shows a new token, once.
type Created struct {
	Name  string
	Role  string
	Token string
	Curl  string
}

// Form creates an API token.
type Form struct {
	component.Form
	Name    component.Field
	Role    component.Field
	Expires component.Field
}
