package console

import (
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/web/budgetui"
	"tollgate.dev/web/component"
)

func (c *Console) newBudget(v *visit) error {
	if err := v.actor.Require(authz.BudgetWrite); err != nil {
		return err
	}
	options, err := c.scopeOptions(v)
	if err != nil {
		return err
	}
	kind, place, value := targetOf(v)
	forecast := v.FormValue("alert_forecast") != ""
	in := budget.Input{
		Name: v.FormValue("name"), Scope: kind, ScopeID: place, ScopeValue: value, LimitUSD: v.FormValue("limit_usd"),
		Period: budget.Period(v.FormValue("period")), TimeZone: v.FormValue("time_zone"), Mode: budget.Mode(v.FormValue("mode")),
		AlertPercents: percentsOf(v.FormValue("alert_percents")), AlertForecast: &forecast,
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		made, err := c.Budgets.Create(v.Request().Context(), v.actor, in)
		return "/budgets/" + made.ID.String(), "Budget “" + made.Name + "” holds from now on.", err
	})
	if given {
		return err
	}
	form := budgetForm(v, in, wrong)
	form.Target.Options = append(options, valueOptions()...)
	form.Form = v.frameOf("budget-form", "Create budget", "/budgets", wrong,
		"name", "scope", "scope_id", "scope_value", "limit_usd", "period", "time_zone", "mode", "alert_percents")
	return c.draw(v, view{Title: form.Title, Active: "/budgets", Crumbs: under("Budgets", "/budgets"), Status: status, Content: budgetui.FormPage(form), Fragment: budgetui.Edit(form)})
}

// percentsOf reads thresholds such as "50, 80, 100". What is no number is none that the noun takes.
func percentsOf(text string) []int {
	percents := []int{}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;%\t", r) }) {
		percent, err := strconv.Atoi(word)
		if err != nil {
			percent = -1
		}
		percents = append(percents, percent)
	}
	return percents
}

func percentsText(percents []int) string {
	words := make([]string, len(percents))
	for i, percent := range percents {
		words[i] = strconv.Itoa(percent)
	}
	return strings.Join(words, ", ")
}

func budgetForm(v *visit, in budget.Input, wrong mends) budgetui.Form {
	alerts := alertFields(v.FormValue("alert_percents"), *in.AlertForecast, wrong)
	if !v.posted() {
		in.Period, in.TimeZone, in.Mode = budget.Month, "UTC", budget.Hard
		alerts = alertFields("50, 80, 100", true, wrong)
	}
	return budgetui.Form{
		Title:  "New budget",
		Name:   component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name"), Help: "Callers read it when the budget refuses."},
		Target: component.Field{Name: "target", Label: "Applies to", Value: v.FormValue("target"), Error: wrong.of("scope", "scope_id")},
		ScopeValue: component.Field{
			Name: "scope_value", Label: "Which one", Value: v.FormValue("scope_value"), Error: wrong.of("scope_value"), Mono: true,
		},
		Limit: limitField(in.LimitUSD, "In US dollars. Where each has its own, this is what each may spend.", wrong),
		Period: component.Field{Name: "period", Label: "Begins anew", Value: string(in.Period), Error: wrong.of("period"), Options: []component.Option{
			{Value: string(budget.Day), Label: "Every day"},
			{Value: string(budget.Week), Label: "Every week, on Monday"},
			{Value: string(budget.Month), Label: "Every month"},
			{Value: string(budget.Quarter), Label: "Every quarter"},
			{Value: string(budget.Total), Label: "Never"},
		}},
		TimeZone: component.Field{Name: "time_zone", Label: "Time zone", Value: in.TimeZone, Error: wrong.of("time_zone"), Help: "Whose midnight counts, such as Europe/Berlin or UTC."},
		Mode:     modeField(in.Mode, wrong),
		Alerts:   alerts,
	}
}

func limitField(value, help string, wrong mends) component.Field {
	return component.Field{Name: "limit_usd", Label: "Limit", Value: value, Error: wrong.of("limit_usd"), Prefix: "$", InputMode: "decimal", Placeholder: "250.00", Help: help}
}

func modeField(mode budget.Mode, wrong mends) component.Field {
	return component.Field{Name: "mode", Label: "At the limit", Value: string(mode), Error: wrong.of("mode"), Options: []component.Option{
		{Value: string(budget.Hard), Label: "Refuse calls", Help: "A hard budget is never overshot."}, {Value: string(budget.Soft), Label: "Only count", Help: "A soft budget refuses nothing."},
	}}
}

func alertFields(percents string, forecast bool, wrong mends) budgetui.Alerts {
	return budgetui.Alerts{
		Percents: component.Field{
			Name: "alert_percents", Label: "Alert at", Value: percents, Error: wrong.of("alert_percents"), Suffix: "%", Optional: true,
			Help: "Of the limit, up to ten thresholds: 50, 80, 100. What is spent and in doubt counts.",
		},
		Forecast: component.Field{
			Name: "alert_forecast", Label: "Alert when it is going to run out", Value: "yes", Checked: forecast,
			Help: "As soon as the pace of the last seven days reaches the limit before the period ends.",
		},
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
	name, limit, mode, percents, forecast := found.Name, found.Limit.Decimal(), found.Mode, percentsText(found.AlertPercents), found.AlertForecast
	if v.posted() {
		name, limit, mode, percents, forecast = v.FormValue("name"), v.FormValue("limit_usd"), budget.Mode(v.FormValue("mode")), v.FormValue("alert_percents"), v.FormValue("alert_forecast") != ""
	}
	page := "/budgets/" + id.String()
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		changed, err := c.Budgets.Update(ctx, v.actor, id, budget.Change{Name: &name, LimitUSD: &limit, Mode: &mode, AlertPercents: percentsOf(percents), AlertForecast: &forecast})
		return page, "Budget “" + changed.Name + "” is changed. Its limit is " + changed.Limit.USD() + ".", err
	})
	if given {
		return err
	}
	form := budgetui.Change{
		Form: v.frameOf("budget-change", "Save", page, wrong, "name", "limit_usd", "mode", "alert_percents"), Row: budgetRow(found, c.config.Now()),
		Name:   component.Field{Name: "name", Label: "Name", Value: name, Error: wrong.of("name")},
		Limit:  limitField(limit, "Counts for this period too. A limit below what is spent refuses every call at once.", wrong),
		Mode:   modeField(mode, wrong),
		Alerts: alertFields(percents, forecast, wrong),
	}
	return c.draw(v, view{Title: "Change " + found.Name, Active: "/budgets", Crumbs: underBudget(found), Status: status, Content: budgetui.ChangePage(form), Fragment: budgetui.ChangeEdit(form)})
}

func underBudget(one budget.Standing) []component.Link {
	return append(under("Budgets", "/budgets"), component.Link{Label: one.Name, Href: "/budgets/" + one.ID.String()})
}

const inputTime = "2006-01-02T15:04" // as browsers send a moment without its zone

func (c *Console) raiseBudget(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Budget](v, "id")
	found, err := c.Budgets.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.BudgetWrite); err != nil {
		return err
	}
	place, err := time.LoadLocation(found.TimeZone)
	if err != nil {
		return err
	}
	page := "/budgets/" + id.String()
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		in, misread := raiseInput(v, place)
		if err := misread.Err(); err != nil {
			return "", "", err
		}
		made, err := c.Budgets.Raise(ctx, v.actor, id, in)
		return page, "The limit of “" + found.Name + "” is raised by " + made.Amount.USD() + ".", err
	})
	if given {
		return err
	}
	form := raiseForm(v, found, place, c.config.Now(), wrong)
	form.Form = v.frameOf("raise-form", "Raise", page, wrong, "amount_usd", "starts_at", "ends_at", "reason")
	return c.draw(v, view{Title: "Raise " + found.Name, Active: "/budgets", Crumbs: underBudget(found), Status: status, Content: budgetui.RaisePage(form), Fragment: budgetui.RaiseEdit(form)})
}

// raiseInput reads a raise whose moments are in the budget's zone, and what of it cannot be read.
func raiseInput(v *visit, place *time.Location) (budget.RaiseInput, fault.Fields) {
	var misread fault.Fields
	moment := func(name string) time.Time {
		text := strings.TrimSpace(v.FormValue(name))
		if text == "" {
			return time.Time{}
		}
		at, err := time.ParseInLocation(inputTime, text, place)
		if err != nil {
			misread.Add(name, "enter a day and a time such as 2027-01-31T18:00")
		}
		return at
	}
	in := budget.RaiseInput{AmountUSD: v.FormValue("amount_usd"), Reason: v.FormValue("reason"), EndsAt: moment("ends_at")}
	if starts := moment("starts_at"); !starts.IsZero() {
		in.StartsAt = &starts
	}
	return in, misread
}

func raiseForm(v *visit, found budget.Standing, place *time.Location, now time.Time, wrong mends) budgetui.RaiseForm {
	ends := v.FormValue("ends_at")
	if !v.posted() {
		until := now.Add(week)
		if found.ResetsAt != nil && found.ResetsAt.Before(until) {
			until = *found.ResetsAt
		}
		ends = until.In(place).Format(inputTime)
	}
	return budgetui.RaiseForm{
		Row:    budgetRow(found, now),
		Amount: component.Field{Name: "amount_usd", Label: "By", Value: v.FormValue("amount_usd"), Error: wrong.of("amount_usd"), Prefix: "$", InputMode: "decimal", Placeholder: "50.00", Autofocus: true},
		Starts: component.Field{Name: "starts_at", Label: "From", Kind: "datetime-local", Value: v.FormValue("starts_at"), Error: wrong.of("starts_at"), Optional: true, Help: "Empty: at once. In " + found.TimeZone + "."},
		Ends:   component.Field{Name: "ends_at", Label: "Until", Kind: "datetime-local", Value: ends, Error: wrong.of("ends_at"), Help: "In " + found.TimeZone + "."},
		Reason: component.Field{Name: "reason", Label: "Reason", Value: v.FormValue("reason"), Error: wrong.of("reason"), Placeholder: "Launch of the new assistant; agreed with Maya.", Help: "Kept with the raise and in the audit."},
	}
}

func (c *Console) endRaise(v *visit) error {
	ctx, id, raise := v.Request().Context(), idOf[ident.Budget](v, "id"), idOf[ident.Raise](v, "raise")
	found, err := c.Budgets.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	page := "/budgets/" + id.String()
	return c.confirm(v, authz.BudgetWrite, "/budgets", component.Confirm{
		Title: "End the raise of “" + found.Name + "” now?", Text: "The limit is lower from then on. If more than that is spent, the budget refuses.", Submit: "End raise", Cancel: page,
	}, func() (string, string, error) {
		return page, "The raise of “" + found.Name + "” has ended.", c.Budgets.EndRaise(ctx, v.actor, id, raise)
	})
}
