// Package virtualkeyui draws virtual keys. The key itself is drawn once, right after it was made.
// It refuses to keep a key's text anywhere.
package virtualkeyui

import (
	"tollgate.dev/web/component"
	"tollgate.dev/web/setupui"
)

// List is the page of all virtual keys.
type List struct {
	Rows         []Row
	Sifted       component.Sifted
	MayAdd       bool
	HasWorkspace bool // a key needs one
}

// Row is one virtual key.
type Row struct {
	ID         string
	Name       string
	Href       string // empty: may not be changed
	Prefix     string
	State      component.Badge
	Agent      string
	Workspace  string
	Models     []string // empty: every route
	Limit      string   // "60 a minute" or "none"
	Created    component.Moment
	Expires    component.Moment // zero: never
	Revoked    component.Moment // zero: not
	RevokeHref string           // empty: may not or need not be revoked
	SetupHref  string           // empty: it works no more
}

// Created is the page that shows a new key, once.
type Created struct {
	Name  string
	Setup setupui.Page // with the key in its lines
}

// Form creates or changes a virtual key.
type Form struct {
	component.Form
	Title    string
	Name     component.Field
	Owner    component.Field // workspace, or workspace and agent
	Models   component.Field
	Expires  component.Field
	Limit    component.Field
	Priority component.Field // among the waiting calls of its workspace
	Proxy    component.Field // whether it may call providers as they are
	Fields   component.Field // what happens to those that a provider does not have
}
