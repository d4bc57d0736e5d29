// Package reprice corrects history: it prices usage of the past again at what the books now say was the price at its time.
// It refuses to change an event: what an event costs since is a row of its own, and sums and accounts move with it in one transaction.
package reprice

import (
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/dataplane/wire"
)

// Input chooses usage.
type Input struct {
	Catalog string    `json:"catalog"` // empty: every provider's
	Model   string    `json:"model"`   // as called; empty: every one
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`  // not included; zero: now
	Reason  string    `json:"reason"` // kept with the correction
}

// Totals are what was looked at and what it changes.
type Totals struct {
	Seen    int64        `json:"seen"`
	Changed int64        `json:"changed"`
	LeftOut int64        `json:"left_out"`    // calls whose cost cannot be told again from what is kept
	Before  money.Amount `json:"before_pico"` // of those that change
	After   money.Amount `json:"after_pico"`
}

// Reprice is one run of the job.
type Reprice struct {
	ID ident.Reprice `json:"id"`
	Input
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	Totals
	ReachedAt time.Time  `json:"reached_at"` // usage before it has been looked at
	DoneAt    *time.Time `json:"done_at"`    // none: it is under way
}

// Preview is what a run would change, had it run just now.
type Preview struct {
	Totals
	Whole bool `json:"whole"` // everything was looked at; else there is too much for a preview, and these are the totals of a part
}

// clean fills in what was left empty and says what is wrong.
func (in Input) clean(now time.Time, dry bool) (Input, error) {
	var wrong fault.Fields
	in.Catalog, in.Model, in.Reason = strings.TrimSpace(in.Catalog), strings.TrimSpace(in.Model), strings.TrimSpace(in.Reason)
	if in.Until.IsZero() || in.Until.After(now) {
		in.Until = now
	}
	in.From, in.Until = in.From.UTC(), in.Until.UTC()
	if in.From.IsZero() || !in.From.Before(in.Until) {
		wrong.Add("from", "choose a beginning before the end, and not in the future")
	}
	if !dry {
		in.Reason = input.Name(&wrong, "reason", in.Reason, reasonMax)
	}
	return in, wrong.Err()
}

const reasonMax = 500

// kept is a usage event with what it costs in the books now.
type kept struct {
	id       ident.Event
	started  time.Time
	catalog  string
	model    string // as called
	used     wire.Tokens
	cost     int64
	saved    int64
	price    ident.Price
	discount ident.Price
	charged  bool             // the accounts are known that it was charged to
	event    *wire.UsageEvent // as it was taken in
}

// correction is what an event costs from now on.
type correction struct {
	kept
	after, afterSaved       int64
	afterPrice, afterCutOff ident.Price
}

// book is the prices that a job goes by.
type book struct {
	catalog   *wire.Tariffs
	own       *wire.Tariffs
	schedules map[[2]string]wire.Schedule
	former    map[ident.Price]*wire.Tariff // by id: rows that events were charged at
	cutOffs   map[ident.Price]uint32       // discounts by id
}

// newBook arranges prices as edges do.
func newBook(list []price.Price, own []price.Own) (*book, error) {
	b := &book{
		catalog: wire.NewTariffs(), own: wire.NewTariffs(), schedules: map[[2]string]wire.Schedule{},
		former: map[ident.Price]*wire.Tariff{}, cutOffs: map[ident.Price]uint32{},
	}
	for _, each := range list {
		if err := b.catalog.Add(each.Wire()); err != nil {
			return nil, err
		}
	}
	for _, each := range own {
		if err := b.learn(each.Wire(), each.ID); err != nil {
			return nil, err
		}
		if each.Kind == price.Discount {
			b.cutOffs[each.ID] = uint32(max(each.DiscountPerMille, 0))
		}
		if each.EndedAt != nil && !each.EndedAt.After(each.EffectiveAt) {
			continue // taken back
		}
		if err := b.own.Add(each.Wire()); err != nil {
			return nil, err
		}
	}
	if err := b.catalog.Arrange(); err != nil {
		return nil, err
	}
	return b, b.own.Arrange()
}

// learn notes a row that events name.
func (b *book) learn(row *wire.Price, id ident.Price) error {
	tariff, err := wire.NewTariff(row)
	b.former[id] = tariff
	return err
}

// at returns the price of a model at a time, or nil.
func (b *book) at(catalog, model string, at time.Time) *wire.Tariff {
	name := [2]string{catalog, model}
	schedule, known := b.schedules[name]
	if !known {
		schedule = b.own.Schedule(b.catalog, catalog, model)
		b.schedules[name] = schedule
	}
	return schedule.At(at)
}

// explains says whether an event's cost follows from its tokens and its price, so that it can be told anew.
func (b *book) explains(e *kept) bool {
	row := b.former[e.price]
	if row == nil {
		return false
	}
	if !e.discount.IsZero() {
		row = row.Discounted(b.cutOffs[e.discount], wire.ID{})
	}
	return row.Cost(&e.used) == e.cost
}

// judge says what an event costs at today's books: nothing to correct, a correction, or that it cannot be told.
func (b *book) judge(e *kept) (fix *correction, leftOut bool) {
	nothing := e.used.AllInput() == 0 && e.used.Output == 0 && !e.used.Reported
	if nothing && e.cost == 0 {
		return nil, false
	}
	now := b.at(e.catalog, e.model, e.started)
	if now == nil || !b.explains(e) {
		return nil, true
	}
	row := now.Row(&e.used)
	made := &correction{
		kept: *e, after: now.Cost(&e.used), afterSaved: now.Saved(&e.used),
		afterPrice: ident.Price{UUID: [16]byte(row.ID)}, afterCutOff: ident.Price{UUID: [16]byte(row.DiscountID)},
	}
	if made.after == e.cost && made.afterSaved == e.saved && now.Ceiling == b.former[e.price].Ceiling {
		return nil, false
	}
	if !e.charged {
		return nil, true
	}
	return made, false
}

// add counts an event that was judged.
func (t *Totals) add(fix *correction, leftOut bool) {
	t.Seen++
	if leftOut {
		t.LeftOut++
	}
	if fix != nil && (fix.after != fix.cost) {
		t.Changed++
		t.Before = t.Before.Add(money.FromPico(fix.cost))
		t.After = t.After.Add(money.FromPico(fix.after))
	}
}
