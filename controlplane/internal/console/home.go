package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/web/budgetui"
	"tollgate.dev/web/component"
	"tollgate.dev/web/homeui"
)

const (
	homeBudgets  = 4
	homeEdges    = 6
	homeRefusals = 5
)

func (c *Console) home(v *visit) error {
	shown, err := c.homeView(v)
	if err != nil {
		return err
	}
	if shown.Steps, shown.Done, err = c.firstSteps(v, len(shown.Edges) > 0); err != nil {
		return err
	}
	found, err := c.Orgs.Get(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	shown.Greeting, shown.Live = found.Name, "/live"
	return c.draw(v, view{Title: "Overview", Active: "/", Live: true, Content: homeui.Page(shown)})
}

func (c *Console) homeLive(v *visit) error {
	return c.stream(v, c.Usage.Changes(v.Request().Context(), v.actor.Org), usageEvery, func() ([]part, error) {
		shown, err := c.homeView(v)
		if err != nil {
			return nil, err
		}
		return []part{{"overview", homeui.Body(shown)}}, nil
	})
}

func (c *Console) homeView(v *visit) (homeui.View, error) {
	ctx := v.Request().Context()
	figures, err := c.homeFigures(v)
	if err != nil {
		return homeui.View{}, err
	}
	s := span{name: "24h", to: c.config.Now().UTC().Truncate(time.Hour).Add(time.Hour), step: time.Hour}
	s.from = s.to.Add(-day)
	spent, err := c.Usage.Spend(ctx, v.actor, usage.SpendQuery{From: s.from, To: s.to, GroupBy: usage.ByAgent, Step: usage.ByHour, Cells: colors})
	if err != nil {
		return homeui.View{}, err
	}
	budgets, err := c.Budgets.List(ctx, v.actor)
	if err != nil {
		return homeui.View{}, err
	}
	all, err := c.Edges.List(ctx, v.actor)
	if err != nil {
		return homeui.View{}, err
	}
	only := usage.Filter{Limit: homeRefusals, Outcome: "refused"}
	refused, next, err := c.callList(v, only)
	if err != nil {
		return homeui.View{}, err
	}
	var older component.Pager
	if next != "" {
		older.Older = "/usage?" + usageQuery(only, next).Encode()
	}
	return homeui.View{
		RefusedPager: older,
		Figures:      figures, Chart: sumsOf(spent, s).chart("Cost per agent, last 24 hours", s), Quiet: spent.Total.Events == 0,
		Budgets: nearest(budgets, c.config.Now()), Edges: edgeLines(all), Refused: refused,
	}, nil
}

func nearest(all []budget.Standing, now time.Time) []budgetui.Row {
	used := func(one budget.Standing) int { return one.InForce().Sub(one.Left).PerMille(one.InForce()) }
	slices.SortStableFunc(all, func(a, b budget.Standing) int { return used(b) - used(a) })
	rows := []budgetui.Row{}
	for _, one := range all[:min(len(all), homeBudgets)] {
		rows = append(rows, budgetRow(one, now))
	}
	return rows
}

func edgeLines(all []edge.Edge) []homeui.Edge {
	var lines []homeui.Edge
	for _, one := range all[:min(len(all), homeEdges)] {
		line := homeui.Edge{Name: one.Name, State: edgeState(one), Note: behind(one).Text}
		if one.Generation == one.Current && one.Current > 0 {
			line.Note = "current, in " + took(time.Duration(one.LagMS)*time.Millisecond)
		}
		lines = append(lines, line)
	}
	return lines
}

// homeFigures sums today and the month, in UTC, from the days by outcome.
func (c *Console) homeFigures(v *visit) ([]component.Stat, error) {
	now := c.config.Now().UTC()
	today, month := now.Truncate(day), time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	end := now.Truncate(time.Hour).Add(time.Hour)
	days, err := c.Usage.Spend(v.Request().Context(), v.actor, usage.SpendQuery{From: month, To: today.AddDate(0, 0, 1), GroupBy: usage.ByOutcome, Step: usage.ByDay})
	if err != nil {
		return nil, err
	}
	var spentToday, spentMonth money.Amount
	var calls, refused, answered int64
	for _, one := range days.Cells {
		spentMonth = spentMonth.Add(one.Cost)
		if one.Start.Before(today) {
			continue
		}
		spentToday = spentToday.Add(one.Cost)
		calls += one.Events
		switch one.GroupID {
		case "refused":
			refused += one.Events
		case "ok":
			answered += one.Events
		}
	}
	note, err := c.refusalNote(v, today, end)
	if err != nil {
		return nil, err
	}
	return []component.Stat{
		{Label: "Spent today", Value: spentToday.USD(), Note: "since midnight UTC", TestID: "spent-today"},
		{Label: "Spent this month", Value: spentMonth.USD(), Note: "since 1 " + now.Format("January"), TestID: "spent-month"},
		{Label: "Calls today", Value: grouped(calls), Note: answeredNote(answered, calls), TestID: "calls-today"},
		{Label: "Refused today", Value: grouped(refused), Note: note, TestID: "refused-today"},
	}, nil
}

func answeredNote(answered, calls int64) string {
	if calls == 0 {
		return "none yet"
	}
	return fmt.Sprintf("%d.%d%% answered", answered*100/calls, answered*1000/calls%10)
}

const refusalsNamed = 3

// refusalNote names the most frequent reasons.
func (c *Console) refusalNote(v *visit, from, to time.Time) (string, error) {
	all, err := c.Usage.Refusals(v.Request().Context(), v.actor, from, to)
	if err != nil {
		return "", err
	}
	var words []string
	for _, one := range all[:min(len(all), refusalsNamed)] { // the most frequent come first
		words = append(words, strings.ReplaceAll(one.Code, "_", " ")+" "+strconv.FormatInt(one.Count, 10))
	}
	return strings.Join(words, " · "), nil
}

// firstSteps lists what a new organization needs before its first call; none when all of it is there.
func (c *Console) firstSteps(v *visit, hasEdge bool) ([]homeui.Step, string, error) {
	if !v.actor.May(authz.ProviderWrite) {
		return nil, "", nil
	}
	have, err := c.have(v)
	if err != nil {
		return nil, "", err
	}
	steps := []homeui.Step{
		{Title: "Start an edge", Text: "Edges carry the calls; each is one process.", Href: "/edges", Action: "How to", Done: hasEdge},
		{Title: "Make a workspace", Text: "For a team or product whose spend you want to see apart.", Href: "/workspaces/new", Action: "New workspace", Done: have.workspaces > 0},
		{Title: "Name an agent", Text: "The program that makes calls; the bill says what it spent.", Href: "/agents/new", Action: "New agent", Done: have.agents > 0},
		{Title: "Connect a provider", Text: "Its address and one API key, encrypted before it is stored.", Href: "/providers/new", Action: "New provider", Done: have.providers > 0},
		{Title: "Make a model callable", Text: "A route names the model as your agents call it.", Href: "/routes/new", Action: "New route", Done: have.routes > 0},
		{Title: "Set a budget", Text: "Calls beyond it are refused before they cost anything.", Href: "/budgets/new", Action: "New budget", Done: have.budgets > 0},
		{Title: "Create a virtual key", Text: "And make the first call with it.", Href: "/virtual-keys/new", Action: "New virtual key", Done: have.keys > 0},
	}
	done, now := 0, false
	for i := range steps {
		if steps[i].Done {
			done++
		} else if !now {
			steps[i].Now, now = true, true
		}
	}
	if done == len(steps) {
		return nil, "", nil
	}
	return steps, fmt.Sprintf("%d of %d done", done, len(steps)), nil
}

type inventory struct{ workspaces, agents, providers, routes, budgets, keys int }

func (c *Console) have(v *visit) (inventory, error) {
	ctx := v.Request().Context()
	var have inventory
	workspaces, err := c.Workspaces.List(ctx, v.actor)
	if err != nil {
		return have, err
	}
	agents, err := c.Agents.List(ctx, v.actor)
	if err != nil {
		return have, err
	}
	providers, err := c.Providers.List(ctx, v.actor)
	if err != nil {
		return have, err
	}
	routes, err := c.Routes.List(ctx, v.actor)
	if err != nil {
		return have, err
	}
	budgets, err := c.Budgets.List(ctx, v.actor)
	if err != nil {
		return have, err
	}
	keys, err := c.VirtualKeys.List(ctx, v.actor)
	if err != nil {
		return have, err
	}
	return inventory{len(workspaces), len(agents), len(providers), len(routes), len(budgets), len(keys)}, nil
}

// monthByAgent sums this month's cost, in UTC, by agent.
func (c *Console) monthByAgent(v *visit) (map[string]money.Amount, error) {
	now := c.config.Now().UTC()
	month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	spent, err := c.Usage.Spend(v.Request().Context(), v.actor, usage.SpendQuery{From: month, To: now.Truncate(day).AddDate(0, 0, 1), GroupBy: usage.ByAgent, Limit: 1000})
	if err != nil {
		return nil, err
	}
	sums := map[string]money.Amount{}
	for _, one := range spent.Groups {
		sums[one.GroupID] = one.Cost
	}
	return sums, nil
}
