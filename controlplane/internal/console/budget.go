package console

import (
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
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
	all, list.Sifted = sift(v, all, "Name or what it applies to", func(one budget.Standing) string {
		return one.Name + " " + scopeText(one.Scope, one.ScopeName, one.ScopeValue)
	})
	for _, one := range all {
		list.Rows = append(list.Rows, budgetRow(one, c.config.Now()))
	}
	return c.draw(v, view{Title: "Budgets", Active: "/budgets", Content: budgetui.Page(list)})
}

// nearEnd and atEnd are the thousandths of a limit from which a budget is shown as a warning and as spent.
const (
	nearEnd = 800
	atEnd   = 950
)

func budgetRow(one budget.Standing, now time.Time) budgetui.Row {
	row := budgetui.Row{
		ID: one.ID.String(), Name: one.Name, Href: "/budgets/" + one.ID.String(), Scope: scopeText(one.Scope, one.ScopeName, one.ScopeValue), Period: periodText(one.Period, one.TimeZone),
		Mode: modeBadge(one.Mode), Limit: one.InForce().USD(), Spent: one.Spent.USD(), Leased: one.Leased.USD(), Left: one.Left.USD(),
		InDoubt: orNothing(one.InDoubt), Overrun: orNothing(one.Overrun), Raised: orNothing(one.Raised),
		Resets: component.AtPointer(one.ResetsAt, "minute"), Outlook: outlook(one, now),
		Used: perCent(one.Spent.PerMille(one.InForce())), Bar: gauge(one.Spent, one.InDoubt, one.Leased, one.InForce()),
	}
	for _, raise := range one.Raises { // the first of those in force to end
		if until := component.At(raise.EndsAt, "minute"); raise.State(now) == budget.RaiseInForce && (row.RaisedUntil.IsZero() || until.ISO < row.RaisedUntil.ISO) {
			row.RaisedUntil = until
		}
	}
	if scope.EachValue(one.Scope, one.ScopeValue) {
		fullest := one.InForce().Sub(one.Left)
		row.Used, row.Bar = perCent(fullest.PerMille(one.InForce())), gauge(fullest, money.Amount{}, money.Amount{}, one.InForce())
		row.Each = eachOf(one)
	}
	return row
}

// gauge draws an account: what is spent, in doubt and leased of its limit.
func gauge(spent, inDoubt, leased, limit money.Amount) component.Bar {
	used, doubt, lent := spent.PerMille(limit), inDoubt.PerMille(limit), leased.PerMille(limit)
	return component.Bar{
		Label: perCent(used) + " spent, " + perCent(lent) + " on edges",
		Parts: []component.BarPart{{PerMille: used, Fill: fillOf(used)}, {PerMille: doubt, Fill: "plain"}, {PerMille: lent, Fill: "lease"}},
	}
}

func fillOf(used int) string {
	switch {
	case used >= atEnd:
		return "bad"
	case used >= nearEnd:
		return "warn"
	default:
		return "ok"
	}
}

func eachOf(one budget.Standing) budgetui.Each {
	each := budgetui.Each{Count: numbered(one.Accounts, accountWord(one.Scope))}
	if one.UsedUp > 0 {
		each.UsedUp = grouped(one.UsedUp) + " used up"
	}
	for _, top := range one.Top {
		each.Top = append(each.Top, accountRow(top, one.InForce()))
	}
	return each
}

func accountRow(one budget.Account, limit money.Amount) budgetui.Account {
	return budgetui.Account{
		Subject: one.Subject, Spent: one.Spent.USD(), Leased: one.Leased.USD(), InDoubt: one.InDoubt.USD(), Left: one.Left.USD(),
		Used: perCent(one.Spent.PerMille(limit)), Bar: gauge(one.Spent, one.InDoubt, one.Leased, limit),
	}
}

// accountWord is what the accounts of a budget with several belong to.
func accountWord(kind scope.Kind) string {
	if kind == scope.Label {
		return "value"
	}
	return kind.Words()
}

func numbered(n int64, one string) string {
	if n != 1 {
		one += "s"
	}
	return grouped(n) + " " + one
}

func orNothing(amount money.Amount) string {
	if amount.Sign() <= 0 {
		return ""
	}
	return amount.USD()
}

func modeBadge(mode budget.Mode) component.Badge {
	if mode == budget.Soft {
		return component.Badge{Text: "soft", Tone: component.Info}
	}
	return component.Badge{Text: "hard", Tone: component.Plain}
}

func periodText(period budget.Period, zone string) string {
	if period == budget.Total {
		return "for ever"
	}
	return "per " + string(period) + ", " + zone
}

func (c *Console) archiveBudget(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Budget](v, "id")
	found, err := c.Budgets.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	return c.confirm(v, authz.BudgetWrite, "/budgets", component.Confirm{
		Title: "Archive “" + found.Name + "”?", Text: "From then on it limits nothing. What was spent under it is kept.", Submit: "Archive budget", Cancel: "/budgets/" + id.String(),
	}, func() (string, string, error) {
		return "/budgets", "Budget “" + found.Name + "” is archived. It limits nothing any more.", c.Budgets.Archive(ctx, v.actor, id)
	})
}
