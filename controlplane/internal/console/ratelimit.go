package console

import (
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ratelimit"
	"tollgate.dev/web/component"
	"tollgate.dev/web/ratelimitui"
)

// usesEvery is how often the page looks whether edges have said something new; each says it every two seconds.
const usesEvery = time.Second

func (c *Console) rateLimits(v *visit) error {
	list, err := c.rateLimitList(v)
	if err != nil {
		return err
	}
	return c.draw(v, view{Title: "Rate limits", Active: "/rate-limits", Live: len(list.Rows) > 0, Content: ratelimitui.Page(list)})
}

func (c *Console) rateLimitsLive(v *visit) error {
	return c.stream(v, nil, usesEvery, func() ([]part, error) {
		list, err := c.rateLimitList(v)
		if err != nil {
			return nil, err
		}
		return []part{{"rate-limits", ratelimitui.Table(list)}}, nil
	})
}

func (c *Console) rateLimitList(v *visit) (ratelimitui.List, error) {
	all, err := c.RateLimits.List(v.Request().Context(), v.actor)
	if err != nil {
		return ratelimitui.List{}, err
	}
	list := ratelimitui.List{MayAdd: v.actor.May(authz.RateLimitWrite)}
	for _, one := range all {
		list.Rows = append(list.Rows, rateLimitRow(one, list.MayAdd))
		if one.Use != nil {
			list.AsOf = component.At(one.Use.AsOf, "ago") // the same of all
		}
	}
	return list, nil
}

func rateLimitRow(one ratelimit.RateLimit, mayChange bool) ratelimitui.Row {
	row := ratelimitui.Row{
		ID: one.ID.String(), Name: one.Name, Scope: scopeText(one.Scope, one.ScopeName, one.ScopeValue),
		Allows: grouped(one.Amount) + " " + limitNoun(one.What), Window: "at a time", Created: component.At(one.CreatedAt, "day"),
	}
	if one.Per != "" {
		row.Window = "in any " + string(one.Per)
	}
	if one.Use != nil {
		row.Used = useOf(one)
	}
	if mayChange {
		row.Href = "/rate-limits/" + row.ID
		row.ArchiveHref = row.Href + "/archive"
	}
	return row
}

// useOf shows how much of a limit is used.
func useOf(one ratelimit.RateLimit) ratelimitui.Use {
	perMille := int(min(one.Use.Used*1000/one.Amount, 1000))
	return ratelimitui.Use{
		Text: grouped(one.Use.Used), Of: grouped(one.Amount), Share: perCent(perMille), Subject: one.Use.Subject,
		Bar: component.Bar{Label: perCent(perMille) + " of " + one.Name + " used", Parts: []component.BarPart{{PerMille: perMille, Fill: fillOf(perMille)}}},
	}
}

func limitNoun(what ratelimit.What) string {
	switch what {
	case ratelimit.Requests, ratelimit.Concurrent:
		return "requests"
	case ratelimit.TotalTokens:
		return "tokens"
	default:
		return strings.ReplaceAll(string(what), "_", " ")
	}
}

func (c *Console) newRateLimit(v *visit) error {
	if err := v.actor.Require(authz.RateLimitWrite); err != nil {
		return err
	}
	options, err := c.scopeOptions(v)
	if err != nil {
		return err
	}
	kind, place, value := targetOf(v)
	in := ratelimit.Input{
		Name: v.FormValue("name"), Scope: kind, ScopeID: place, ScopeValue: value,
		What: ratelimit.What(v.FormValue("what")), Amount: amountOf(v), Per: ratelimit.Per(v.FormValue("per")),
	}
	if !v.posted() {
		in.What, in.Per = ratelimit.Requests, ratelimit.Minute
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		made, err := c.RateLimits.Create(v.Request().Context(), v.actor, in)
		return "/rate-limits", "Rate limit “" + made.Name + "” holds from now on.", err
	})
	if given {
		return err
	}
	form := ratelimitui.Form{
		Form:       v.frameOf("rate-limit-form", "Create rate limit", "/rate-limits", wrong, "name", "scope", "scope_id", "scope_value", "what", "amount", "per"),
		Title:      "New rate limit",
		Name:       component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name"), Help: "Callers read it when the limit refuses."},
		Target:     component.Field{Name: "target", Label: "Applies to", Value: v.FormValue("target"), Error: wrong.of("scope", "scope_id"), Options: append(options, valueOptions()...)},
		ScopeValue: component.Field{Name: "scope_value", Label: "Which one", Value: v.FormValue("scope_value"), Error: wrong.of("scope_value"), Mono: true},
		What: component.Field{Name: "what", Label: "Counts", Value: string(in.What), Error: wrong.of("what"), Options: []component.Option{
			{Value: string(ratelimit.Requests), Label: "Requests"},
			{Value: string(ratelimit.TotalTokens), Label: "Tokens, input and output"},
			{Value: string(ratelimit.InputTokens), Label: "Input tokens"},
			{Value: string(ratelimit.OutputTokens), Label: "Output tokens"},
			{Value: string(ratelimit.Concurrent), Label: "Requests at a time (no window)"},
		}},
		Amount: amountField(v, in.Amount, wrong),
		Per:    perField(in.Per, wrong),
	}
	return c.draw(v, view{Title: form.Title, Active: "/rate-limits", Crumbs: under("Rate limits", "/rate-limits"), Status: status, Content: ratelimitui.FormPage(form), Fragment: ratelimitui.Edit(form)})
}

// amountOf reads the amount with or without thousands separators; what is no number is none, which is refused.
func amountOf(v *visit) int64 {
	n, _ := strconv.ParseInt(strings.NewReplacer(",", "", " ", "", "_", "").Replace(v.FormValue("amount")), 10, 64)
	return n
}

func amountField(v *visit, amount int64, wrong mends) component.Field {
	text := strconv.FormatInt(amount, 10)
	if v.posted() {
		text = v.FormValue("amount")
	} else if amount == 0 {
		text = ""
	}
	return component.Field{Name: "amount", Label: "Amount", Value: text, Error: wrong.of("amount"), InputMode: "numeric", Placeholder: "1000"}
}

func perField(per ratelimit.Per, wrong mends) component.Field {
	return component.Field{Name: "per", Label: "In any", Value: string(per), Error: wrong.of("per"), Options: []component.Option{
		{Value: string(ratelimit.Second), Label: "second"},
		{Value: string(ratelimit.Minute), Label: "minute"},
		{Value: string(ratelimit.Hour), Label: "hour"},
		{Value: string(ratelimit.Day), Label: "day (24 hours)"},
	}}
}

func (c *Console) editRateLimit(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.RateLimit](v, "id")
	found, err := c.RateLimits.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.RateLimitWrite); err != nil {
		return err
	}
	name, amount, per := found.Name, found.Amount, found.Per
	if v.posted() {
		name, amount, per = v.FormValue("name"), amountOf(v), ratelimit.Per(v.FormValue("per"))
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		changed, err := c.RateLimits.Update(ctx, v.actor, id, ratelimit.Change{Name: &name, Amount: &amount, Per: &per})
		return "/rate-limits", "Rate limit “" + changed.Name + "” is changed.", err
	})
	if given {
		return err
	}
	form := ratelimitui.Change{
		Form: v.frameOf("rate-limit-change", "Save", "/rate-limits", wrong, "name", "amount", "per"), Row: rateLimitRow(found, true),
		Name:   component.Field{Name: "name", Label: "Name", Value: name, Error: wrong.of("name")},
		Amount: amountField(v, amount, wrong),
	}
	form.Amount.Help = "Counts from now on; what is used in the running window stays counted."
	if found.What != ratelimit.Concurrent {
		form.Per = perField(per, wrong)
	}
	return c.draw(v, view{Title: found.Name, Active: "/rate-limits", Crumbs: under("Rate limits", "/rate-limits"), Status: status, Content: ratelimitui.ChangePage(form), Fragment: ratelimitui.ChangeEdit(form)})
}

func (c *Console) archiveRateLimit(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.RateLimit](v, "id")
	found, err := c.RateLimits.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	return c.confirm(v, authz.RateLimitWrite, "/rate-limits", component.Confirm{
		Title: "Archive “" + found.Name + "”?", Text: "From then on it limits nothing.", Submit: "Archive rate limit", Cancel: "/rate-limits",
	}, func() (string, string, error) {
		return "/rate-limits", "Rate limit “" + found.Name + "” is archived. It limits nothing any more.", c.RateLimits.Archive(ctx, v.actor, id)
	})
}
