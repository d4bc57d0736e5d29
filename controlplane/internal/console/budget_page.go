package console

import (
	"cmp"
	"context"
	"net/url"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/web/budgetui"
	"tollgate.dev/web/component"
)

// budgetPage gathers what the page of one budget shows.
type budgetPage struct {
	*Console
	visit  *visit
	now    time.Time
	budget budget.Standing
	from   time.Time // since when the budget counts in this period
	hours  map[time.Time]money.Amount
}

const (
	takersShown  = 10
	doubtsShown  = 20
	changesShown = 50
)

func (c *Console) budget(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Budget](v, "id")
	found, err := c.Budgets.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	p := &budgetPage{Console: c, visit: v, now: c.config.Now(), budget: found, from: found.CountsFrom()}
	detail, err := p.detail(ctx)
	if err != nil {
		return err
	}
	return c.draw(v, view{Title: found.Name, Active: "/budgets", Crumbs: under("Budgets", "/budgets"), Content: budgetui.DetailPage(detail)})
}

func (p *budgetPage) detail(ctx context.Context) (budgetui.Detail, error) {
	one := p.budget
	d := budgetui.Detail{
		Row: budgetRow(one, p.now), Archived: component.AtPointer(one.ArchivedAt, "minute"), MayChange: p.visit.actor.May(authz.BudgetWrite) && one.ArchivedAt == nil,
		MayAudit: p.visit.actor.May(authz.AuditRead), AtLimit: "calls are refused", Alerts: alertText(one), Parts: partsOf(one),
	}
	if one.Mode == budget.Soft {
		d.AtLimit = "calls go on; it only counts"
	}
	if d.Overrun != "" {
		d.Why = whyOver(one)
	}
	d.EditHref, d.RaiseHref, d.ReleaseHref, d.ArchiveHref = d.Href+"/edit", d.Href+"/raises/new", d.Href+"/release-doubt", d.Href+"/archive"
	places, err := p.Usage.CostByPlace(ctx, p.visit.actor.Org, []scope.Place{one.Place()}, p.from, p.now)
	if err != nil {
		return d, err
	}
	p.hours = places[one.Place()]
	p.draw(&d)
	for _, fill := range []func(context.Context, *budgetui.Detail) error{p.takers, p.accounts, p.holders, p.doubts, p.past, p.raises, p.history} {
		if err := fill(ctx, &d); err != nil {
			return d, err
		}
	}
	return d, nil
}

// partsOf explains the bar.
func partsOf(one budget.Standing) []budgetui.Part {
	parts := []budgetui.Part{
		{Name: "Spent", Fill: fillOf(one.Spent.PerMille(one.InForce())), Amount: one.Spent.USD(), Text: "What calls cost that have ended."},
		{Name: "In doubt", Fill: "plain", Amount: one.InDoubt.USD(), Text: "Set aside by calls whose end nobody saw. It counts until somebody knows."},
		{Name: "On edges", Fill: "lease", Amount: one.Leased.USD(), Text: "Lent to edges ahead of calls. What they do not use comes back."},
		{Name: "Left", Amount: one.Left.USD(), Text: "Free: an edge can have it for its next call."},
	}
	if scope.EachValue(one.Scope, one.ScopeValue) {
		parts[3].Text = "In the fullest account."
	}
	return parts
}

func whyOver(one budget.Standing) string {
	why := "The limit was lowered or a raise has ended below what was spent and lent, or a call cost more than was set aside for it."
	if one.Mode == budget.Soft {
		return "A soft budget refuses nothing: calls have gone on."
	}
	return why + " It refuses calls until it resets, is raised, or edges hand back what they hold."
}

func alertText(one budget.Standing) string {
	var when []string
	if len(one.AlertPercents) > 0 {
		when = append(when, "at "+percentsText(one.AlertPercents)+"%")
	}
	if one.AlertForecast && !scope.EachValue(one.Scope, one.ScopeValue) {
		when = append(when, "when it is going to run out")
	}
	if len(when) == 0 {
		return "none"
	}
	return strings.Join(when, ", and ")
}

// takerGroup is one way to group what was taken.
type takerGroup struct {
	by    usage.Group
	label string
}

// takerGroups are the ways to group what was taken; what the budget's scope fixes is none of them. Where each end user or value has an
// account, the accounts say who took it.
func takerGroups(place scope.Place) []takerGroup {
	agents, keys := takerGroup{usage.ByAgent, "Agent"}, takerGroup{usage.ByVirtualKey, "Key"}
	users, models := takerGroup{usage.ByEndUser, "End user"}, takerGroup{usage.ByModel, "Model"}
	switch place.Kind {
	case scope.Agent:
		return []takerGroup{keys, users, models}
	case scope.VirtualKey:
		return []takerGroup{users, models}
	case scope.EndUser, scope.Label:
		if scope.EachValue(place.Kind, place.Value) {
			return nil
		}
		return []takerGroup{agents, keys, models}
	case scope.Model:
		return []takerGroup{agents, keys, users}
	default:
		return []takerGroup{agents, keys, users, models}
	}
}

// filterOf restricts sums of usage to a place.
func filterOf(place scope.Place) usage.Where {
	switch place.Kind {
	case scope.Workspace:
		return usage.Where{WorkspaceID: ident.Workspace(place.ID)}
	case scope.Agent:
		return usage.Where{AgentID: ident.Agent(place.ID)}
	case scope.VirtualKey:
		return usage.Where{VirtualKeyID: ident.VirtualKey(place.ID)}
	}
	if scope.EachValue(place.Kind, place.Value) {
		return usage.Where{}
	}
	switch place.Kind {
	case scope.Model:
		return usage.Where{Model: place.Value}
	case scope.EndUser:
		return usage.Where{EndUser: place.Value}
	case scope.Label:
		name, value, _ := strings.Cut(place.Value, "=")
		return usage.Where{LabelName: name, LabelValue: value}
	default:
		return usage.Where{}
	}
}

const takersBack = 399 * day // further back no sums are asked for

func (p *budgetPage) takers(ctx context.Context, d *budgetui.Detail) error {
	groups := takerGroups(p.budget.Place())
	if len(groups) == 0 {
		return nil
	}
	by := groups[0]
	for _, one := range groups {
		if string(one.by) == p.visit.QueryParam("group") {
			by = one
		}
	}
	query := usage.SpendQuery{From: p.from, To: p.now.Truncate(time.Hour).Add(time.Hour), GroupBy: by.by, Where: filterOf(p.budget.Place()), Limit: takersShown}
	if oldest := p.now.Add(-takersBack); query.From.Before(oldest) {
		query.From = oldest
	}
	spend, err := p.Usage.Spend(ctx, p.visit.actor, query)
	if err != nil {
		return err
	}
	d.Takers = &budgetui.Takers{By: by.label, Total: spend.Total.Cost.USD(), Rest: orNothing(spend.Others.Cost), Empty: "Nothing was spent yet in this period."}
	for _, one := range spend.Groups {
		if one.Cost.Sign() <= 0 {
			continue
		}
		share := shareOf(one.Cost, spend.Total.Cost)
		d.Takers.Rows = append(d.Takers.Rows, budgetui.Taker{
			Name: cmp.Or(one.GroupName, "none"), Calls: grouped(one.Events), Cost: one.Cost.USD(), Share: share,
			Bar: component.Bar{Label: share + " of all", Parts: []component.BarPart{{PerMille: one.Cost.PerMille(spend.Total.Cost), Fill: "ok"}}},
		})
	}
	for _, one := range groups {
		d.Takers.Groups = append(d.Takers.Groups, budgetui.Choice{Label: one.label, Href: d.Href + "?group=" + string(one.by) + "#takers", Current: one == by})
	}
	return nil
}

func (p *budgetPage) accounts(ctx context.Context, d *budgetui.Detail) error {
	one := p.budget
	if !scope.EachValue(one.Scope, one.ScopeValue) {
		return nil
	}
	search, after := p.visit.QueryParam("search"), p.visit.QueryParam("after")
	page, err := p.Budgets.AccountsOf(ctx, p.visit.actor, one.ID, budget.AccountQuery{Search: search, After: after})
	if err != nil {
		return err
	}
	word := accountWord(one.Scope)
	d.Accounts = &budgetui.Accounts{
		Title: strings.ToUpper(word[:1]) + word[1:] + "s", Of: word, Limit: one.InForce().USD(), Found: search != "", Page: d.Href,
		Search: component.Field{Name: "search", Label: "Part of the " + word, Kind: "search", Value: search, Optional: true},
	}
	for _, account := range page.Items {
		d.Accounts.Rows = append(d.Accounts.Rows, accountRow(account, one.InForce()))
	}
	query := url.Values{}
	if search != "" {
		query.Set("search", search)
	}
	if after != "" {
		d.Accounts.First = d.Href + "?" + query.Encode() + "#accounts"
	}
	if page.Next != "" {
		query.Set("after", page.Next)
		d.Accounts.Next = d.Href + "?" + query.Encode() + "#accounts"
	}
	return nil
}

func (p *budgetPage) holders(ctx context.Context, d *budgetui.Detail) error {
	all, err := p.Budgets.Holders(ctx, p.visit.actor, p.budget.ID)
	for _, one := range all {
		d.Holders = append(d.Holders, budgetui.Holder{Edge: one.EdgeName, Amount: one.Held.USD(), At: component.At(one.At, "ago")})
	}
	return err
}

// doubts lists the calls whose end nobody saw where the budget applies.
func (p *budgetPage) doubts(_ context.Context, d *budgetui.Detail) error {
	where := filterOf(p.budget.Place())
	if d.InDoubt == "" {
		return nil
	}
	filter := usage.Filter{
		Limit: doubtsShown, Outcome: "indeterminate", From: p.from,
		WorkspaceID: where.WorkspaceID, AgentID: where.AgentID, VirtualKeyID: where.VirtualKeyID, Model: where.Model,
		EndUser: where.EndUser, LabelName: where.LabelName, LabelValue: where.LabelValue,
	}
	list, next, err := p.callList(p.visit, filter)
	d.Doubts = list
	if next != "" {
		d.DoubtsPager.Older = "/usage?" + usageQuery(filter, next).Encode()
	}
	return err
}

func (p *budgetPage) past(ctx context.Context, d *budgetui.Detail) error {
	all, err := p.Budgets.Past(ctx, p.visit.actor, p.budget.ID)
	if err != nil || len(all) == 0 {
		return err
	}
	place, err := time.LoadLocation(p.budget.TimeZone)
	for _, one := range all {
		row := budgetui.Past{Period: daysText(p.budget.Period, one.PeriodStart.In(place), one.PeriodEnd.In(place)), Spent: one.Spent.USD()}
		if one.InDoubt.Sign() > 0 {
			row.InDoubt = one.InDoubt.USD()
		}
		if scope.EachValue(p.budget.Scope, p.budget.ScopeValue) {
			row.Accounts = grouped(one.Accounts)
		}
		d.Past = append(d.Past, row)
	}
	return err
}

func (p *budgetPage) raises(ctx context.Context, d *budgetui.Detail) error {
	all, err := p.Budgets.Raises(ctx, p.visit.actor, p.budget.ID)
	for _, one := range all {
		row := budgetui.Raise{
			Amount: one.Amount.USD(), Reason: one.Reason, State: raiseBadge(one, p.now), By: one.MadeBy,
			Starts: component.At(one.StartsAt, "minute"), Ends: component.At(one.EndsAt, "minute"),
		}
		if one.EndedAt != nil {
			row.Ends, row.By = component.AtPointer(one.EndedAt, "minute"), one.MadeBy+", ended by "+one.EndedBy
		}
		if d.MayChange && one.State(p.now) != budget.RaiseOver {
			row.EndHref = d.Href + "/raises/" + one.ID.String() + "/end"
		}
		d.Raises = append(d.Raises, row)
	}
	return err
}

func raiseBadge(one budget.Raise, now time.Time) component.Badge {
	switch one.State(now) {
	case budget.RaiseInForce:
		return component.Badge{Text: "in force", Tone: component.OK}
	case budget.RaiseToCome:
		return component.Badge{Text: "to come", Tone: component.Info}
	default:
		return component.Badge{Text: "over", Tone: component.Plain}
	}
}

func (p *budgetPage) history(ctx context.Context, d *budgetui.Detail) error {
	if !d.MayAudit {
		return nil
	}
	all, err := p.Audit.Of(ctx, p.visit.actor, p.budget.ID.UUID, changesShown)
	for _, one := range all {
		d.History = append(d.History, budgetui.Event{At: component.At(one.At, "minute"), Who: one.ActorName, Text: changeText(one)})
	}
	return err
}
