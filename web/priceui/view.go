// Package priceui draws the price catalog and what an organization pays instead.
// It refuses to compute a price.
package priceui

import "tollgate.dev/web/component"

// List is the page of the catalog, or of what a search found in it.
type List struct {
	Rows   []Row
	Search component.Field
	Clear  string // empty: nothing to clear
	Count  string // "120 prices", or that there are more than are shown
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
