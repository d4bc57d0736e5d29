package web_test

import (
	"fmt"
	"time"

	"tollgate.dev/web/budgetui"
	"tollgate.dev/web/component"
	"tollgate.dev/web/usageui"
)

func budgetRows(count int) []budgetui.Row {
	hard := component.Badge{Text: "hard", Tone: component.Plain}
	rows := []budgetui.Row{
		{
			ID: "b1", Name: "Everything", Href: "/budgets/1", Scope: "whole organization", Mode: hard, Period: "per month, Europe/Berlin",
			Limit: "$2,000.00", Spent: "$1,204.88", Leased: "$12.00", Left: "$783.12", Used: "60%", Resets: component.At(noon.Add(260*time.Hour), "minute"),
			Bar:     component.Bar{Label: "60% spent, 1% on edges", Parts: []component.BarPart{{PerMille: 602, Fill: "ok"}, {PerMille: 6, Fill: "lease"}}},
			Outlook: budgetui.Outlook{Text: "lasts", Note: "At $60.24 a day, the pace of the last seven days, it will have spent $1,857.48 at the period's end.", Tone: component.Plain},
		},
		{
			ID: "b2", Name: "support-bot daily", Href: "/budgets/2", Scope: "agent support-bot", Mode: hard, Period: "per day, UTC",
			Limit: "$10.00", Spent: "$9.82", Leased: "$0.11", InDoubt: "$0.0021", Left: "$0.0679", Used: "98%", Resets: component.At(noon.Add(12*time.Hour), "minute"),
			Raised: "$5.00", RaisedUntil: component.At(noon.Add(6*time.Hour), "minute"),
			Bar:     component.Bar{Label: "98% spent", Parts: []component.BarPart{{PerMille: 982, Fill: "bad"}, {PerMille: 11, Fill: "lease"}}},
			Outlook: budgetui.Outlook{Text: "runs out", At: component.At(noon.Add(time.Hour), "minute"), Note: "At $14.00 a day, the pace of the last seven days.", Tone: component.Bad},
		},
		{
			ID: "b3", Name: "Research", Href: "/budgets/3", Scope: "workspace Research", Mode: component.Badge{Text: "soft", Tone: component.Info}, Period: "for ever",
			Limit: "$400.00", Spent: "$431.50", Leased: "$0.00", Left: "$0.00", Overrun: "$31.50", Used: "100%",
			Bar:     component.Bar{Label: "100% spent", Parts: []component.BarPart{{PerMille: 1000, Fill: "bad"}}},
			Outlook: budgetui.Outlook{Text: "used up", Tone: component.Bad},
		},
		{
			ID: "b4", Name: "Each customer", Href: "/budgets/4", Scope: "each end user", Mode: hard, Period: "per month, UTC",
			Limit: "$5.00", Spent: "$3,120.44", Leased: "$8.10", Left: "$0.00", Used: "100%", Resets: component.At(noon.Add(260*time.Hour), "minute"),
			Bar:  component.Bar{Label: "100% spent", Parts: []component.BarPart{{PerMille: 1000, Fill: "bad"}}},
			Each: budgetui.Each{Count: "5,012 end users", UsedUp: "3 used up", Top: accountRows(3)},
		},
	}
	for i := len(rows); i < count; i++ {
		row := rows[i%len(rows)]
		row.ID = fmt.Sprintf("b%d", i)
		row.Name = fmt.Sprintf("%s %d", row.Name, i)
		rows = append(rows, row)
	}
	return rows[:count]
}

func accountRows(count int) []budgetui.Account {
	rows := make([]budgetui.Account, count)
	for i := range rows {
		used := max(1000-i*17, 3)
		rows[i] = budgetui.Account{
			Subject: fmt.Sprintf("customer-%d@example.com", 481+i*7), Spent: fmt.Sprintf("$%d.%02d", used/200, used%100), Leased: "$0.02", InDoubt: "$0.00", Left: "$0.00", Used: fmt.Sprintf("%d%%", used/10),
			Bar: component.Bar{Label: "spent", Parts: []component.BarPart{{PerMille: used, Fill: "ok"}}},
		}
	}
	return rows
}

// budgetDetail is one budget with much behind it.
func budgetDetail() budgetui.Detail {
	d := budgetui.Detail{
		Row: budgetRows(2)[1], MayChange: true, MayAudit: true, EditHref: "/budgets/2/edit", RaiseHref: "/budgets/2/raises/new", ReleaseHref: "/budgets/2/release-doubt", ArchiveHref: "/budgets/2/archive",
		AtLimit: "calls are refused", Alerts: "at 50, 80, 100 %, and when it is going to run out",
		Parts: []budgetui.Part{
			{Name: "Spent", Fill: "bad", Amount: "$9.82", Text: "What calls cost that have ended."},
			{Name: "In doubt", Fill: "plain", Amount: "$0.0021", Text: "Set aside by calls whose end nobody saw. It counts until somebody knows."},
			{Name: "On edges", Fill: "lease", Amount: "$0.11", Text: "Lent to edges ahead of calls. What they do not use comes back."},
			{Name: "Left", Amount: "$0.0679", Text: "Free: an edge can have it for its next call."},
		},
		Chart: chart(1, 30, "day"), ChartNote: "Even pace: $0.4167 an hour",
		Takers: &budgetui.Takers{
			By: "Key", Total: "$9.82", Rest: "$0.12",
			Groups: []budgetui.Choice{{Label: "Key", Href: "/budgets/2?group=virtual_key", Current: true}, {Label: "End user", Href: "/budgets/2?group=end_user"}, {Label: "Model", Href: "/budgets/2?group=model"}},
		},
		Holders: []budgetui.Holder{{Edge: "edge-fra-1", Amount: "$0.07", At: component.At(noon, "ago")}, {Edge: "edge-iad-2", Amount: "$0.04", At: component.At(noon, "ago")}},
		Doubts:  usageui.List{Rows: calls(6)[5:]}, DoubtsPager: component.Pager{Older: "/usage?before=1&outcome=indeterminate"},
		Past: []budgetui.Past{{Period: "19 November 2026", Spent: "$8.40"}, {Period: "18 November 2026", Spent: "$10.02", InDoubt: "$0.02"}},
		Raises: []budgetui.Raise{
			{Amount: "$5.00", Reason: "Launch of the new assistant; agreed with Maya.", State: component.Badge{Text: "in force", Tone: component.OK}, Starts: component.At(noon, "minute"), Ends: component.At(noon.Add(6*time.Hour), "minute"), By: "ada@example.com", EndHref: "/budgets/2/raises/1/end"},
			{Amount: "$2.00", Reason: "Month-end reports", State: component.Badge{Text: "over", Tone: component.Plain}, Starts: component.At(noon.Add(-99*time.Hour), "minute"), Ends: component.At(noon.Add(-90*time.Hour), "minute"), By: "ada@example.com, ended by tom@example.com"},
		},
		History: []budgetui.Event{
			{At: component.At(noon, "minute"), Who: "ada@example.com", Text: "raised by $5.00 until 20 November 2026, 18:00 UTC: Launch of the new assistant; agreed with Maya."},
			{At: component.At(noon.Add(-200*time.Hour), "minute"), Who: "deploy", Text: "created with a limit of $10.00"},
		},
	}
	d.Chart.Title, d.Chart.Pace = "Spent by hour", 430
	for i, name := range []string{"support-bot production", "support-bot nightly", "notebook"} {
		share := 700 - i*290
		d.Takers.Rows = append(d.Takers.Rows, budgetui.Taker{Name: name, Calls: "1,204", Cost: "$3.20", Share: fmt.Sprintf("%d%%", share/10), Bar: component.Bar{Label: "share", Parts: []component.BarPart{{PerMille: share, Fill: "ok"}}}})
		d.Table = append(d.Table, budgetui.Line{At: component.At(noon.Add(time.Duration(i)*time.Hour), "minute"), Amount: "$3.20"})
	}
	return d
}

func budgetStories() []story {
	each := budgetui.Detail{
		Row: budgetRows(4)[3], AtLimit: "calls are refused", Alerts: "at 100%", Chart: component.Chart{Title: "Spent by day", Unit: "day"},
		Parts: []budgetui.Part{{Name: "Spent", Fill: "ok", Amount: "$3,120.44", Text: "What calls cost that have ended."}},
		Past:  []budgetui.Past{{Period: "October 2026", Spent: "$9,120.44", Accounts: "4,870"}},
		Accounts: &budgetui.Accounts{
			Title: "End users", Of: "end user", Limit: "$5.00", Page: "/budgets/4", Rows: accountRows(50), Next: "/budgets/4?after=x#accounts",
			Search: component.Field{Name: "search", Label: "Part of the end user", Kind: "search", Optional: true},
		},
	}
	alerts := budgetui.Alerts{
		Percents: component.Field{Name: "alert_percents", Label: "Alert at", Value: "50, 80, 100", Suffix: "%", Optional: true},
		Forecast: component.Field{Name: "alert_forecast", Label: "Alert when it is going to run out", Value: "yes", Checked: true},
	}
	mode := component.Field{Name: "mode", Label: "At the limit", Value: "hard", Options: []component.Option{{Value: "hard", Label: "Refuse calls", Help: "Never overshot."}, {Value: "soft", Label: "Only count", Help: "Nothing is refused."}}}
	return []story{
		{name: "budgets", title: "Budgets", active: "Budgets", content: budgetui.Page(budgetui.List{MayAdd: true, Rows: budgetRows(4), Sifted: component.Sifted{Paging: component.Paging{Shown: "51–54 of 54", Previous: "/budgets?page=1"}}})},
		{name: "budget", title: "support-bot daily", active: "Budgets", content: budgetui.DetailPage(budgetDetail())},
		{name: "budget-each", title: "Each customer", active: "Budgets", content: budgetui.DetailPage(each)},
		{name: "budget-form", title: "New budget", active: "Budgets", content: budgetui.FormPage(budgetui.Form{
			Form: form("budget-form", "/budgets/new", "Create budget"), Title: "New budget",
			Name: component.Field{Name: "name", Label: "Name", Value: "Everything"},
			Target: component.Field{Name: "target", Label: "Applies to", Value: "label", Options: []component.Option{
				{Value: "org", Label: "The whole organization"}, {Group: "Agents", Value: "agent:1", Label: "Agent support-bot"}, {Group: "One by name", Value: "label", Label: "A label's value, or each of its values …"},
			}},
			ScopeValue: component.Field{Name: "scope_value", Label: "Which one", Optional: true, Mono: true},
			Limit:      component.Field{Name: "limit_usd", Label: "Limit", Value: "12,50", Prefix: "$", InputMode: "decimal", Error: "“12,50” is not an amount in US dollars such as 12.50"},
			Period:     component.Field{Name: "period", Label: "Renewed", Value: "month", Options: []component.Option{{Value: "month", Label: "Every month"}}},
			TimeZone:   component.Field{Name: "time_zone", Label: "Time zone", Value: "Europe/Berlin", Help: "Where the period begins at midnight."},
			Mode:       mode, Alerts: alerts,
		})},
		{name: "budget-change", title: "Everything", active: "Budgets", content: budgetui.ChangePage(budgetui.Change{
			Form: form("budget-change", "/budgets/1/edit", "Save"), Row: budgetRows(1)[0],
			Name: component.Field{Name: "name", Label: "Name", Value: "Everything"}, Limit: component.Field{Name: "limit_usd", Label: "Limit", Value: "2000.00", Prefix: "$"}, Mode: mode, Alerts: alerts,
		})},
		{name: "release-form", title: "Release doubt of Everything", active: "Budgets", content: budgetui.ReleasePage(budgetui.ReleaseForm{
			Form: form("release-form", "/budgets/1/release-doubt", "Release"), Name: "Everything", InDoubt: "$1.20",
			As:     component.Field{Name: "as", Label: "What you know of it", Options: []component.Option{{Value: "spent", Label: "It was spent", Help: "It stays counted."}, {Value: "not_spent", Label: "It was not spent", Help: "The budget gets it back."}}},
			Reason: component.Field{Name: "reason", Label: "How you know", Error: "say how you know; it is kept in the audit log"},
		})},
		{name: "raise-form", title: "Raise", active: "Budgets", content: budgetui.RaisePage(budgetui.RaiseForm{
			Form: form("raise-form", "/budgets/1/raises/new", "Raise"), Row: budgetRows(4)[3],
			Amount: component.Field{Name: "amount_usd", Label: "By", Prefix: "$"},
			Starts: component.Field{Name: "starts_at", Label: "From", Kind: "datetime-local", Optional: true, Help: "Empty: at once. In UTC."},
			Ends:   component.Field{Name: "ends_at", Label: "Until", Kind: "datetime-local", Value: "2026-11-30T18:00", Error: "Choose a time that is still to come."},
			Reason: component.Field{Name: "reason", Label: "Reason", Error: "Say why."},
		})},
	}
}
