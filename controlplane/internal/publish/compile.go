package publish

import (
	"time"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/ratelimit"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/dataplane/wire"
)

// source is everything of one organization that goes into its fragment, read in one snapshot of the database.
type source struct {
	organization *wire.Organization
	workspaces   []workspace.Workspace
	agents       []agent.Agent
	keys         []virtualkey.VirtualKey
	providers    []provider.Provider
	credentials  []provider.Opened
	routes       []route.Route
	budgets      []budget.Budget
	raised       map[ident.Budget]money.Amount
	guardrails   []guardrail.Guardrail
	prices       []price.Own
	rateLimits   []ratelimit.RateLimit
}

// invalid is what the lint finds. It keeps the fragment from being pushed.
type invalid struct{ path, reason string }

func (e *invalid) Error() string { return e.path + ": " + e.reason }

// items turns the nouns into the fragment's items. What belongs to an archived workspace is left out.
func (s *source) items(fleet wire.FleetKey, org ident.Org, changed time.Time) (map[string][]byte, error) {
	b := &builder{items: map[string][]byte{}}
	live := map[ident.Workspace]bool{}
	keep, charged := keptAt(changed), inForceAt(changed)
	b.add("organization", org.String(), &wire.ItemBody{Body: &wire.ItemBody_Organization{Organization: s.organization}})
	for _, each := range s.workspaces {
		live[each.ID] = true
		b.add("workspace", each.ID.String(), workspaceBody(each))
	}
	for _, each := range s.agents {
		if live[each.WorkspaceID] {
			b.add("agent", each.ID.String(), agentBody(each))
		}
	}
	for _, each := range s.keys {
		if live[each.WorkspaceID] && keep(each) {
			b.add("virtual_key", each.ID.String(), virtualKeyBody(each))
		}
	}
	for _, each := range s.providers {
		body, err := providerBody(fleet, org, each, s.credentials)
		if err != nil {
			return nil, err
		}
		b.add("provider", each.ID.String(), body)
	}
	for _, each := range s.routes {
		if each.WorkspaceID.IsZero() || live[each.WorkspaceID] {
			b.add("route", each.ID.String(), routeBody(each))
		}
	}
	for _, each := range s.budgets {
		b.add("budget", each.ID.String(), budgetBody(each, s.raised[each.ID]))
	}
	for _, each := range s.guardrails {
		b.add("guardrail", each.ID.String(), guardrailBody(each))
	}
	for _, each := range s.prices {
		if charged(each) {
			b.add("price", each.ID.String(), priceBody(each.Wire()))
		}
	}
	for _, each := range s.rateLimits {
		b.add("rate_limit", each.ID.String(), rateLimitBody(each))
	}
	return b.items, b.err
}

// builder gathers items and keeps the first error.
type builder struct {
	items map[string][]byte
	err   error
}

func (b *builder) add(noun, id string, body *wire.ItemBody) {
	raw, err := encode(body)
	if err != nil && b.err == nil {
		b.err = err
	}
	b.items[noun+"/"+id] = raw
}
