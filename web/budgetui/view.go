// Package budgetui draws budgets, how far they are spent and where that leads.
// It refuses to compute money: every amount arrives as text.
package budgetui

import (
	"strings"

	"tollgate.dev/web/component"
	"tollgate.dev/web/usageui"
)

// List is the page of all budgets.
type List struct {
	Rows   []Row
	MayAdd bool
	Sifted component.Sifted
}

// Row is one budget with the account of its current period.
type Row struct {
	ID          string
	Name        string
	Href        string
	Scope       string
	Mode        component.Badge
	Period      string
	Limit       string // in force
	Raised      string // by how much; empty: not
	RaisedUntil component.Moment
	Spent       string
	Leased      string
	InDoubt     string // empty: nothing
	Overrun     string // empty: nothing
	Left        string
	Used        string // "62%"
	Bar         component.Bar
	Resets      component.Moment // zero: never
	Outlook     Outlook
	Each        Each
}

// Each is what a budget shows whose values have an account of their own; the zero Each: it has one account.
type Each struct {
	Count  string // "5,012 end users"
	UsedUp string // "3 used up"; empty: none
	Top    []Account
}

// Outlook is where spending leads.
type Outlook struct {
	Text string           // "runs out"
	At   component.Moment // zero: no moment
	Note string           // how it was reckoned
	Tone component.Tone   // Plain: nothing to worry about
}

// Account is one account of a budget with several.
type Account struct {
	Subject string
	Spent   string
	Leased  string
	InDoubt string
	Left    string
	Used    string
	Bar     component.Bar
}

// Form creates a budget.
type Form struct {
	component.Form
	Title      string
	Name       component.Field
	Target     component.Field // what it applies to
	ScopeValue component.Field // which model, end user or label
	Limit      component.Field
	Period     component.Field
	TimeZone   component.Field
	Mode       component.Field
	Alerts
}

// Alerts are the fields that say when somebody is told.
type Alerts struct {
	Percents component.Field
	Forecast component.Field
}

// Change gives a budget other terms.
type Change struct {
	component.Form
	Row   Row
	Name  component.Field
	Limit component.Field
	Mode  component.Field
	Alerts
}

// ReleaseForm takes money out of doubt.
type ReleaseForm struct {
	component.Form
	Name    string
	InDoubt string
	As      component.Field
	Reason  component.Field
}

// RaiseForm raises a budget's limit for a while.
type RaiseForm struct {
	component.Form
	Row    Row
	Amount component.Field
	Starts component.Field
	Ends   component.Field
	Reason component.Field
}

// Detail is one budget with everything behind it.
type Detail struct {
	Row
	MayChange   bool
	Archived    component.Moment // zero: it is not
	EditHref    string
	RaiseHref   string
	ReleaseHref string // empty: may not
	ArchiveHref string
	Parts       []Part
	Why         string // why it is over the limit; empty: it is not
	AtLimit     string // what happens there
	Alerts      string
	Chart       component.Chart // no columns: nothing to draw
	ChartNote   string
	Table       []Line    // the chart's figures
	Takers      *Takers   // nil: the accounts say it
	Accounts    *Accounts // nil: it has one account
	Holders     []Holder
	Doubts      usageui.List
	DoubtsPager component.Pager
	Past        []Past
	Raises      []Raise
	History     []Event
	MayAudit    bool
}

// Past is a period that is over.
type Past struct {
	Period   string
	Spent    string
	InDoubt  string // empty: nothing is
	Accounts string // empty: it has one account
}

// Part is one piece of a budget's bar, with what it means.
type Part struct {
	Name   string
	Fill   string // as of component.BarPart; empty: no color
	Amount string
	Text   string
}

// Line is one column of the chart.
type Line struct {
	At     component.Moment
	Amount string
}

// Takers are who took the most.
type Takers struct {
	By     string // "Agent"
	Groups []Choice
	Rows   []Taker
	Rest   string // what all the others took; empty: there are none
	Total  string
	Empty  string // what to say when nobody took anything
}

// Choice is one way to group.
type Choice struct {
	Label   string
	Href    string
	Current bool
}

// Taker is one agent, key, end user or model, and what it took.
type Taker struct {
	Name  string
	Calls string
	Cost  string
	Share string
	Bar   component.Bar
}

// Accounts are some accounts of a budget with several, the most spent first.
type Accounts struct {
	Title  string // "End users"
	Of     string // "end user"
	Rows   []Account
	Search component.Field
	Found  bool // a search is on
	Limit  string
	First  string // where the first page is; empty: here
	Next   string // empty: there is no more
	Page   string // where the search leads
}

// Holder is an edge with money of the budget in its hands.
type Holder struct {
	Edge   string
	Amount string
	At     component.Moment
}

// Raise is one raise of the limit.
type Raise struct {
	Amount  string
	Reason  string
	State   component.Badge
	Starts  component.Moment
	Ends    component.Moment
	By      string
	EndHref string // empty: it cannot be ended
}

// Event is one change of the budget.
type Event struct {
	At   component.Moment
	Who  string
	Text string
}

func eachText(row Row) string {
	if row.Each.Count == "" {
		return ""
	}
	return " of each account"
}

func capital(words string) string { return strings.ToUpper(words[:1]) + words[1:] }

func article(noun string) string {
	if noun == "end user" {
		return "an " + noun
	}
	return "a " + noun
}
