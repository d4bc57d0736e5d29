package web_test

import (
	"fmt"
	"time"

	"tollgate.dev/web/component"
	"tollgate.dev/web/layout"
	"tollgate.dev/web/usageui"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func frame(title, active string) layout.Page {
	item := func(label, href, icon string) layout.Item {
		return layout.Item{Label: label, Href: href, Icon: icon, Current: label == active}
	}
	return layout.Page{
		Title: title, Static: "/static/x", CSRF: "token", Path: "/", Live: true,
		Person: layout.Person{Name: "Ada Lindqvist", Initials: "AL", Role: "owner"},
		Org:    layout.Org{ID: "1", Name: "Northwind", Initials: "N", Current: true},
		Orgs:   []layout.Org{{ID: "1", Name: "Northwind", Initials: "N", Current: true}, {ID: "2", Name: "Contoso Research", Initials: "C"}},
		Nav: []layout.Group{
			{Items: []layout.Item{item("Overview", "/", "layout-dashboard"), item("Spend", "/spend", "chart-column"), item("Usage", "/usage", "list")}},
			{Title: "Control", Items: []layout.Item{item("Virtual keys", "/virtual-keys", "key-round"), item("Budgets", "/budgets", "wallet"), item("Rate limits", "/rate-limits", "gauge"), item("Routes", "/routes", "git-branch"), item("Guardrails", "/guardrails", "shield-check")}},
			{Title: "Connect", Items: []layout.Item{item("Agents", "/agents", "bot"), item("Workspaces", "/workspaces", "layers"), item("Providers", "/providers", "plug"), item("Edges", "/edges", "server")}},
			{Title: "Organization", Items: []layout.Item{item("Members", "/members", "users"), item("Audit", "/audit", "history"), item("Settings", "/settings", "settings")}},
		},
	}
}

var agents = []string{"support-bot", "nightly-report", "code-reviewer", "sales-mailer", "invoice-reader", "translator", "search-helper", "other"}

func chart(groups, columns int, unit string) component.Chart {
	c := component.Chart{Title: "Cost per agent by " + unit, Unit: unit, Axis: []string{"$12", "$9", "$6", "$3", "$0"}}
	for g := range groups {
		c.Series = append(c.Series, component.Series{Name: agents[g], Color: g + 1})
	}
	for i := range columns {
		start := noon.Add(time.Duration(i-columns) * time.Hour)
		column := component.Column{Start: component.At(start, "clock"), Total: fmt.Sprintf("$%d.%02d", 3+i%7, i*13%100)}
		for g := range groups {
			height := (40 + (i*37+g*53)%180) * 4 / (groups + 3)
			column.Parts = append(column.Parts, component.ColumnPart{Name: agents[g], Cost: fmt.Sprintf("$0.%02d", height%100), PerMille: height, Color: g + 1})
		}
		c.Columns = append(c.Columns, column)
		if i%6 == 0 {
			c.Hours = append(c.Hours, component.At(start, "clock"))
		}
	}
	return c
}

func figures() []component.Stat {
	spark := []int{120, 340, 280, 600, 900, 410, 300, 220, 460, 700, 1000, 640}
	return []component.Stat{
		{Label: "Spent today", Value: "$38.41", Note: "$29.07 yesterday by this hour", Spark: spark},
		{Label: "Spent this month", Value: "$1,204.88", Note: "since 1 November"},
		{Label: "Calls today", Value: "18,204", Note: "99.2% answered"},
		{Label: "Refused today", Value: "143", Note: "budget 90 · guardrail 41 · key 12"},
	}
}

func calls(count int) []usageui.Row {
	outcomes := []usageui.Row{
		{Outcome: component.Badge{Text: "ok", Tone: component.OK}, Answered: "openai / gpt-4o-mini-2024-07-18", Tokens: "1,204 → 310", Cost: "$0.0003666", Duration: "1.24 s"},
		{Outcome: component.Badge{Text: "refused", Tone: component.Warn}, Why: "budget_exhausted · support-bot daily", Tokens: "–", Cost: "$0.00", Duration: "0.1 ms"},
		{Outcome: component.Badge{Text: "ok", Tone: component.OK}, Answered: "anthropic / claude-sonnet-4-5", Tokens: "18,022 → 1,940", Cost: "$0.08317", Duration: "14.0 s"},
		{Outcome: component.Badge{Text: "failed", Tone: component.Bad}, Why: "upstream_cut", Answered: "openai / gpt-4o", Tokens: "900 → 12", Cost: "$0.00237", Duration: "3.20 s"},
		{Outcome: component.Badge{Text: "refused", Tone: component.Warn}, Why: "guardrail_blocked · project names", Tokens: "–", Cost: "$0.00", Duration: "0.2 ms"},
		{Outcome: component.Badge{Text: "indeterminate", Tone: component.Bad}, Answered: "openai / gpt-4o", Tokens: "2,000 → 0", Cost: "$0.005", Duration: "–"},
	}
	rows := make([]usageui.Row, count)
	for i := range rows {
		row := outcomes[i%len(outcomes)]
		row.ID, row.Href = fmt.Sprintf("e%d", i), fmt.Sprintf("/usage/e%d", i)
		row.At = component.At(noon.Add(-time.Duration(i*47)*time.Second), "moment")
		row.Agent, row.Key, row.Model = agents[i%7], "production", []string{"fast", "gpt-4o", "claude-sonnet-4-5"}[i%3]
		rows[i] = row
	}
	return rows
}
