package controlplane

import (
	"context"
	"net/url"
	"slices"
	"time"

	"tollgate.dev/controlplane/internal/alert"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/controlplane/internal/work"
)

// mountAlerts wires channels and alerts, and hands their jobs to who does them.
func (h *house) mountAlerts() {
	base := h.config.PublicURL
	if base == nil {
		base = &url.URL{Scheme: "http", Host: h.config.Addr}
	}
	sender := channel.NewSender(h.config.EgressAllow, h.config.Mail, base, h.now)
	h.channels = channel.New(h.db, h.box, h.jobs, sender, h.now)
	h.alerts = alert.New(h.db, h.pool, watch{h}, h.channels, h.now, h.logger)
	work.Do(h.jobs, time.Minute, h.channels.Deliver)
	work.Do(h.jobs, time.Minute, h.alerts.EvaluateQuick)
	work.Do(h.jobs, time.Minute, h.alerts.EvaluateSlow)
	h.jobs.Every(alert.QuickEvery, alert.Quick{})
	h.jobs.Every(alert.SlowEvery, alert.Slow{})
}

// watch shows alerts what the other nouns know.
type watch struct{ house *house }

const (
	unpricedEvents = 500 // of today, which are looked at
	unpricedMax    = 20  // models
	pastHours      = 14 * 24
)

func watcher(org ident.Org) authz.Actor {
	return authz.Actor{Org: org, Kind: authz.SystemActor, Name: "alerts", Role: authz.Viewer}
}

// Accounts returns the accounts of an organization's budgets, without forecasts.
func (w watch) Accounts(ctx context.Context, org ident.Org) ([]alert.Account, error) {
	return accountsOf(w.house.budgets.Accounts(ctx, org))
}

func accountsOf(standings []budget.Standing, err error) ([]alert.Account, error) {
	accounts := make([]alert.Account, len(standings))
	for i, one := range standings {
		accounts[i] = account(one)
	}
	return accounts, err
}

func account(one budget.Standing) alert.Account {
	a := alert.Account{
		Budget: one.ID, Name: one.Name, Accounts: 1, PeriodStart: one.PeriodStart, Limit: one.InForce(), Used: one.Used(), InDoubt: one.InDoubt, Percents: one.AlertPercents,
	}
	if scope.EachValue(one.Scope, one.ScopeValue) {
		a.Accounts, a.Used = one.Accounts, one.InForce().Sub(one.Left) // of the fullest; what edges hold counts too
	}
	if one.ResetsAt != nil {
		a.PeriodEnd = *one.ResetsAt
	}
	if one.AlertForecast && one.Verdict == budget.RunsOut {
		a.RunsOutAt = one.RunsOutAt
	}
	return a
}

// Targets returns what edges of an organization hold calls back from.
func (w watch) Targets(ctx context.Context, org ident.Org) ([]alert.Target, error) {
	edges, err := w.house.edges.List(ctx, watcher(org))
	return heldTargets(edges), err
}

// Signals returns what an organization's other rules look at.
func (w watch) Signals(ctx context.Context, org ident.Org) (seen alert.Signals, err error) {
	actor, now := watcher(org), w.house.now()
	if seen.Accounts, err = accountsOf(w.house.budgets.Standings(ctx, org)); err != nil {
		return seen, err
	}
	if seen.Spend, err = w.hours(ctx, actor, now); err != nil {
		return seen, err
	}
	if err := w.refusals(ctx, actor, now, &seen); err != nil {
		return seen, err
	}
	if err := w.rejects(ctx, actor, now, &seen); err != nil {
		return seen, err
	}
	return seen, w.fleet(ctx, actor, &seen)
}

// rejects tells the usage of today that the books could not take.
func (w watch) rejects(ctx context.Context, actor authz.Actor, now time.Time, seen *alert.Signals) error {
	today := now.UTC().Truncate(24 * time.Hour)
	all, err := w.house.edges.Rejects(ctx, actor, today, today.Add(24*time.Hour))
	for _, one := range all {
		seen.Rejects = append(seen.Rejects, alert.Reject{Edge: one.EdgeID, Name: one.Edge, Records: one.Records, LastSeq: one.LastSeq, LastReason: one.LastReason})
	}
	return err
}

// hours returns what each agent and workspace spent in this hour and in those of the last two weeks.
func (w watch) hours(ctx context.Context, actor authz.Actor, now time.Time) ([]alert.Hours, error) {
	hour := now.UTC().Truncate(time.Hour)
	spent, err := w.house.usage.CostsBy(ctx, actor, []usage.Group{usage.ByAgent, usage.ByWorkspace}, hour.Add(-pastHours*time.Hour), hour.Add(time.Hour))
	var all []alert.Hours
	for _, each := range spent {
		if each.GroupID == "" {
			continue
		}
		group := string(each.Group)
		one := alert.Hours{Subject: group + ":" + each.GroupID, Name: "The " + group + " “" + each.GroupName + "”", Path: "/spend?group=" + group}
		for at, cost := range each.Costs {
			switch {
			case cost.Sign() <= 0:
			case at.Equal(hour):
				one.Now = cost
			default:
				one.Past = append(one.Past, cost)
			}
		}
		all = append(all, one)
	}
	return all, err
}

// refusals counts what budgets and guardrails refused, and names the models without a price.
func (w watch) refusals(ctx context.Context, actor authz.Actor, now time.Time, seen *alert.Signals) error {
	hour := now.UTC().Truncate(time.Hour)
	this, err := w.house.usage.Refusals(ctx, actor, hour, hour.Add(time.Hour))
	if err != nil {
		return err
	}
	before, err := w.house.usage.Refusals(ctx, actor, hour.Add(-24*time.Hour), hour)
	if err != nil {
		return err
	}
	count := func(all []usage.Refusal, code string) (sum int64) {
		for _, one := range all {
			if one.Code == code {
				sum += one.Count
			}
		}
		return sum
	}
	seen.BudgetRefusals = count(this, "budget_exhausted")
	seen.GuardrailBlocks, seen.GuardrailBefore = count(this, "guardrail_blocked"), count(before, "guardrail_blocked")
	page, err := w.house.usage.Events(ctx, actor, usage.Filter{Code: "price_unknown", From: now.UTC().Truncate(24 * time.Hour), Limit: unpricedEvents})
	if err != nil {
		return err
	}
	for _, event := range page.Items {
		if len(seen.Unpriced) < unpricedMax && !slices.Contains(seen.Unpriced, event.Model) {
			seen.Unpriced = append(seen.Unpriced, event.Model)
		}
	}
	return nil
}

// fleet shows the edges and why the newest configuration is not pushed.
func (w watch) fleet(ctx context.Context, actor authz.Actor, seen *alert.Signals) error {
	edges, err := w.house.edges.List(ctx, actor)
	if err != nil {
		return err
	}
	for _, one := range edges {
		seen.Edges = append(seen.Edges, alert.Edge{
			ID: one.ID, Name: one.Name, Connected: one.Connected, Accepting: one.Accepting, LastSeenAt: one.LastSeenAt, NackPath: one.NackPath, NackReason: one.NackReason, Corrupt: one.SpoolCorrupt,
		})
	}
	seen.Refusals = refusals(edges)
	problem, err := w.house.edges.Problem(ctx, actor)
	if problem != nil {
		seen.ProblemPath, seen.Problem = problem.Path, problem.Reason
	}
	return err
}

// refusals brings together what edges say of the credentials of the same provider.
func refusals(edges []edge.Edge) (all []alert.Refusal) {
	known := map[ident.Credential]bool{}
	for _, each := range edges {
		for _, one := range each.Refused {
			at := slices.IndexFunc(all, func(r alert.Refusal) bool { return r.Provider == one.ProviderID })
			if at < 0 {
				at = len(all)
				all = append(all, alert.Refusal{Provider: one.ProviderID, ProviderName: one.Provider, Since: one.Since})
			}
			of := &all[at]
			of.Status = one.Status
			if !known[one.CredentialID] {
				known[one.CredentialID] = true
				of.Credentials++
			}
			if !slices.Contains(of.Edges, each.Name) {
				of.Edges = append(of.Edges, each.Name)
			}
			if one.Since.Before(of.Since) {
				of.Since = one.Since
			}
		}
	}
	return all
}

// heldTargets brings together what edges say of the same target.
func heldTargets(edges []edge.Edge) []alert.Target {
	type place struct {
		provider ident.Provider
		model    string
		route    ident.Route
	}
	held := map[place]*alert.Target{}
	var order []place
	for _, each := range edges {
		for _, one := range each.OpenTargets {
			at := place{one.ProviderID, one.Model, one.RouteID}
			target := held[at]
			if target == nil {
				target = &alert.Target{Provider: one.ProviderID, ProviderName: one.Provider, Model: one.Model, Route: one.RouteID, RouteName: one.Route, Since: one.Since, Reason: one.Reason, Limited: one.Limited}
				held[at] = target
				order = append(order, at)
			}
			target.Edges = append(target.Edges, each.Name)
			if one.Since.Before(target.Since) {
				target.Since = one.Since
			}
		}
	}
	all := make([]alert.Target, len(order))
	for i, at := range order {
		all[i] = *held[at]
	}
	return all
}
