package console

import (
	"net/http"
	"slices"
	"strings"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/web/channelui"
	"tollgate.dev/web/component"
)

// channelText says what a kind of channel is called, what it needs, and how one gets that.
var channelText = map[channel.Kind]struct {
	name, needs string
	guide       []string
}{
	channel.Email: {"E-mail", "One or more addresses.", []string{"Everybody in the list gets the same message. It comes from the address that the operator of this installation chose."}},
	channel.Slack: {"Slack", "The address of an incoming webhook, or of a service that takes the same.", []string{
		"In Slack, make an app for your workspace, turn on Incoming Webhooks, add one for the channel, and copy its address here.",
		"The address is a secret: it is sealed, and only its host is shown again.",
	}},
	channel.Teams: {"Microsoft Teams", "The address of a workflow's webhook.", []string{
		"In Teams, open Workflows at the channel, choose “Post to a channel when a webhook request is received”, and copy the address that it shows at its end.",
		"The message is an Adaptive Card. The address is a secret: it is sealed, and only its host is shown again.",
	}},
	channel.Webhook: {"Webhook", "The address of a receiver of yours. Messages are signed.", []string{
		"Each message is a POST of JSON with type, timestamp and data, signed as the Standard Webhooks specification says. The next page shows the secret, once.",
		"Answer with 2xx within 15 seconds. 408, 429 and 5xx are tried again for a day, Retry-After is kept to; other answers end it. A message may arrive twice under the same webhook-id.",
	}},
	channel.PagerDuty: {"PagerDuty", "The routing key of an Events API v2 integration.", []string{
		"At the service, add an integration of the type Events API v2 and copy its integration key.",
		"An alert triggers an incident, its end resolves it. Another address is for services that take the same events.",
	}},
}

var topicText = map[channel.Topic]string{
	channel.Budgets: "Budgets", channel.Spend: "Unusual spend", channel.Guardrails: "Guardrails", channel.Prices: "Prices", channel.Edges: "Edges", channel.Configuration: "Configuration",
}

func (c *Console) channels(v *visit) error {
	all, err := c.Channels.List(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	list := channelui.List{MayAdd: v.actor.May(authz.ChannelWrite)}
	for _, one := range all {
		list.Rows = append(list.Rows, channelRow(one, list.MayAdd))
	}
	return c.draw(v, view{Title: "Channels", Active: "/channels", Content: channelui.Page(list)})
}

func channelRow(one channel.Channel, mayChange bool) channelui.Row {
	row := channelui.Row{
		ID: one.ID.String(), Name: one.Name, Href: "/channels/" + one.ID.String(), Kind: channelText[one.Kind].name, Target: one.Host, Created: component.At(one.CreatedAt, "day"),
	}
	if one.Kind == channel.Email {
		row.Target = strings.Join(one.Addresses, ", ")
	}
	row.Takes = map[channel.Severity]string{channel.Info: "all alerts", channel.Warning: "warnings and critical alerts", channel.Critical: "critical alerts"}[one.SeverityMin]
	if len(one.Topics) > 0 {
		var about []string
		for _, topic := range one.Topics {
			about = append(about, strings.ToLower(topicText[topic]))
		}
		row.Takes += " about " + strings.Join(about, ", ")
	}
	if mayChange && one.ArchivedAt == nil {
		row.ArchiveHref = row.Href + "/archive"
	}
	return row
}

func (c *Console) newChannel(v *visit) error {
	if err := v.actor.Require(authz.ChannelWrite); err != nil {
		return err
	}
	kind := channel.Kind(v.QueryParam("kind"))
	if !slices.Contains(channel.Kinds(), kind) {
		return c.chooseChannel(v)
	}
	in := channelInput(v)
	in.Kind = kind
	wrong, status := mends{}, http.StatusOK
	if v.posted() {
		made, signing, err := c.Channels.Create(v.Request().Context(), v.actor, in)
		switch {
		case err == nil && !signing.IsZero():
			return c.showSigning(v, made, signing)
		case err == nil:
			return c.done(v, "/channels/"+made.ID.String(), "Channel “"+made.Name+"” is there. Send a test to see whether messages arrive.")
		}
		var ok bool
		if wrong, ok = refused(err); !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	} else {
		in.SeverityMin = channel.Warning
	}
	form := channelForm(in, wrong, false)
	form.Title = "New channel: " + channelText[kind].name
	form.Form = v.frameOf("channel-form", "Create channel", "/channels", wrong, "name", "addresses", "url", "routing_key", "severity_min", "topics")
	form.Form.Action += "?kind=" + string(kind)
	return c.draw(v, view{Title: form.Title, Active: "/channels", Crumbs: under("Channels", "/channels"), Status: status, Content: channelui.FormPage(form), Fragment: channelui.Edit(form)})
}

func (c *Console) chooseChannel(v *visit) error {
	var choice channelui.Choice
	for _, kind := range channel.Kinds() {
		one := channelui.Kind{Name: channelText[kind].name, Text: channelText[kind].needs, Href: "/channels/new?kind=" + string(kind)}
		if kind == channel.Email && !c.Channels.Mails() {
			one.Absent = "This installation has no mail server: its operator sets TOLLGATE_SMTP_URL and TOLLGATE_SMTP_FROM."
		}
		choice.Kinds = append(choice.Kinds, one)
	}
	return c.draw(v, view{Title: "New channel", Active: "/channels", Crumbs: under("Channels", "/channels"), Content: channelui.ChoicePage(choice)})
}

// showSigning draws a signing secret right after it was made: the only page that ever holds it.
func (c *Console) showSigning(v *visit, made channel.Channel, signing seal.Secret) error {
	shown := channelui.CreatedPage(channelui.Created{Name: made.Name, Href: "/channels/" + made.ID.String(), Secret: signing.Reveal()})
	v.wholePage()
	return c.draw(v, view{Title: "Your signing secret", Active: "/channels", Crumbs: under("Channels", "/channels"), Content: shown, Fragment: shown, Whole: true})
}

func channelInput(v *visit) channel.Input {
	in := channel.Input{
		Name: v.FormValue("name"), Addresses: linesOf(strings.ReplaceAll(v.FormValue("addresses"), ",", "\n")), URL: seal.NewSecret(v.FormValue("url")),
		RoutingKey: seal.NewSecret(v.FormValue("routing_key")), SeverityMin: channel.Severity(v.FormValue("severity_min")),
	}
	for _, topic := range channel.Topics() {
		if v.FormValue("topic-"+string(topic)) != "" {
			in.Topics = append(in.Topics, topic)
		}
	}
	return in
}

// channelForm draws the fields of a kind. A secret that was typed is not drawn again.
func channelForm(in channel.Input, wrong mends, exists bool) channelui.Form {
	form := channelui.Form{
		Guide: channelText[in.Kind].guide, TopicsBad: wrong.of("topics"),
		Name: component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name")},
		Severity: component.Field{Name: "severity_min", Label: "Takes", Value: string(in.SeverityMin), Error: wrong.of("severity_min"), Options: []component.Option{
			{Value: string(channel.Info), Label: "All alerts"}, {Value: string(channel.Warning), Label: "Warnings and critical alerts"}, {Value: string(channel.Critical), Label: "Critical alerts"},
		}},
	}
	keep := ""
	if exists {
		keep = "Leave it empty to keep the one that is sealed."
	}
	switch in.Kind {
	case channel.Email:
		form.Addresses = component.Field{Name: "addresses", Label: "Addresses", Value: strings.Join(in.Addresses, "\n"), Error: wrong.of("kind", "addresses"), Help: "One on each line."}
	case channel.PagerDuty:
		form.Key = component.Field{Name: "routing_key", Label: "Routing key", Kind: "password", Error: wrong.of("routing_key"), Help: keep, Optional: exists}
		form.URL = component.Field{Name: "url", Label: "Address", Kind: "password", Error: wrong.of("url"), Optional: true, Help: strings.TrimSpace("PagerDuty's own, unless you enter another. " + keep)}
	default:
		form.URL = component.Field{Name: "url", Label: "Address", Kind: "password", Error: wrong.of("kind", "url"), Placeholder: "https://", Help: strings.TrimSpace("It is a secret and is not shown again. " + keep), Optional: exists}
	}
	for _, topic := range channel.Topics() {
		form.Topics = append(form.Topics, component.Field{Name: "topic-" + string(topic), Label: topicText[topic], Value: "yes", Checked: slices.Contains(in.Topics, topic)})
	}
	return form
}

func (c *Console) channel(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Channel](v, "id")
	found, err := c.Channels.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	in := channel.Input{Name: found.Name, Kind: found.Kind, Addresses: found.Addresses, SeverityMin: found.SeverityMin, Topics: found.Topics}
	if v.posted() {
		if err := v.actor.Require(authz.ChannelWrite); err != nil {
			return err
		}
		in = channelInput(v)
		in.Kind = found.Kind
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		topics := append([]channel.Topic{}, in.Topics...)
		changed, err := c.Channels.Update(ctx, v.actor, id, channel.Change{
			Name: &in.Name, Addresses: &in.Addresses, URL: in.URL, RoutingKey: in.RoutingKey, SeverityMin: &in.SeverityMin, Topics: &topics,
		})
		return "/channels/" + id.String(), "Channel “" + changed.Name + "” is changed.", err
	})
	if given {
		return err
	}
	sent, err := c.Channels.Deliveries(ctx, v.actor, id)
	if err != nil {
		return err
	}
	detail := channelui.Detail{Row: channelRow(found, v.actor.May(authz.ChannelWrite)), CSRF: v.csrf(), Deliveries: c.deliveriesView(v, sent)}
	form := channelForm(in, wrong, true)
	form.Form = v.frameOf("channel-form", "Save", "", wrong, "name", "addresses", "url", "routing_key", "severity_min", "topics")
	if detail.Row.ArchiveHref != "" {
		detail.Form, detail.TestHref = &form, detail.Row.Href+"/test"
	}
	return c.draw(v, view{Title: found.Name, Active: "/channels", Crumbs: under("Channels", "/channels"), Status: status, Content: channelui.DetailPage(detail), Fragment: channelui.Edit(form)})
}

func (c *Console) testChannel(v *visit) error {
	sent, err := c.Channels.Test(v.Request().Context(), v.actor, idOf[ident.Channel](v, "id"))
	if err != nil {
		return err
	}
	return c.done(v, "/channels/"+sent.ChannelID.String(), outcome(sent))
}

func (c *Console) archiveChannel(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Channel](v, "id")
	found, err := c.Channels.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	return c.confirm(v, authz.ChannelWrite, "/channels", component.Confirm{
		Title: "Archive “" + found.Name + "”?", Text: "Nothing is sent there any more, and what is on its way is given up. What was delivered stays in the list of alerts.", Submit: "Archive channel", Cancel: "/channels",
	}, func() (string, string, error) {
		return "/channels", "Channel “" + found.Name + "” is archived. Nothing is sent there any more.", c.Channels.Archive(ctx, v.actor, id)
	})
}
