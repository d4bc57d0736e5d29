// Package priceui draws the price catalog.
// It refuses to change a price.
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
