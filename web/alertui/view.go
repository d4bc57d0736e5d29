// Package alertui draws alerts that are open and over, how their messages fared, and the rules that fire them.
// It refuses to judge what is an alert.
package alertui

import "tollgate.dev/web/component"

// List is the page of all alerts.
type List struct {
	Open     []Row
	Over     []Row
	Channels int  // 0: nobody is told
	MayTell  bool // may make a channel
	Pager    component.Pager
}

// Row is one alert.
type Row struct {
	ID         string
	Href       string
	Title      string
	Text       string
	Severity   component.Badge
	Rule       string
	Fired      component.Moment
	Resolved   component.Moment // zero: it is open
	Deliveries []component.Badge
}

// Detail is the page of one alert.
type Detail struct {
	Row
	About      component.Link
	Deliveries Deliveries
}

// Deliveries is a table of messages and how they fared.
type Deliveries struct {
	Rows []Delivery
	CSRF string
}

// Delivery is one message to one channel.
type Delivery struct {
	ID         string
	Channel    string
	Href       string // of the channel
	Title      string
	Event      string
	State      component.Badge
	Attempts   string
	Answer     string // "503: it has a problem of its own"
	Created    component.Moment
	Next       component.Moment // zero: there is no next attempt
	Finished   component.Moment
	ResendHref string // empty: it is still on its way, or may not be sent again
}

// Rules is the page of all rules.
type Rules struct{ Rows []Rule }

// Rule is one rule.
type Rule struct {
	Name     string
	Text     string
	Href     string // empty: may not be changed
	State    component.Badge
	Severity component.Badge
	Number   string // "10 blocked calls in an hour"; empty: it has none
}

// RuleForm changes a rule.
type RuleForm struct {
	component.Form
	Title    string
	Text     string
	Enabled  component.Field
	Severity component.Field
	Number   component.Field // without a name: it has none
}
