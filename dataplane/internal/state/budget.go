package state

import (
	"bytes"
	"slices"
	"time"

	"tollgate.dev/dataplane/wire"
)

// Budget is a limit on spending in one period.
type Budget struct {
	ID        wire.ID
	Name      string
	Soft      bool  // never refuses
	LimitPico int64 // shown in refusals; the ledger decides
	Period    wire.Period
	Zone      *time.Location
}

// scope says to which keys something applies.
type scope struct {
	kind wire.Scope
	id   wire.ID
}

func (c *compiler) budget(in *wire.Budget) {
	out := &Budget{
		ID: c.id("id", in.GetId()), Name: c.text("name", in.GetName()), Soft: in.GetSoft(),
		LimitPico: in.GetLimitPico(), Period: in.GetPeriod(), Zone: c.zone(in.GetTimeZone()),
	}
	if out.LimitPico < 0 {
		c.fail("limit_pico", "a limit must not be negative")
	}
	if out.Period < wire.Period_PERIOD_DAY || out.Period > wire.Period_PERIOD_TOTAL {
		c.fail("period", "the period %d is not known here", in.GetPeriod())
	}
	where := c.scope(in.GetScope(), in.GetScopeId())
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

func (c *compiler) scope(kind wire.Scope, raw []byte) scope {
	id := c.optionalID("scope_id", raw)
	switch kind {
	case wire.Scope_SCOPE_ORG:
		if !id.IsZero() {
			c.fail("scope_id", "the scope of an organization has no id")
		}
	case wire.Scope_SCOPE_WORKSPACE, wire.Scope_SCOPE_VIRTUAL_KEY, wire.Scope_SCOPE_AGENT:
		if id.IsZero() {
			c.fail("scope_id", "the scope's id is missing")
		}
	default:
		c.fail("scope", "the scope %d is not known here", kind)
	}
	return scope{kind, id}
}

// scopesOf returns every scope that holds the key.
func scopesOf(key *Key) [4]scope {
	return [4]scope{
		{wire.Scope_SCOPE_ORG, wire.ID{}},
		{wire.Scope_SCOPE_WORKSPACE, key.WorkspaceID},
		{wire.Scope_SCOPE_AGENT, key.AgentID},
		{wire.Scope_SCOPE_VIRTUAL_KEY, key.ID},
	}
}

// holder is the place of a key without the key itself: keys in the same place share their lists.
type holder struct{ workspace, agent wire.ID }

func (b *base) budgetsFor(key *Key) []*Budget {
	return gather(b.budgets, b.sharedBudgets, key, func(x *Budget) wire.ID { return x.ID })
}

func (b *base) guardrailsFor(key *Key) []*Guardrail {
	return gather(b.guardrails, b.sharedGuardrails, key, func(x *Guardrail) wire.ID { return x.ID })
}

// gather collects what applies to the key, by id. The list without the key's own is made once per place and shared.
func gather[T any](all map[scope][]T, shared map[holder][]T, key *Key, id func(T) wire.ID) []T {
	scopes := scopesOf(key)
	collect := func(scopes []scope) []T {
		var list []T
		for _, where := range scopes {
			if !where.id.IsZero() || where.kind == wire.Scope_SCOPE_ORG {
				list = append(list, all[where]...)
			}
		}
		slices.SortFunc(list, func(a, b T) int {
			left, right := id(a), id(b)
			return bytes.Compare(left[:], right[:])
		})
		return list
	}
	if len(all[scopes[3]]) > 0 {
		return collect(scopes[:])
	}
	place := holder{key.WorkspaceID, key.AgentID}
	list, ok := shared[place]
	if !ok {
		list = collect(scopes[:3])
		shared[place] = list
	}
	return list
}
