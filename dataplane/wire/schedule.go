package wire

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schedule is what one model costs over time: each span holds from its beginning to the next one's.
type Schedule []Span

// Span is a part of a schedule. A nil Tariff says that no price is known.
type Span struct {
	From   time.Time
	Tariff *Tariff
}

// At returns what is charged at a time, or nil when no price is known.
func (s Schedule) At(at time.Time) *Tariff {
	for i := len(s) - 1; i >= 0; i-- {
		if !s[i].From.After(at) {
			return s[i].Tariff
		}
	}
	return nil
}

type modelName struct{ catalog, model string }

// Tariffs are dated prices of many models: the catalog, or what an organization pays instead.
type Tariffs struct {
	byModel   map[modelName][]*Tariff // first rows, newest first
	discounts map[modelName][]discount
	ceilings  []*Tariff
}

type discount struct {
	Tariff
	perMille uint32
}

// NewTariffs returns empty prices.
func NewTariffs() *Tariffs {
	return &Tariffs{byModel: map[modelName][]*Tariff{}, discounts: map[modelName][]discount{}}
}

// Add takes one price in. Call Arrange after the last one.
func (t *Tariffs) Add(in *Price) error {
	row, err := NewTariff(in)
	if err != nil {
		return err
	}
	name := modelName{in.GetCatalog(), in.GetModel()}
	switch in.GetKind() {
	case PriceKind_PRICE_KIND_DISCOUNT:
		t.discounts[name] = append(t.discounts[name], discount{*row, in.GetDiscountPerMille()})
	case PriceKind_PRICE_KIND_CEILING:
		t.ceilings = append(t.ceilings, row)
	default:
		t.byModel[name] = append(t.byModel[name], row)
	}
	return nil
}

// Arrange puts everything in order: the newest first, tiers and services behind the row that they belong to.
func (t *Tariffs) Arrange() error {
	for name, rows := range t.byModel {
		slices.SortFunc(rows, func(a, b *Tariff) int {
			return cmp.Or(b.effective.Compare(a.effective), b.until.Compare(a.until), strings.Compare(a.Service, b.Service), cmp.Compare(a.AboveTokens, b.AboveTokens))
		})
		arranged := make([]*Tariff, 0, 1)
		for len(rows) > 0 {
			n := 1
			for n < len(rows) && rows[n].effective.Equal(rows[0].effective) && rows[n].until.Equal(rows[0].until) {
				n++
			}
			first, err := family(rows[:n])
			if err != nil {
				return fmt.Errorf("%s/%s: %w", name.catalog, name.model, err)
			}
			arranged, rows = append(arranged, first), rows[n:]
		}
		t.byModel[name] = arranged
	}
	for _, list := range t.discounts {
		slices.SortFunc(list, func(a, b discount) int { return b.effective.Compare(a.effective) })
	}
	slices.SortFunc(t.ceilings, func(a, b *Tariff) int { return b.effective.Compare(a.effective) })
	return nil
}

// newest returns the first of a list sorted by falling date that is in force.
func newest(list []*Tariff, at time.Time) *Tariff {
	for _, one := range list {
		if one.holds(at) {
			return one
		}
	}
	return nil
}

// at resolves one moment: the organization's own price of the model, else the catalog's less the newest discount on the model or else on
// the provider, else the ceiling.
func (t *Tariffs) at(list *Tariffs, name modelName, at time.Time) *Tariff {
	if own := newest(t.byModel[name], at); own != nil {
		return own
	}
	if list != nil {
		if found := newest(list.byModel[name], at); found != nil {
			return t.discounted(found, name, at)
		}
	}
	return newest(t.ceilings, at)
}

func (t *Tariffs) discounted(list *Tariff, name modelName, at time.Time) *Tariff {
	for _, key := range []modelName{name, {name.catalog, ""}} {
		for i := range t.discounts[key] {
			if one := &t.discounts[key][i]; one.holds(at) {
				return list.Discounted(one.perMille, one.ID)
			}
		}
	}
	return list
}

// Schedule returns what a model costs over time: own, the organization's prices, over the catalog. Either may be nil. Both planes call it,
// so that what an edge charges is what the books say.
func (t *Tariffs) Schedule(catalog *Tariffs, provider, model string) Schedule {
	own := t
	if own == nil {
		own = &Tariffs{}
	}
	name := modelName{provider, model}
	var moments []time.Time
	note := func(row *Tariff) {
		moments = append(moments, row.effective)
		if !row.until.IsZero() {
			moments = append(moments, row.until)
		}
	}
	for _, rows := range [][]*Tariff{own.byModel[name], own.ceilings} {
		for _, row := range rows {
			note(row)
		}
	}
	for _, key := range []modelName{name, {provider, ""}} {
		for i := range own.discounts[key] {
			note(&own.discounts[key][i].Tariff)
		}
	}
	if catalog != nil {
		for _, row := range catalog.byModel[name] {
			note(row)
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, time.Time.Equal)
	var schedule Schedule
	for _, from := range moments {
		schedule = append(schedule, Span{From: from, Tariff: own.at(catalog, name, from)})
	}
	return slices.Clip(schedule)
}
