package console

import (
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/web/budgetui"
	"tollgate.dev/web/component"
)

func (c *Console) budgets(v *visit) error {
	all, err := c.Budgets.List(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	list := budgetui.List{MayAdd: v.actor.May(authz.BudgetWrite)}
	for _, one := range all {
		list.Rows = append(list.Rows, budgetRow(one, list.MayAdd))
	}
	return c.draw(v, view{Title: "Budgets", Active: "/budgets", Content: budgetui.Page(list)})
}

// nearEnd and atEnd are the thousandths of a limit from which a budget is shown as a warning and as spent.
const (
	nearEnd = 800
	atEnd   = 950
)

func budgetRow(one budget.Standing, mayChange bool) budgetui.Row {
	used, lent, doubt := one.Spent.PerMille(one.Limit), one.Leased.PerMille(one.Limit), one.InDoubt.PerMille(one.Limit)
	fill := "ok"
	switch {
	case used >= atEnd:
		fill = "bad"
	case used >= nearEnd:
		fill = "warn"
	}
	row := budgetui.Row{
		ID: one.ID.String(), Name: one.Name, Scope: scopeText(one.Scope, one.ScopeName, one.ScopeValue), Period: periodText(one.Period, one.TimeZone),
		Mode:  component.Badge{Text: "hard", Tone: component.Plain},
		Limit: one.Limit.USD(), Spent: one.Spent.USD(), Leased: one.Leased.USD(), Left: one.Left.USD(), Used: perCent(used),
		Resets: component.AtPointer(one.ResetsAt, "minute"),
		Bar: component.Bar{
			Label: perCent(used) + " spent, " + perCent(lent) + " on edges",
			Parts: []component.BarPart{{PerMille: used, Fill: fill}, {PerMille: doubt, Fill: "plain"}, {PerMille: lent, Fill: "lease"}},
		},
	}
	if one.Mode == budget.Soft {
		row.Mode = component.Badge{Text: "soft", Tone: component.Info}
	}
	if one.InDoubt.Sign() > 0 {
		row.InDoubt = one.InDoubt.USD()
	}
	if one.Overrun.Sign() > 0 {
		row.Overrun = one.Overrun.USD()
	}
	if mayChange {
		row.Href = "/budgets/" + row.ID
		row.ArchiveHref = row.Href + "/archive"
	}
	return row
}

func periodText(period budget.Period, zone string) string {
	if period == budget.Total {
		return "for ever"
	}
	return "per " + string(period) + ", " + zone
}

func (c *Console) newBudget(v *visit) error {
	if err := v.actor.Require(authz.BudgetWrite); err != nil {
		return err
	}
	options, err := c.scopeOptions(v)
	if err != nil {
		return err
	}
	kind, place := scopeOf(v.FormValue("target"))
	in := budget.Input{
		Name: v.FormValue("name"), Scope: kind, ScopeID: place, ScopeValue: v.FormValue("scope_value"), LimitUSD: v.FormValue("limit_usd"),
		Period: budget.Period(v.FormValue("period")), TimeZone: v.FormValue("time_zone"), Mode: budget.Mode(v.FormValue("mode")),
	}
	if !v.posted() {
		in.Scope, in.Period, in.TimeZone, in.Mode = scope.Org, budget.Month, "UTC", budget.Hard
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		made, err := c.Budgets.Create(v.Request().Context(), v.actor, in)
		return "/budgets", "Budget “" + made.Name + "” holds from now on.", err
	})
	if given {
		return err
	}
	form := budgetForm(in, wrong)
	form.Target.Options = append(options, valueOptions()...)
	form.Form = v.frameOf("budget-form", "Create budget", "/budgets", wrong, "name", "scope", "scope_id", "scope_value", "limit_usd", "period", "time_zone", "mode")
	return c.draw(v, view{Title: form.Title, Active: "/budgets", Crumbs: under("Budgets", "/budgets"), Status: status, Content: budgetui.FormPage(form), Fragment: budgetui.Edit(form)})
}

func budgetForm(in budget.Input, wrong mends) budgetui.Form {
	return budgetui.Form{
		Title:  "New budget",
		Name:   component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name"), Help: "Callers read it when the budget refuses."},
		Target: component.Field{Name: "target", Label: "Applies to", Value: scopeValue(in.Scope, in.ScopeID), Error: wrong.of("scope", "scope_id")},
		ScopeValue: component.Field{
			Name: "scope_value", Label: "Which one", Value: in.ScopeValue, Error: wrong.of("scope_value"),
			Help: "Only for a model, end user or label (name=value). * gives each one a budget of this size.",
		},
		Limit: component.Field{Name: "limit_usd", Label: "Limit", Value: in.LimitUSD, Error: wrong.of("limit_usd"), Prefix: "$", InputMode: "decimal", Placeholder: "250.00", Help: "In US dollars."},
		Period: component.Field{Name: "period", Label: "Begins anew", Value: string(in.Period), Error: wrong.of("period"), Options: []component.Option{
			{Value: string(budget.Day), Label: "Every day"},
			{Value: string(budget.Week), Label: "Every week, on Monday"},
			{Value: string(budget.Month), Label: "Every month"},
			{Value: string(budget.Quarter), Label: "Every quarter"},
			{Value: string(budget.Total), Label: "Never"},
		}},
		TimeZone: component.Field{Name: "time_zone", Label: "Time zone", Value: in.TimeZone, Error: wrong.of("time_zone"), Help: "Whose midnight counts, such as Europe/Berlin or UTC."},
		Mode: component.Field{Name: "mode", Label: "At the limit", Value: string(in.Mode), Error: wrong.of("mode"), Options: []component.Option{
			{Value: string(budget.Hard), Label: "Refuse calls", Help: "A hard budget is never overshot."}, {Value: string(budget.Soft), Label: "Only count", Help: "A soft budget refuses nothing."},
		}},
	}
}

func (c *Console) editBudget(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Budget](v, "id")
	found, err := c.Budgets.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.BudgetWrite); err != nil {
		return err
	}
	name, limit := found.Name, found.Limit.Decimal()
	if v.posted() {
		name, limit = v.FormValue("name"), v.FormValue("limit_usd")
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		changed, err := c.Budgets.Update(ctx, v.actor, id, budget.Change{Name: &name, LimitUSD: &limit})
		return "/budgets", "Budget “" + changed.Name + "” is changed. Its limit is " + changed.Limit.USD() + ".", err
	})
	if given {
		return err
	}
	form := budgetui.Change{
		Form: v.frameOf("budget-change", "Save", "/budgets", wrong, "name", "limit_usd"), Row: budgetRow(found, true),
		Name:  component.Field{Name: "name", Label: "Name", Value: name, Error: wrong.of("name")},
		Limit: component.Field{Name: "limit_usd", Label: "Limit", Value: limit, Error: wrong.of("limit_usd"), Prefix: "$", InputMode: "decimal", Help: "Counts for this period too. A limit below what is spent refuses every call at once."},
	}
	return c.draw(v, view{Title: found.Name, Active: "/budgets", Crumbs: under("Budgets", "/budgets"), Status: status, Content: budgetui.ChangePage(form), Fragment: budgetui.ChangeEdit(form)})
}

func (c *Console) archiveBudget(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Budget](v, "id")
	found, err := c.Budgets.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.BudgetWrite); err != nil {
		return err
	}
	if v.posted() {
		if err := c.Budgets.Archive(ctx, v.actor, id); err != nil {
			return err
		}
		return c.done(v, "/budgets", "Budget “"+found.Name+"” is archived. It limits nothing any more.")
	}
	return c.ask(v, "/budgets", component.Confirm{
		Title: "Archive “" + found.Name + "”?", Text: "From then on it limits nothing. What was spent under it is kept.", Submit: "Archive budget", Cancel: "/budgets",
	})
}
