package state

import (
	"time"

	"tollgate.dev/dataplane/wire"
)

// Budget is a limit on spending in one period.
type Budget struct {
	ID        wire.ID
	Name      string
	Scope     wire.Scope
	Soft      bool  // never refuses
	LimitPico int64 // shown in refusals; the ledger decides
	Period    wire.Period
	Zone      *time.Location
	Selector  Selector // which calls of a key it holds, and by which subject it counts them
}

func (c *compiler) budget(in *wire.Budget) {
	out := &Budget{
		ID: c.id("id", in.GetId()), Name: c.text("name", in.GetName()), Scope: in.GetScope(), Soft: in.GetSoft(),
		LimitPico: in.GetLimitPico(), Period: in.GetPeriod(), Zone: c.zone(in.GetTimeZone()),
	}
	if out.LimitPico < 0 {
		c.fail("limit_pico", "a limit must not be negative")
	}
	if out.Period < wire.Period_PERIOD_DAY || out.Period > wire.Period_PERIOD_TOTAL {
		c.fail("period", "the period %d is not known here", in.GetPeriod())
	}
	var where scope
	where, out.Selector = c.selector(in.GetScope(), in.GetScopeId(), in.GetScopeValue())
	c.unique("id", "budget "+string(out.ID[:]))
	c.base.budgets[where] = append(c.base.budgets[where], out)
	c.base.budgetByID[out.ID] = out
}

func (c *compiler) zone(name string) *time.Location {
	if found := c.zones[name]; found != nil {
		return found
	}
	if name == "" || name == "Local" {
		c.fail("time_zone", "an IANA time zone is needed")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		c.fail("time_zone", "the time zone %q is not known", name)
	}
	c.zones[name] = zone
	return zone
}

func (b *base) budgetsFor(key *Key) []*Budget {
	return gather(b.budgets, b.sharedBudgets, key, func(x *Budget) wire.ID { return x.ID })
}
