// Package component draws the parts that pages are made of: fields, badges, tables' frames, empty states, charts.
// It refuses to know any noun, to fetch anything and to decide who may do what.
package component

import (
	"strconv"
	"time"
)

// Tone says what a badge or notice means.
type Tone string

// The tones.
const (
	Plain Tone = "plain"
	OK    Tone = "ok"
	Warn  Tone = "warn"
	Bad   Tone = "bad"
	Info  Tone = "info"
)

// Badge is a short state with its tone.
type Badge struct {
	Text string
	Tone Tone
}

// Option is one choice of a select or a group of radio buttons.
type Option struct {
	Value string
	Label string
	Group string // of a select: options one after the other with the same one stand together under it
	Help  string // radio cards show it below the label
}

// Field is one input of a form with its message. The zero Kind is a text input.
type Field struct {
	Name         string // as submitted
	ID           string // empty: "field-" and the name
	Label        string
	Kind         string // text, email, password, number, datetime-local
	Value        string
	Help         string
	Error        string
	Placeholder  string
	Autocomplete string
	InputMode    string
	Prefix       string
	Suffix       string
	Rows         int // of a text area
	Optional     bool
	Autofocus    bool
	Mono         bool
	Disabled     bool
	Checked      bool
	Options      []Option
}

func (f Field) id() string {
	if f.ID != "" {
		return f.ID
	}
	return "field-" + f.Name
}

func (f Field) kind() string {
	if f.Kind == "" {
		return "text"
	}
	return f.Kind
}

func (f Field) rows() string { return strconv.Itoa(max(f.Rows, 3)) }

// describedBy names the elements that explain the field, the message first.
func (f Field) describedBy() string {
	switch {
	case f.Error != "" && f.Help != "":
		return f.id() + "-error " + f.id() + "-help"
	case f.Error != "":
		return f.id() + "-error"
	case f.Help != "":
		return f.id() + "-help"
	default:
		return ""
	}
}

// group is some options of a select that stand together.
type group struct {
	name    string
	options []Option
}

func (f Field) groups() []group {
	var groups []group
	for _, option := range f.Options {
		if n := len(groups); n > 0 && groups[n-1].name == option.Group {
			groups[n-1].options = append(groups[n-1].options, option)
			continue
		}
		groups = append(groups, group{option.Group, []Option{option}})
	}
	return groups
}

// Form is what every form needs beside its fields.
type Form struct {
	ID      string // also its data-testid
	Action  string
	CSRF    string
	Submit  string // text of the button
	Cancel  string // where "Cancel" leads; empty: no such link
	Message string // what is wrong with the whole
}

// Confirm asks before something that cannot be taken back.
type Confirm struct {
	ID     string
	Title  string
	Text   string
	Submit string
	Action string
	Cancel string
	CSRF   string
	Page   bool // it stands on a page of its own
}

// Link is a place to go.
type Link struct {
	Label string
	Href  string
}

// Moment is an instant, written in UTC and shown in the viewer's zone by the browser.
type Moment struct {
	ISO  string
	Text string
	Show string // "ago", "moment", "minute", "day", "day-short", "clock"
}

// IsZero says whether there is no instant.
func (m Moment) IsZero() bool { return m.ISO == "" }

var layouts = map[string]string{
	"ago": "2 Jan 2006, 15:04 UTC", "moment": "2 Jan, 15:04:05 UTC", "minute": "2 Jan 2006, 15:04 UTC",
	"day": "2 Jan 2006", "day-short": "2 Jan", "clock": "15:04",
}

// At returns the moment of t in one of the forms that Moment.Show names; the zero time gives the zero Moment.
func At(t time.Time, show string) Moment {
	if t.IsZero() {
		return Moment{}
	}
	t = t.UTC()
	return Moment{ISO: t.Format("2006-01-02T15:04:05.000Z"), Text: t.Format(layouts[show]), Show: show}
}

// AtPointer is At for an instant that may be absent.
func AtPointer(t *time.Time, show string) Moment {
	if t == nil {
		return Moment{}
	}
	return At(*t, show)
}

// Stat is one figure with its name.
type Stat struct {
	Label  string
	Value  string
	Note   string
	Spark  []int // per mille of the highest; the last one is now
	TestID string
}

// Bar is a horizontal bar. Parts are per mille of the whole, drawn one after the other.
type Bar struct {
	Label string // read aloud
	Parts []BarPart
}

// BarPart is one piece of a Bar; Fill is "ok", "warn", "bad", "plain" or "lease".
type BarPart struct {
	PerMille int
	Fill     string
}

func (b Bar) offset(index int) int {
	sum := 0
	for _, part := range b.Parts[:index] {
		sum += part.PerMille
	}
	return sum
}

// Chart is a stacked column chart over time. Heights are per mille of the axis's top.
type Chart struct {
	Title   string
	Unit    string   // "hour" or "day"
	Axis    []string // labels from the top to zero
	Series  []Series
	Columns []Column
	Hours   []Moment // labels under the columns, evenly spread
	Pace    int      // per mille of the axis's top: a line across; 0: none
}

// Series is one group of a chart; Color is 1 to 8.
type Series struct {
	Name  string
	Color int
	Total string
	Share string
}

// Column is one hour or day of a chart.
type Column struct {
	Start Moment
	Total string
	Parts []ColumnPart // from the bottom
}

// ColumnPart is one piece of a Column.
type ColumnPart struct {
	Name     string
	Cost     string
	PerMille int
	Color    int
}

func seriesClass(color int) string { return "series-" + strconv.Itoa(min(max(color, 1), 8)) }

// percent writes thousandths of a whole as a percentage for an SVG attribute, exactly.
func percent(perMille int) string {
	text := strconv.Itoa(perMille / 10)
	if rest := perMille % 10; rest != 0 {
		text += "." + strconv.Itoa(rest)
	}
	return text + "%"
}

// share writes index/count as a percentage with three decimals, for positions of columns.
func share(index, count int) string {
	scaled := index * 100_000 / max(count, 1)
	fraction := strconv.Itoa(scaled%1000 + 1000)[1:]
	return strconv.Itoa(scaled/1000) + "." + fraction + "%"
}

func (c Chart) narrow(index, count int) string { return share(index*8+1, count*8) }
func (c Chart) wide(count int) string          { return share(6, count*8) }

// top returns where the piece with that index begins, from the top. A full column is too high for pieces so small that they are drawn larger.
func (c Column) top(index int) int {
	sum := 0
	for _, part := range c.Parts[:index+1] {
		sum += part.PerMille
	}
	return max(1000-sum, 0)
}

// Pager leads to older and newer entries.
type Pager struct {
	Older string
	First string // empty on the first page
}

// Paging leads through a long list; the zero Paging is one page.
type Paging struct {
	Shown    string // "51–100 of 302"
	Previous string // empty: this is the first
	Next     string // empty: this is the last
}

// Sifted is what of a list is shown: what was searched for, and of that one page.
type Sifted struct {
	Path   string // of the list
	Search Field  // its Name is empty where there are few
	Count  string // "3 of 53"; empty: nothing was searched for
	Paging
}
