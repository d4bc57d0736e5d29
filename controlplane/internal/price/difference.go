package price

import (
	"strconv"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/dataplane/wire"
)

// Difference is what a table would change.
type Difference struct {
	Added     int      `json:"added"`
	Changed   int      `json:"changed"`
	Unchanged int      `json:"unchanged"`
	Changes   []Change `json:"changes"` // what is added or changed, in the order of the table
}

// Change is one row that is added, or changed where there was one before.
type Change struct {
	Line   int  `json:"line"` // of the table
	Before *Own `json:"before,omitempty"`
	After  Own  `json:"after"`
}

// compare says what the lines change of what is held; what they do not mention stays.
func compare(held []Own, lines []line) Difference {
	before := map[string]*Own{}
	for i := range held {
		if each := &held[i]; each.EndedAt == nil || each.EndedAt.After(each.EffectiveAt) {
			before[each.key()] = each
		}
	}
	found := Difference{Changes: []Change{}}
	for _, each := range lines {
		old := before[each.key()]
		switch {
		case old == nil:
			found.Added++
		case old.says() == each.says():
			found.Unchanged++
			continue
		default:
			found.Changed++
		}
		found.Changes = append(found.Changes, Change{Line: each.number, Before: old, After: each.Own})
	}
	return found
}

// says is all that a row says, for comparing.
func (o Own) says() string {
	text := string(o.Kind)
	for _, value := range record(o) {
		text += "\n" + value
	}
	return text
}

// over returns what is held after the difference.
func (d Difference) over(held []Own) []Own {
	gone := map[string]bool{}
	for _, each := range d.Changes {
		if each.Before != nil {
			gone[each.Before.ID.String()] = true
		}
	}
	var after []Own
	for _, each := range held {
		if !gone[each.ID.String()] {
			after = append(after, each)
		}
	}
	for _, each := range d.Changes {
		after = append(after, each.After)
	}
	return after
}

func compareCatalog(held, table []Price) Difference {
	var before []Own
	for _, each := range held {
		before = append(before, Own{Price: each})
	}
	var lines []line
	for i, each := range table {
		lines = append(lines, line{Own{Price: each}, i + 1})
	}
	return compare(before, lines)
}

// arranges refuses a catalog that no edge could compile.
func (d Difference) arranges(held []Price) error {
	var before []Own
	for _, each := range held {
		before = append(before, Own{Price: each})
	}
	return arranged(d.over(before))
}

// arranged refuses prices that no edge could compile: a tier or a service without the price that it belongs to.
func arranged(all []Own) error {
	table := wire.NewTariffs()
	for _, each := range all {
		if each.EndedAt != nil && !each.EndedAt.After(each.EffectiveAt) {
			continue
		}
		if err := table.Add(each.Wire()); err != nil {
			return fault.Wrap(fault.Invalid, err, "a price has no proper id")
		}
	}
	if err := table.Arrange(); err != nil {
		var wrong fault.Fields
		wrong.Add("above_tokens", "%v, of the same beginning and end", err)
		return wrong.Err()
	}
	return nil
}

// family is what tiers and services of one price have in common.
func (o Own) family() string {
	end := ""
	if o.EndedAt != nil {
		end = strconv.FormatInt(o.EndedAt.UnixMilli(), 10)
	}
	return string(o.Kind) + "\n" + o.Catalog + "\n" + o.Model + "\n" + strconv.FormatInt(o.EffectiveAt.UnixMilli(), 10) + "\n" + end
}

const briefMax = 100 // changes that an audit entry shows

// brief returns the difference with as many changes as an audit entry shows.
func (d Difference) brief() Difference {
	d.Changes = d.Changes[:min(len(d.Changes), briefMax)]
	return d
}
