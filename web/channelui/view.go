// Package channelui draws the channels that people are told by, and the forms that make and change them.
// It refuses to show an address that holds a secret: only its host arrives here.
package channelui

import (
	"tollgate.dev/web/alertui"
	"tollgate.dev/web/component"
)

// List is the page of all channels.
type List struct {
	Rows   []Row
	MayAdd bool
}

// Row is one channel.
type Row struct {
	ID          string
	Name        string
	Href        string
	ArchiveHref string // empty: may not be archived
	Kind        string
	Target      string // addresses or a host
	Takes       string // "critical alerts about budgets, edges"
	Created     component.Moment
}

// Choice is the page that asks what kind a new channel shall be.
type Choice struct{ Kinds []Kind }

// Kind is one kind to choose.
type Kind struct {
	Name   string
	Text   string
	Href   string
	Absent string // why it cannot be chosen; empty: it can
}

// Form creates or changes a channel.
type Form struct {
	component.Form
	Title     string
	Guide     []string // how to get what the form asks for
	Name      component.Field
	Addresses component.Field // without a name: the kind has none
	URL       component.Field // likewise
	Key       component.Field // likewise
	Severity  component.Field
	Topics    []component.Field
	TopicsBad string // what is wrong with the topics
}

// Detail is the page of one channel.
type Detail struct {
	Row        Row
	TestHref   string // empty: may not be tested
	CSRF       string
	Form       *Form // nil: may not be changed
	Deliveries alertui.Deliveries
}

// Created shows a signing secret, once.
type Created struct {
	Name   string
	Href   string
	Secret string
}
