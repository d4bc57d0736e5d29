package console

import (
	"strconv"
	"strings"

	"tollgate.dev/controlplane/internal/alert"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/web/alertui"
	"tollgate.dev/web/component"
)

const alertsPage = 50

func (c *Console) alerts(v *visit) error {
	ctx := v.Request().Context()
	before, err := ident.Parse[ident.Alert](v.QueryParam("before"))
	if err != nil {
		before = ident.Alert{}
	}
	open, err := c.Alerts.Open(ctx, v.actor)
	if err != nil {
		return err
	}
	over, err := c.Alerts.History(ctx, v.actor, alert.Filter{Limit: alertsPage, Before: before})
	if err != nil {
		return err
	}
	channels, err := c.Channels.List(ctx, v.actor)
	if err != nil {
		return err
	}
	list := alertui.List{Channels: len(channels), MayTell: v.actor.May(authz.ChannelWrite)}
	for _, one := range open {
		list.Open = append(list.Open, alertRow(one))
	}
	for _, one := range over {
		list.Over = append(list.Over, alertRow(one))
	}
	if !before.IsZero() {
		list.Pager.First = "/alerts"
	}
	if len(over) == alertsPage {
		list.Pager.Older = "/alerts?before=" + over[len(over)-1].ID.String()
	}
	return c.draw(v, view{Title: "Alerts", Active: "/alerts", Content: alertui.Page(list)})
}

func alertRow(one alert.Alert) alertui.Row {
	row := alertui.Row{
		ID: one.ID.String(), Href: "/alerts/" + one.ID.String(), Title: one.Title, Text: one.Text, Severity: severityBadge(one.Severity), Rule: one.Rule.Name(),
		Fired: component.At(one.FiredAt, "minute"), Resolved: component.AtPointer(one.ResolvedAt, "minute"),
	}
	for _, d := range one.Deliveries {
		if d.Event == channel.Fired {
			badge := stateBadge(d.State)
			row.Deliveries = append(row.Deliveries, component.Badge{Text: d.ChannelName + ": " + badge.Text, Tone: badge.Tone})
		}
	}
	return row
}

func severityBadge(severity channel.Severity) component.Badge {
	return component.Badge{Text: string(severity), Tone: map[channel.Severity]component.Tone{
		channel.Info: component.Info, channel.Warning: component.Warn, channel.Critical: component.Bad,
	}[severity]}
}

func stateBadge(state channel.State) component.Badge {
	switch state {
	case channel.Delivered:
		return component.Badge{Text: "delivered", Tone: component.OK}
	case channel.Failed:
		return component.Badge{Text: "failed", Tone: component.Warn}
	case channel.GivenUp:
		return component.Badge{Text: "given up", Tone: component.Bad}
	default:
		return component.Badge{Text: "queued", Tone: component.Plain}
	}
}

func (c *Console) deliveriesView(v *visit, all []channel.Delivery) alertui.Deliveries {
	shown := alertui.Deliveries{CSRF: v.csrf()}
	for _, d := range all {
		row := alertui.Delivery{
			ID: d.ID.String(), Channel: d.ChannelName, Href: "/channels/" + d.ChannelID.String(), Title: d.Title, Event: string(d.Event), State: stateBadge(d.State),
			Attempts: strconv.Itoa(d.Attempts), Answer: d.Answer, Created: component.At(d.CreatedAt, "minute"), Finished: component.AtPointer(d.FinishedAt, "moment"),
		}
		if d.Status > 0 {
			row.Answer = strconv.Itoa(d.Status) + ": " + d.Answer
		}
		if d.State == channel.Failed {
			row.Next = component.AtPointer(d.NextAt, "moment")
		}
		if v.actor.May(authz.ChannelWrite) && (d.State == channel.Delivered || d.State == channel.GivenUp) {
			row.ResendHref = "/deliveries/" + row.ID + "/resend"
		}
		shown.Rows = append(shown.Rows, row)
	}
	return shown
}

func (c *Console) alert(v *visit) error {
	found, err := c.Alerts.Get(v.Request().Context(), v.actor, idOf[ident.Alert](v, "id"))
	if err != nil {
		return err
	}
	detail := alertui.Detail{Row: alertRow(found), About: component.Link{Label: "See what it is about", Href: found.Path}, Deliveries: c.deliveriesView(v, found.Deliveries)}
	return c.draw(v, view{Title: found.Title, Active: "/alerts", Crumbs: under("Alerts", "/alerts"), Content: alertui.DetailPage(detail)})
}

// resend sends a message again and shows what came of it.
func (c *Console) resend(v *visit) error {
	sent, err := c.Channels.Resend(v.Request().Context(), v.actor, idOf[ident.Delivery](v, "id"))
	if err != nil {
		return err
	}
	back := "/channels/" + sent.ChannelID.String()
	if !sent.AlertID.IsZero() {
		back = "/alerts/" + sent.AlertID.String()
	}
	return c.done(v, back, outcome(sent))
}

// outcome says what came of an attempt.
func outcome(sent channel.Delivery) string {
	text := map[channel.State]string{
		channel.Delivered: "The message to “" + sent.ChannelName + "” is delivered", channel.Failed: "The message to “" + sent.ChannelName + "” was not taken; it is tried again",
		channel.GivenUp: "The message to “" + sent.ChannelName + "” was not taken", channel.Queued: "The message to “" + sent.ChannelName + "” is on its way; load the page again to see what comes of it",
	}[sent.State]
	switch {
	case sent.Answer == "" || sent.State == channel.Queued:
		return text + "."
	case sent.Status > 0:
		return text + " (" + strconv.Itoa(sent.Status) + ": " + sent.Answer + ")."
	default:
		return text + " (" + sent.Answer + ")."
	}
}

func (c *Console) alertRules(v *visit) error {
	all, err := c.Alerts.Rules(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	var shown alertui.Rules
	for _, one := range all {
		row := alertui.Rule{Name: one.Name, Text: one.Text, State: component.Badge{Text: "on", Tone: component.OK}, Severity: severityBadge(one.Severity)}
		if !one.Enabled {
			row.State = component.Badge{Text: "off", Tone: component.Plain}
		}
		if one.Unit != "" {
			row.Number = grouped(int64(one.Number)) + " " + one.Unit
		}
		if v.actor.May(authz.AlertWrite) {
			row.Href = "/alerts/rules/" + string(one.Rule)
		}
		shown.Rows = append(shown.Rows, row)
	}
	return c.draw(v, view{Title: "Alert rules", Active: "/alerts", Crumbs: under("Alerts", "/alerts"), Content: alertui.RulesPage(shown)})
}

func (c *Console) editAlertRule(v *visit) error {
	ctx := v.Request().Context()
	if err := v.actor.Require(authz.AlertWrite); err != nil {
		return err
	}
	found, err := c.ruleNamed(v, alert.Rule(v.Param("rule")))
	if err != nil {
		return err
	}
	enabled, severity, number := found.Enabled, found.Severity, strconv.Itoa(found.Number)
	if v.posted() {
		enabled, severity, number = v.FormValue("enabled") == "true", channel.Severity(v.FormValue("severity")), v.FormValue("number")
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		change := alert.Change{Enabled: &enabled, Severity: &severity}
		if found.Unit != "" {
			count, err := strconv.Atoi(strings.TrimSpace(number))
			if err != nil {
				count = -1 // which the rule refuses in its own words
			}
			change.Number = &count
		}
		after, err := c.Alerts.SetRule(ctx, v.actor, found.Rule, change)
		return "/alerts/rules", "The rule “" + after.Name + "” is changed.", err
	})
	if given {
		return err
	}
	form := alertui.RuleForm{
		Form: v.frameOf("alert-rule-form", "Save", "/alerts/rules", wrong, "enabled", "severity", "number"), Title: found.Name, Text: found.Text,
		Enabled: component.Field{Name: "enabled", Label: "State", Value: strconv.FormatBool(enabled), Options: []component.Option{
			{Value: "true", Label: "On", Help: "It fires, and is shown here in any case."}, {Value: "false", Label: "Off", Help: "What is open of it is over at the next look."},
		}},
		Severity: component.Field{Name: "severity", Label: "Severity", Value: string(severity), Error: wrong.of("severity"), Options: severityOptions(), Help: "Channels choose by it what they take."},
	}
	if found.Unit != "" {
		form.Number = component.Field{Name: "number", Label: "From", Value: number, Error: wrong.of("number"), Suffix: found.Unit, InputMode: "numeric"}
	}
	return c.draw(v, view{Title: form.Title, Active: "/alerts", Crumbs: append(under("Alerts", "/alerts"), under("Rules", "/alerts/rules")...), Status: status, Content: alertui.RulePage(form), Fragment: alertui.RuleEdit(form)})
}

func (c *Console) ruleNamed(v *visit, rule alert.Rule) (alert.Setting, error) {
	all, err := c.Alerts.Rules(v.Request().Context(), v.actor)
	if err != nil {
		return alert.Setting{}, err
	}
	for _, one := range all {
		if one.Rule == rule {
			return one, nil
		}
	}
	return alert.Setting{}, fault.New(fault.NotFound, "there is no alert rule %q", rule)
}

func severityOptions() []component.Option {
	return []component.Option{
		{Value: string(channel.Info), Label: "Info"}, {Value: string(channel.Warning), Label: "Warning"}, {Value: string(channel.Critical), Label: "Critical"},
	}
}
