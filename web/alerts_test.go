package web_test

import (
	"time"

	"tollgate.dev/web/alertui"
	"tollgate.dev/web/channelui"
	"tollgate.dev/web/component"
)

func alertStories() []story {
	row := alertui.Row{
		ID: "a1", Href: "/alerts/a1", Title: "Budget “Everything” has reached 80% of its limit", Text: "$1,604.88 of $2,000.00 are used in the period since 1 November 2026. It begins anew on 1 December 2026.",
		Severity: component.Badge{Text: "warning", Tone: component.Warn}, Rule: "Budget threshold", Fired: component.At(noon, "minute"),
		Deliveries: []component.Badge{{Text: "finance: delivered", Tone: component.OK}, {Text: "Ops webhook: failed", Tone: component.Warn}},
	}
	over := row
	over.ID, over.Title, over.Resolved, over.Deliveries = "a2", "Edge “fra-1” is away", component.At(noon.Add(time.Hour), "minute"), nil
	sent := alertui.Deliveries{CSRF: "token", Rows: []alertui.Delivery{
		{ID: "d1", Channel: "finance", Href: "/channels/1", Title: row.Title, Event: "fired", State: component.Badge{Text: "delivered", Tone: component.OK}, Attempts: "1", Answer: "250: accepted by the mail server", Finished: component.At(noon, "moment"), ResendHref: "/deliveries/d1/resend"},
		{ID: "d2", Channel: "Ops webhook", Href: "/channels/2", Title: row.Title, Event: "fired", State: component.Badge{Text: "failed", Tone: component.Warn}, Attempts: "3", Answer: "503: it has a problem of its own", Next: component.At(noon.Add(time.Minute), "moment")},
	}}
	form := channelui.Form{
		Form: component.Form{ID: "channel-form", Action: "/channels/new?kind=webhook", CSRF: "token", Submit: "Create channel", Cancel: "/channels"}, Title: "New channel: Webhook", Guide: []string{"Each message is a POST of JSON."},
		Name: component.Field{Name: "name", Label: "Name"}, URL: component.Field{Name: "url", Label: "Address", Kind: "password", Error: "begin it with https://"},
		Severity: component.Field{Name: "severity_min", Label: "Takes", Options: []component.Option{{Value: "info", Label: "All alerts"}}},
		Topics:   []component.Field{{Name: "topic-budgets", Label: "Budgets", Value: "yes", Checked: true}, {Name: "topic-edges", Label: "Edges", Value: "yes"}},
	}
	place := channelui.Row{ID: "1", Name: "finance", Href: "/channels/1", ArchiveHref: "/channels/1/archive", Kind: "E-mail", Target: "finance@northwind.example", Takes: "all alerts about budgets", Created: component.At(noon, "day")}
	return []story{
		{name: "alerts-empty", title: "Alerts", active: "Alerts", content: alertui.Page(alertui.List{MayTell: true})},
		{name: "alerts", title: "Alerts", active: "Alerts", content: alertui.Page(alertui.List{Channels: 2, Open: []alertui.Row{row}, Over: []alertui.Row{over}, Pager: component.Pager{Older: "/alerts?before=1"}})},
		{name: "alert", title: "Alert", active: "Alerts", content: alertui.DetailPage(alertui.Detail{Row: row, About: component.Link{Label: "See what it is about", Href: "/budgets/1"}, Deliveries: sent})},
		{name: "alert-rules", title: "Alert rules", active: "Alerts", content: alertui.RulesPage(alertui.Rules{Rows: []alertui.Rule{
			{Name: "Guardrail spike", Text: "Fires once an hour when guardrails blocked so many calls.", Href: "/alerts/rules/guardrail_spike", State: component.Badge{Text: "on", Tone: component.OK}, Severity: row.Severity, Number: "10 blocked calls in an hour"},
		}})},
		{name: "alert-rule-form", title: "Guardrail spike", active: "Alerts", content: alertui.RulePage(alertui.RuleForm{
			Form: component.Form{ID: "alert-rule-form", Action: "/alerts/rules/guardrail_spike", CSRF: "token", Submit: "Save", Cancel: "/alerts/rules"}, Title: "Guardrail spike", Text: "Fires once an hour.",
			Enabled:  component.Field{Name: "enabled", Label: "State", Value: "true", Options: []component.Option{{Value: "true", Label: "On"}, {Value: "false", Label: "Off"}}},
			Severity: component.Field{Name: "severity", Label: "Severity", Value: "warning", Options: []component.Option{{Value: "warning", Label: "Warning"}}}, Number: component.Field{Name: "number", Label: "From", Value: "10", Suffix: "blocked calls in an hour"},
		})},
		{name: "channels-empty", title: "Channels", active: "Channels", content: channelui.Page(channelui.List{MayAdd: true})},
		{name: "channels", title: "Channels", active: "Channels", content: channelui.Page(channelui.List{MayAdd: true, Rows: []channelui.Row{place}})},
		{name: "channel-kinds", title: "New channel", active: "Channels", content: channelui.ChoicePage(channelui.Choice{Kinds: []channelui.Kind{{Name: "Slack", Text: "The address of an incoming webhook.", Href: "/channels/new?kind=slack"}, {Name: "E-mail", Text: "One or more addresses.", Absent: "This installation has no mail server."}}})},
		{name: "channel-form", title: form.Title, active: "Channels", content: channelui.FormPage(form)},
		{name: "channel", title: "finance", active: "Channels", content: channelui.DetailPage(channelui.Detail{Row: place, TestHref: "/channels/1/test", CSRF: "token", Form: &form, Deliveries: sent})},
		{name: "channel-created", title: "Your signing secret", active: "Channels", content: channelui.CreatedPage(channelui.Created{Name: "Ops webhook", Href: "/channels/2", Secret: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="})},
	}
}
