// Package priceui draws the price catalog and what an organization pays instead.
// It refuses to compute a price.
package priceui

import "tollgate.dev/web/component"

// List is the page of the catalog, or of what a search found in it.
type List struct {
	Rows     []Row
	Search   component.Field
	Clear    string // empty: nothing to clear
	Count    string // "120 prices"
	Download string // the file of what was found
	component.Paging
}

// Row is what one model costs from a date on. Prices are per million tokens.
type Row struct {
	ID          string
	Model       string
	Catalog     string
	Tier        string // for requests of which size; empty: of any, or the smallest
	Request     string // for each answered request; empty: nothing
	Input       string
	AudioInput  string // empty: as other input
	CachedInput string
	CacheWrite  string
	HourWrite   string // kept for an hour; empty: as for minutes
	Output      string
	AudioOutput string // empty: as other output
	Reasoning   string
	Context     string // most tokens in; empty: unknown
	Longest     string // most tokens out; empty: unknown
	From        component.Moment
	State       component.Badge // zero Text: in force
}

// OwnList is what the organization pays instead of the catalog's prices.
type OwnList struct {
	Rows   []OwnRow
	MayAdd bool
}

// OwnRow is one price of the organization's own. Prices are per million tokens.
type OwnRow struct {
	ID          string
	Model       string
	Catalog     string
	Discount    string // percents off the list; empty: it has prices
	Input       string
	ListInput   string // empty: the catalog has none
	CachedInput string
	Output      string
	ListOutput  string
	From        component.Moment
	Until       component.Moment // zero: no end
	Note        string
	By          string
	State       component.Badge
	EndHref     string // empty: it cannot be ended
}

// OwnForm adds a price of the organization's own.
type OwnForm struct {
	component.Form

	Kind     component.Field
	Catalog  component.Field
	Model    component.Field
	Discount component.Field
	Amounts  []component.Field
	From     component.Field
	Note     component.Field
}

// Unknown is what happens to models that have no price.
type Unknown struct {
	component.Form

	Policy    component.Field
	Amounts   []component.Field
	MayChange bool
	Count     string
	Models    []UnpricedModel
}

// UnpricedModel is a model of a route that has no price.
type UnpricedModel struct {
	Name     string
	Provider string
	Href     string // where its price is added; empty: by somebody else
}

// Import takes a table of the organization's own prices.
type Import struct {
	CSRF    string
	File    component.Field
	Columns string
	Wrong   []Wrong
	Tried   bool // the table was read: Changes are what it would change
	Summary string
	Changes []ChangeRow
	More    string // how many changes are not shown; empty: none
	Table   string // what was read, to be applied
	Apply   bool   // there is something to apply
}

// Wrong is a mistake in a table.
type Wrong struct{ Where, Message string }

// ChangeRow is one price that a table adds or changes; Was is what it said before.
type ChangeRow struct {
	Line  string
	State component.Badge
	Model string
	About string
	Was   string
	Says  string
	From  component.Moment
}

// RepriceList is the re-price jobs, newest first.
type RepriceList struct {
	Rows     []RepriceRow
	MayStart bool
	Running  bool
}

// RepriceRow is one job.
type RepriceRow struct {
	ID         string
	Reason     string
	What       string
	From       component.Moment
	Until      component.Moment
	State      component.Badge
	Seen       string
	Changed    string
	LeftOut    string // empty: none
	Before     string
	After      string
	Difference string
	By         string
	Created    component.Moment
	Audit      string // empty: not for this viewer
}

// RepriceForm chooses usage to be priced again; with a preview it can be started.
type RepriceForm struct {
	component.Form

	Catalog component.Field
	Model   component.Field
	From    component.Field
	Until   component.Field
	Reason  component.Field
	Preview *RepricePreview
}

// RepricePreview is what a job would change.
type RepricePreview struct {
	Figures []component.Stat
	Notes   []string
	Chosen  []component.Field // what was chosen, to be started as it is
	Start   bool              // there is something to change
}
