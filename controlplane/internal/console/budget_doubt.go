package console

import (
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/web/budgetui"
	"tollgate.dev/web/component"
)

// releaseDoubt takes everything out of doubt in a budget, as somebody says who knows.
func (c *Console) releaseDoubt(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Budget](v, "id")
	found, err := c.Budgets.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.BudgetWrite); err != nil {
		return err
	}
	page := "/budgets/" + id.String()
	in := budget.Release{As: budget.ReleaseAs(v.FormValue("as")), Reason: v.FormValue("reason")}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		done, err := c.Doubts.Release(ctx, v.actor, id, in)
		text := " of “" + found.Name + "” count as spent from now on."
		if done.As == budget.WasNotSpent {
			text = " of “" + found.Name + "” are free again."
		}
		return page, done.Amount.USD() + text, err
	})
	if given {
		return err
	}
	form := budgetui.ReleaseForm{
		Form: v.frameOf("release-form", "Release", page, wrong, "as", "reason"), Name: found.Name, InDoubt: found.InDoubt.USD(),
		As: component.Field{Name: "as", Label: "What you know of it", Value: string(in.As), Error: wrong.of("as"), Options: []component.Option{
			{Value: string(budget.WasSpent), Label: "It was spent", Help: "The provider has billed it. It stays counted."},
			{Value: string(budget.WasNotSpent), Label: "It was not spent", Help: "The provider has not billed it. The budget gets it back."},
		}},
		Reason: component.Field{Name: "reason", Label: "How you know", Value: in.Reason, Error: wrong.of("reason"), Placeholder: "The provider's usage page of 26 November shows none of these calls.", Help: "Kept in the audit."},
	}
	return c.draw(v, view{
		Title: "Release doubt of " + found.Name, Active: "/budgets", Crumbs: underBudget(found), Status: status,
		Content: budgetui.ReleasePage(form), Fragment: budgetui.ReleaseEdit(form),
	})
}
