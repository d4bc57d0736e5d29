// Package routeui draws routes, the editor of their trees and what they were.
// It refuses to fetch them and to decide who may change them.
package routeui

import (
	"strconv"

	"tollgate.dev/web/component"
)

// List is the page of the routes.
type List struct {
	Rows        []Row
	Sifted      component.Sifted
	MayAdd      bool
	HasProvider bool // a route needs one
}

// Row is one route.
type Row struct {
	ID          string
	Name        string
	Aliases     string // other names, with commas; empty: none
	Href        string // empty: may not be changed
	ArchiveHref string
	Workspace   string
	Strategy    string
	Targets     []Target
	Stops       []Stop
}

// Stop is a canary of the version in force that an edge has stopped.
type Stop struct {
	Edge  string
	Group string // empty: the route itself
	Why   string
	Since component.Moment
}

// Target is one place that a route leads to, or a group of them.
type Target struct {
	Group    string // the name of a group; empty: a target
	Strategy string // of a group, in words
	When     string // its condition; empty: none
	Provider string
	Model    string
	Share    string // of a weighted route, e.g. "75%"; else empty
	Held     string // by which edges calls are held back, "held back at edge-1"; empty: by none
	Price    string // what happens to its calls, since it has no price; empty: it has one
	Targets  []Target
}

// Form creates or changes a route.
type Form struct {
	component.Form
	Title     string
	Version   string           // that is changed
	Links     []component.Link // to the other pages of the route
	Name      component.Field
	Workspace component.Field
	Aliases   component.Field
	TimeZone  component.Field
	Strategy  component.Field
	Special   Special
	Nodes     []Node
	Error     string // of the targets as a whole
	Variables []Variable
	Reliable  Reliability
	Cache     Cache
	Mirror    Mirror
	Stops     []Stop
	// ResumeHref has stopped canaries tried anew.
	ResumeHref string
	PurgeHref  string // forgets what is kept; empty: nothing is
}

// Special are the fields that only some strategies have; which are seen, the style sheet decides by what is chosen.
type Special struct {
	Sticky    component.Field
	Share     component.Field
	Calls     component.Field
	Errors    component.Field
	Slower    component.Field
	Condition bool // a message stands at one of them
}

// Node is a target or a group in the editor.
type Node struct {
	Path     string // "0.2": the third node of the first group
	Label    string // for screen readers
	Depth    string
	IsGroup  bool
	MayNest  bool // a group may be added below
	First    bool
	Name     component.Field // of a group
	Strategy component.Field // of a group
	Special  Special         // of a group
	Nodes    []Node          // of a group
	Error    string          // of a group's targets
	Provider component.Field // of a target
	Model    component.Field // of a target
	Fields   component.Field // of a target: what it sets in the request
	Weight   component.Field
	When     component.Field
}

// Variable is a name that conditions may use.
type Variable struct{ Name, Type, Help string }

// Text is the route as text, for reading and for changing.
type Text struct {
	component.Form
	Title   string
	Version string // that is changed
	Links   []component.Link
	Text    component.Field
}

// Versions is what a route was saved as.
type Versions struct {
	Title string
	Links []component.Link
	Rows  []Version
	Older string // the page after this one; empty: there is none
}

// Version is one save.
type Version struct {
	Number      string
	When        component.Moment
	Who         string
	What        string // e.g. "brought back version 3"
	Now         bool
	CallsHref   string // empty: may not
	RestoreHref string // empty: may not
	Changes     []Change
}

// Change is a line that only one of two versions has.
type Change struct {
	Added bool
	Line  string
}

func number(index int) string { return strconv.Itoa(index + 1) }
