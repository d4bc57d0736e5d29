// Package layout draws the frame that every page stands in: navigation, organization, theme, messages.
// It refuses to know what a page is about.
package layout

import (
	"strings"

	"tollgate.dev/web/component"
)

// Page is everything around a page's content.
type Page struct {
	Title  string
	Crumbs []component.Link // what lies above this page
	Static string           // prefix of this build's static files
	Theme  string           // "light", "dark" or "" for the system's
	CSRF   string
	Path   string // of this page, for coming back after a change of theme
	Person Person
	Org    Org
	Orgs   []Org
	Nav    []Group
	Flash  []Flash
	Live   bool // the page has live parts
}

// Person is who is signed in.
type Person struct {
	Name     string
	Initials string
	Role     string
}

// Org is one organization that the person may work in.
type Org struct {
	ID       string
	Name     string
	Initials string
	Current  bool
}

// Group is a part of the navigation.
type Group struct {
	Title string
	Items []Item
}

// Item is one page of the navigation.
type Item struct {
	Label   string
	Href    string
	Icon    string
	Count   string // of what waits there; empty: nothing
	CountOf string // "open"
	Current bool
}

// Flash is a message about what was just done.
type Flash struct {
	Tone component.Tone
	Text string
}

// htmxConfig keeps htmx inside the content security policy and lets it show refused forms.
const htmxConfig = `{"includeIndicatorStyles":false,"allowEval":false,"attributesToSettle":["class"],"selfRequestsOnly":true,"historyCacheSize":0,"refreshOnHistoryMiss":true,` +
	`"responseHandling":[{"code":"204","swap":false},{"code":"[23]..","swap":true},{"code":"422","swap":true},{"code":"[45]..","swap":true,"error":true,"target":"#problem"}]}`

func (p Page) headers() string  { return `{"X-CSRF-Token":"` + p.CSRF + `"}` }
func words(label string) string { return strings.ToLower(label) }
