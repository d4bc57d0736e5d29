// Package usageui draws single calls: what was asked, who answered, what it cost and why.
// It refuses to show prompts or answers; they are not kept.
package usageui

import "tollgate.dev/web/component"

// Page is the list of calls with its filters.
type Page struct {
	Filters []component.Field
	Kept    []component.Option // filters that have no field, by name
	Only    []string           // what those let through
	Clear   string             // where the filters are taken off; empty: none is set
	Live    string             // where the list listens; empty: not the newest page
	List    List
	Pager   component.Pager
}

// List is some calls, newest first.
type List struct {
	Rows      []Row
	Filters   bool // the list is filtered
	OneCaller bool // who it is stands beside the list
}

// Row is one attempt or refusal.
type Row struct {
	ID       string
	Href     string
	At       component.Moment
	Agent    string
	Key      string
	Model    string // as asked
	Answered string // provider and model that answered, or empty
	Outcome  component.Badge
	Why      string // code and rule of a refusal
	Tokens   string
	Cost     string
	Duration string
}

// Detail is one call down to tokens and price.
type Detail struct {
	Row
	Message   string // what happened, in words
	Caller    []Fact
	Answer    []Fact
	Timing    []Fact
	Lines     []Line // the bill
	Total     string
	Reserved  string
	Estimated bool
	Doubt     bool
	Waste     bool
	Attempts  []Row // of the same request, this one included
	Labels    []Fact
	Priced    []Fact
	Ceiling   bool   // the model had no price
	Corrected string // what a re-price job did; empty: nothing
}

// Fact is one line of a detail.
type Fact struct {
	Name string
	Text string
	Href string           // empty: no link
	At   component.Moment // in the place of Text
	Mono bool
}

// Line is tokens of one class with their price.
type Line struct {
	Class  string
	Tokens string
	Price  string // per million tokens
	Cost   string
}

func (d Detail) tone() component.Tone {
	if d.Outcome.Tone == component.Bad || d.Outcome.Tone == component.Warn {
		return component.Warn
	}
	return component.Info
}

// Run is one run with its calls.
type Run struct {
	ID      string
	First   component.Moment
	Figures []component.Stat
	Notes   []string // what in the sums is not certain
	Facts   []Fact
	Calls   List
	Missing int // calls that are not shown
}
