package console

import (
	"net/url"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

const (
	mirrorProvider = "mirror.provider_id"
	mirrorModel    = "mirror.model"
	mirrorShare    = "mirror.share_per_mille"
)

// mirrorInput reads the section of the form; nil: no provider is chosen. What cannot be read is refused by the noun.
func mirrorInput(v *visit) *route.Mirror {
	provider, err := ident.Parse[ident.Provider](v.FormValue(mirrorProvider))
	if err != nil {
		return nil
	}
	return &route.Mirror{ProviderID: provider, Model: v.FormValue(mirrorModel), SharePerMille: perMilleOf(v.FormValue(mirrorShare))}
}

// mirrorFields fills the section of the form.
func mirrorFields(v *visit, in route.Input, providers []component.Option, wrong mends) routeui.Mirror {
	section := routeui.Mirror{Summary: "Off: no call is repeated elsewhere.", Label: route.MirrorLabel + "=" + in.Name}
	provider, model, share := "", "", "1"
	if m := in.Mirror; m != nil {
		section.Open, section.Summary = true, "A share of the calls is repeated elsewhere."
		provider, model, share = m.ProviderID.String(), m.Model, shareText(m.SharePerMille)
	}
	if v.posted() {
		share = v.FormValue(mirrorShare)
	}
	section.BudgetHref = "/budgets/new?" + url.Values{"scope": {"label"}, "scope_value": {section.Label}}.Encode()
	section.Provider = component.Field{Name: mirrorProvider, Label: "Provider", Value: provider, Error: wrong.of(mirrorProvider), Options: append([]component.Option{{Label: "None"}}, providers...)}
	section.Model = component.Field{Name: mirrorModel, Label: "Model", Value: model, Error: wrong.of(mirrorModel), Mono: true, Optional: true, Placeholder: "gpt-5-mini"}
	section.Share = component.Field{Name: mirrorShare, Label: "Share of the calls", Value: share, Suffix: "%", InputMode: "decimal", Error: wrong.of(mirrorShare)}
	return section
}

// mirrorBudgets shows the hard budgets that the repeated calls of a route are paid from, to those who may see them.
func (c *Console) mirrorBudgets(v *visit, in route.Input, section *routeui.Mirror) error {
	if in.Mirror == nil || in.Name == "" || !v.actor.May(authz.BudgetRead) {
		return nil
	}
	all, err := c.Budgets.List(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	for _, one := range all {
		each := scope.EachValue(one.Scope, one.ScopeValue)
		if one.Scope != scope.Label || one.Mode != budget.Hard || one.ScopeValue != section.Label && one.ScopeValue != route.MirrorLabel+"="+scope.Each {
			continue
		}
		row := routeui.MirrorBudget{Name: one.Name, Href: "/budgets/" + one.ID.String()}
		if left := one.InForce().Sub(one.Used()); each { // what edges hold counts as left: it is what mirrors are paid from
			row.Left = one.InForce().USD() + " for each value of the label"
		} else if row.Out = left.Sign() <= 0; row.Out {
			row.Left = "nothing of " + one.InForce().USD() + " left"
		} else {
			row.Left = left.USD() + " of " + one.InForce().USD() + " left"
		}
		section.Budgets = append(section.Budgets, row)
	}
	section.Unpaid = len(section.Budgets) == 0
	return nil
}
